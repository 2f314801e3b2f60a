"""The catalogue of accounts: who they are, whether they can be sent to, and for which certificate to encrypt."""

from __future__ import annotations

import time
from uuid import UUID

import msgspec
from cryptography import x509

from fiks_io.api import Api, read
from fiks_io.errors import HttpError

KEPT = 600.0
"""Seconds for which a certificate is used again."""
MOST_KEPT = 100

BASE = "/fiks-io/katalog/api/v1/kontoer"


class KontoStatus(msgspec.Struct, frozen=True, rename="camel"):
    """Whether an account can send and receive; ``melding`` says why not."""

    gyldig_avsender: bool
    gyldig_mottaker: bool
    antall_konsumenter: int = 0
    antall_uavhentede_meldinger: int = 0
    melding: str | None = None


class Konto(msgspec.Struct, frozen=True, rename="camel"):
    """An account of Fiks IO."""

    konto_id: UUID
    konto_navn: str
    fiks_org_id: UUID
    fiks_org_navn: str
    status: KontoStatus
    organisasjonsnummer: str | None = None
    kommunenummer: str | None = None


class _OffentligNokkel(msgspec.Struct, frozen=True):
    nokkel: str


class Katalog:
    """The catalogue. Everything raises HttpError and Unavailable."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._certificates: dict[UUID, tuple[x509.Certificate, float]] = {}

    async def konto(self, konto_id: UUID) -> Konto | None:
        """An account; None where there is none."""
        try:
            async with self._api.call("GET", f"{BASE}/{konto_id}") as response:
                return await read(response, Konto)
        except HttpError as fault:
            if fault.status == 404:
                return None
            raise

    async def status(self, konto_id: UUID) -> KontoStatus:
        """The status of an account."""
        async with self._api.call("GET", f"{BASE}/{konto_id}/status") as response:
            return await read(response, KontoStatus)

    async def certificate(self, konto_id: UUID) -> x509.Certificate:
        """The certificate for which to encrypt what an account shall read: as it was asked for within ten minutes."""
        certificate, asked_at = self._certificates.pop(konto_id, (None, 0.0))
        if certificate is None or time.monotonic() >= asked_at + KEPT:
            certificate, asked_at = await self._ask(konto_id), time.monotonic()
        self._certificates[konto_id] = certificate, asked_at
        if len(self._certificates) > MOST_KEPT:
            del self._certificates[next(iter(self._certificates))]
        return certificate

    async def _ask(self, konto_id: UUID) -> x509.Certificate:
        async with self._api.call("GET", f"{BASE}/{konto_id}/offentligNokkel", as_anybody=True) as response:
            said = await read(response, _OffentligNokkel)
        try:
            return x509.load_pem_x509_certificate(said.nokkel.encode())
        except ValueError:
            raise HttpError(200, "the public key of the account is no certificate") from None
