"""The AMQP server in the test's own process, with queues in memory and a configuration that a test changes at will."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import ClientSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.amqp.access import Access
from gateway.amqp.deliveries import Deliveries, Melding
from gateway.amqp.queues import queue_of
from gateway.amqp.server import Server
from gateway.audit import Auditor
from gateway.auth.integrations import Integrations
from gateway.auth.passwords import Passwords, hashed
from gateway.auth.tokens import Tokens
from gateway.issuer.maskinporten import party
from gateway.tls import tls
from schemas.envelope import Envelope
from schemas.konfigurasjon import (
    IntegrasjonOpprettet,
    OrganisasjonOpprettet,
    PrivilegieTildelt,
    RessursOpprettet,
)
from streams.domain.configuration import Configuration
from streams.domain.errors import Unavailable
from streams.domain.fiks_io_konto import KONTO, SENDE_MOTTA
from streams.domain.konfigurasjon import Integrasjon, Ressurs
from tests.support.deliveries import MemoryDeliveries
from tests.support.issuer import Issuers, running_issuers

ORGNR, PASSORD = "310991007", "riktig"
ORG, MASKIN, KONTO_ID, OTHER_KONTO, STRANGE_KONTO = (UUID(int=number) for number in range(0xA1, 0xA6))
"""An organisation, its integration, two accounts that it may read, and one that it may not."""
AKTOR = f"integrasjon:{MASKIN}"
QUEUE, OTHER_QUEUE, STRANGE_QUEUE = (queue_of(one) for one in (KONTO_ID, OTHER_KONTO, STRANGE_KONTO))
NO_QUEUE = queue_of(UUID(int=0xDEAD))
MELDING = Melding(
    {
        "melding-id": str(UUID(int=1)),
        "type": "no.ks.fiks.prøve.v1",
        "avsender-id": str(UUID(int=2)),
        "egendefinert-header.klientMeldingId": str(UUID(int=3)),
    },
    b"innhold",
    604_800_000,
)


def genesis() -> list[Any]:
    """What the log says at first."""
    kontoer = (KONTO_ID, OTHER_KONTO, STRANGE_KONTO)
    return [
        OrganisasjonOpprettet(fiks_org_id=ORG, orgnr=ORGNR, navn="Testvik"),
        *(
            RessursOpprettet(fiks_org_id=ORG, ressurs_id=konto_id, forelder_id=ORG, type=KONTO, navn="k")
            for konto_id in kontoer
        ),
        IntegrasjonOpprettet(
            fiks_org_id=ORG,
            integrasjon_id=MASKIN,
            navn="Fagsystem",
            autorisert_orgnr=ORGNR,
            passord_hash=hashed(PASSORD),
        ),
        *(
            PrivilegieTildelt(fiks_org_id=ORG, aktor=AKTOR, ressurs_id=konto_id, privilegium=SENDE_MOTTA)
            for konto_id in kontoer[:2]
        ),
    ]


class Remembering:
    """A memory that is told by the test, not by the log."""

    def __init__(self) -> None:
        self.ready, self.is_current, self.moment = True, True, 0
        self.configuration = Configuration()
        self._told: list[Callable[[], None]] = []

    def meet(self, *events: Any) -> None:
        for event in events:
            assert self.configuration.meet(event)
        for changed in self._told:
            changed()

    def tell(self, changed: Callable[[], None]) -> None:
        self._told.append(changed)

    def require(self) -> None:
        if not self.ready or not self.is_current:
            raise Unavailable("It does not know")

    async def has_moved_on(self, since: int) -> bool:
        """Never: a test that changes something changes it here."""
        return self.moment > since

    async def catch_up(self) -> None:
        """There is nothing to wait for."""

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        return self.configuration.integrasjon(integrasjon_id)

    def ressurs(self, ressurs_id: UUID) -> Ressurs | None:
        return self.configuration.ressurs(ressurs_id)

    def may(self, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
        return self.configuration.may(aktor, privilegium, ressurs_id)


@dataclass
class Told:
    """A log that keeps what is appended, unless it is away."""

    said: list[tuple[Any, Envelope]] = field(default_factory=list)
    away: bool = False

    async def append(self, event: object, about: Envelope) -> None:
        if self.away:
            raise Unavailable("the log is away")
        self.said.append((event, about))


@dataclass
class Amqp:
    """A server, and all that stands around it."""

    server: Server
    queues: MemoryDeliveries
    memory: Remembering
    log: Told
    issuers: Issuers
    passwords: Passwords

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def user(self) -> str:
        return str(MASKIN)

    @property
    def secret(self) -> str:
        """Password and token, as the published clients send them."""
        return f"{PASSORD} {self.token()}"

    def token(self, **changes: Any) -> str:
        """A token of Maskinporten, but for the ``changes``."""
        now = int(time.time())
        issuer = self.issuers.maskinporten
        claims = {"iss": issuer.name, "consumer": party(ORGNR), "scope": "ks:fiks", "iat": now, "exp": now + 120}
        return issuer.sign(claims | changes)


@asynccontextmanager
async def running_amqp(
    context: ssl.SSLContext | None = None, deliveries: Deliveries | None = None
) -> AsyncIterator[Amqp]:
    """A server on a port of its own; in the clear unless it is given TLS, with queues in memory or those given."""
    async with running_issuers() as issuers, ClientSession() as session:
        memory, log, queues = Remembering(), Told(), MemoryDeliveries()
        memory.meet(*genesis())
        tokens = Tokens(issuers.maskinporten.name, issuers.idporten.name, session)
        auditor = Auditor(log, memory)  # type: ignore[arg-type]
        passwords = Passwords()
        integrations = Integrations(memory, passwords)  # type: ignore[arg-type]
        access = Access(memory, tokens, integrations, auditor)  # type: ignore[arg-type]
        serving = Server(memory, access, deliveries or queues)  # type: ignore[arg-type]
        server = await serving.start("127.0.0.1", 0, context)
        try:
            yield Amqp(server, queues, memory, log, issuers, passwords)
        finally:
            await server.stop(grace=0)
            await auditor.stop()


def certified(folder: Path, *, for_host: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """TLS for the server, with a certificate for the host and the loopback address, and the file of who signed it."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), folder / "ca.pem"
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _signed("Test CA", ca_key, "Test CA", ca_key, x509.BasicConstraints(ca=True, path_length=0))
    named = x509.SubjectAlternativeName([x509.DNSName(for_host), x509.IPAddress(ip_address("127.0.0.1"))])
    (folder / "server.pem").write_bytes(_signed(for_host, key, "Test CA", ca_key, named).public_bytes(Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    authority.write_bytes(ca.public_bytes(Encoding.PEM))
    return tls(folder / "server.pem", folder / "server.key"), authority


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    by_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now, day = datetime.now(UTC), timedelta(days=1)
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, by))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    dated = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    return dated.add_extension(extension, critical=False).sign(by_key, hashes.SHA256())
