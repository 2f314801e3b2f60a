"""The local system with an account of Fiks IO for each of two organisations, and the published clients of their owners."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.auth.login import person_token
from gateway.seed import ADMINISTRATORS, ORGANISATIONS
from infra.local.processes import run
from infra.local.stack import GATEWAYS
from streams.domain.fiks_io_konto import KONFIGURERE, SENDE_MOTTA
from tests.support.certificates import certificate, pem
from tests.support.eventually import eventually
from tests.support.local_system import System, local_system
from tests.support.published_client import PASSWORD, Client, Program, caller

TYPE = "no.ks.fiks.test.v1.melding"


@dataclass(frozen=True)
class Konto:
    """An account that sends and receives, its owner's integration, and its private key in a file."""

    kontoId: str  # noqa: N815
    navn: str
    owner: dict[str, str]
    key: Path
    pem: str


@dataclass(frozen=True)
class Post:
    """A running system."""

    system: System
    trust: tuple[str, ...]
    """Options by which a JVM trusts the system's certificate."""

    async def konto(self, owner: dict[str, str], navn: str = "Arkiv") -> Konto:
        """A new account of the organisation, made by its administrator; the integration may use and configure it."""
        key = rsa.generate_private_key(65537, 2048)
        made, file = pem(certificate(key)), self.system.files / f"{navn}-{owner['orgnr']}.der"
        file.write_bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        asked = {
            "konto": {"fiksOrgId": owner["fiksOrgId"], "navn": navn},
            "offentligNokkel": made,
            "skalAktiveres": True,
        }
        konto = str((await self.administer(owner, "/fiks-io/konto/api/v1/kontoer", asked))["kontoId"])
        for privilegium in (SENDE_MOTTA, KONFIGURERE):
            right = {"aktor": owner["integrasjonId"], "privilegium": privilegium}
            await self.administer(owner, f"/autorisasjon-update/api/v1/ressurs/{konto}/tilganger", right)
        return Konto(konto, navn, owner, file, made)

    async def administer(self, owner: dict[str, str], path: str, asked: Any) -> Any:
        """What is answered to the organisation's administrator, of what must succeed."""
        organisation = next(one for one in ORGANISATIONS if one.orgnr == owner["orgnr"])
        pid = ADMINISTRATORS[organisation].pid
        token = await person_token(self.system.addresses["idporten"], pid, 4, owner["orgnr"])
        headers, url = {"Authorization": f"Bearer {token}"}, self.system.addresses["gateway"] + path
        async with ClientSession() as session, session.post(url, json=asked, headers=headers) as answer:
            assert 200 <= answer.status < 300, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None

    @asynccontextmanager
    async def java(self, program: Program) -> AsyncIterator[Java]:
        """A JVM for clients."""
        async with Client.started(program, self.system.files / f"{program.name}.log", *self.trust) as client:
            yield Java(self, client)

    async def rows(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """What PostgreSQL says."""
        connection = await asyncpg.connect(self.system.addresses["postgres"])
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()

    # --- Gateways ----------------------------------------------------------------------------------------------------

    def gateways(self) -> dict[str, Any]:
        """How the gateway processes are."""
        processes = json.loads((self.system.files / "stack.json").read_text())["processes"]
        return {name: processes[name] for name in GATEWAYS}

    async def end(self, *names: str, by: signal.Signals = signal.SIGKILL) -> None:
        """End gateways, and wait until the supervisor has others that are well."""
        before = self.gateways()
        for name in names:
            os.kill(before[name]["pid"], by)
        await eventually(lambda: all(self._is_new(before, name) for name in names))

    def _is_new(self, before: dict[str, Any], name: str) -> bool:
        now = self.gateways()[name]
        return now["restarts"] > before[name]["restarts"] and now["status"] == "healthy"


@dataclass(frozen=True)
class Java:
    """A JVM, in which each account can have a client."""

    post: Post
    machine: Client

    async def open(self, konto: Konto, **instead: Any) -> Klient:
        """A client for the account, connected."""
        addresses = self.post.system.addresses
        amqp = addresses["amqp"].removeprefix("amqps://").rstrip("/").split(":")
        asked: dict[str, Any] = {
            "port": int(addresses["gateway"].rpartition(":")[2]),
            "amqpHost": amqp[0],
            "amqpPort": int(amqp[1]),
            "kontoId": konto.kontoId,
            "kontoNokkel": str(konto.key),
        }
        klient = Klient(self.machine, konto, konto.kontoId)
        await klient("open", **caller(self.post.system, konto.owner) | asked | instead)
        return klient


@dataclass(frozen=True)
class Klient:
    """The published client of an account."""

    machine: Client
    konto: Konto
    name: str

    async def __call__(self, what: str, **asked: Any) -> Any:
        return await self.machine.call(what, **{"as": self.name}, **asked)

    async def send(self, to: Konto, *files: Path, **more: Any) -> dict[str, Any]:
        """Send a message with these files; what the client knows of it then."""
        asked = {"type": TYPE, "mottaker": to.kontoId, "files": [str(one) for one in files]}
        sent: dict[str, Any] = await self("send", **asked | more)
        return sent

    async def next(self, count: int = 1) -> list[dict[str, Any]]:
        """The next messages that its handler is given."""
        found: list[dict[str, Any]] = await self("next", count=count)
        return found


@asynccontextmanager
async def fiks_io_post() -> AsyncIterator[Post]:
    """Everything, started and stopped."""
    async with local_system() as system:
        store = system.files / "trust.p12"
        kind = ("-storetype", "PKCS12", "-storepass", PASSWORD)
        authority = ("-alias", "fiks", "-file", system.addresses["amqp_authority"])
        await run("keytool", "-importcert", "-noprompt", *authority, "-keystore", str(store), *kind)
        options = {"": str(store), "Password": PASSWORD, "Type": "PKCS12"}
        yield Post(system, tuple(f"-Djavax.net.ssl.trustStore{name}={value}" for name, value in options.items()))


def ids_of(messages: Sequence[dict[str, Any]]) -> list[str]:
    """Which messages these are."""
    return [one["id"] for one in messages]
