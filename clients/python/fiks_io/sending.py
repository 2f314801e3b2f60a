"""Sends a message: what is said of it, and the payload as it is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
from aiohttp import FormData

from fiks_io.api import Api, read
from fiks_io.errors import Unavailable

PATH = "/fiks-io/api/v1/send"
KLIENT_MELDING_ID = "klientMeldingId"
KORRELASJON_ID = "klientKorrelasjonsId"
OLD_KORRELASJON_ID = "klientKorrelasjonId"
"""How clients for Java before 3.6 spell it, which read no other."""


class Utgaende(msgspec.Struct, frozen=True, rename="camel"):
    """What is said of a message that is sent. ``ttl`` is in milliseconds."""

    avsender_konto_id: UUID
    mottaker_konto_id: UUID
    melding_type: str
    svar_pa_melding: UUID | None
    ttl: int | None
    headere: dict[str, str]


class SendtMelding(msgspec.Struct, frozen=True, rename="camel"):
    """A message that was accepted. ``dokumentlager_id`` is where its payload lies, if that is large."""

    melding_id: UUID
    melding_type: str
    avsender_konto_id: UUID
    mottaker_konto_id: UUID
    ttl_ms: int | None = msgspec.field(default=None, name="ttl")
    dokumentlager_id: UUID | None = None
    svar_pa_melding: UUID | None = None
    headere: dict[str, str] | None = None

    @property
    def ttl(self) -> timedelta | None:
        """How long it waits for its receiver."""
        return None if self.ttl_ms is None else timedelta(milliseconds=self.ttl_ms)


def headers(
    own: Mapping[str, str] | None, klient_melding_id: UUID | None, klient_korrelasjon_id: str | None
) -> dict[str, str]:
    """The headers of a message: the sender's own, and those that have a meaning to all clients."""
    made = dict(own or {})
    if klient_melding_id is not None:
        made[KLIENT_MELDING_ID] = str(klient_melding_id)
    if klient_korrelasjon_id is not None:
        made[KORRELASJON_ID] = made[OLD_KORRELASJON_ID] = klient_korrelasjon_id
    return made


async def send(api: Api, melding: Utgaende, payload: AsyncGenerator[bytes, None] | None) -> SendtMelding:
    """Send it. A payload that breaks off is never taken for a whole one. Raises what the payload raises, HttpError,
    and Unavailable.
    """
    form = FormData(default_to_multipart=True)
    form.add_field("metadata", msgspec.json.encode(melding).decode(), content_type="application/json")
    faults: list[Exception] = []
    if payload is not None:
        watched = _watched(payload, faults)
        form.add_field("data", watched, content_type="application/octet-stream", filename=str(uuid4()))
    try:
        async with api.call("POST", PATH, expected=202, data=form) as response:
            return await read(response, SendtMelding)
    except Unavailable:
        if faults:
            raise faults[0] from None
        raise


async def _watched(payload: AsyncGenerator[bytes, None], faults: list[Exception]) -> AsyncIterator[bytes]:
    """The payload. What it raises ends the connection, and is kept: the HTTP client tells it as a fault of its own."""
    try:
        async with aclosing(payload) as chunks:
            async for chunk in chunks:
                yield chunk
    except Exception as fault:
        faults.append(fault)
        raise
