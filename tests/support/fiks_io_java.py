"""The local system with accounts of Fiks IO, and the published Java client for each of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fiks_cms import KeyPair
from gateway.auth.login import person_token
from gateway.seed import ADMINISTRATORS, ORGANISATIONS
from infra.local.processes import run
from infra.local.requirements import Missing
from infra.local.stack import GATEWAYS
from streams.domain.fiks_io import Status
from streams.domain.fiks_io_konto import KONFIGURERE, SENDE_MOTTA
from tests.support.certificates import certificate, pem
from tests.support.eventually import eventually, eventually_found
from tests.support.local_system import System, local_system
from tests.support.published_client import PASSWORD, Client, Program, caller

TYPE = "no.ks.fiks.test.v1.melding"
OTHER_NAME = "en.annen.vert"
"""A name of this machine that the system's certificate does not have."""


@dataclass(frozen=True)
class Konto:
    """An account that sends and receives, its owner's integration, and its keys; the private one also in a file."""

    konto_id: str
    navn: str
    owner: dict[str, str]
    pair: KeyPair
    key: Path


@dataclass(frozen=True)
class Post:
    """A running system."""

    system: System
    options: tuple[str, ...]
    """By which a JVM trusts the system's certificate, and knows this machine by another name too."""

    async def konto(self, owner: dict[str, str], navn: str) -> Konto:
        """A new account of the organisation, made by its administrator; the integration may use and configure it."""
        key = rsa.generate_private_key(65537, 2048)
        file = self.system.files / f"{uuid4()}.der"
        file.write_bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        pair = KeyPair(certificate(key), key)
        asked = {
            "konto": {"fiksOrgId": owner["fiksOrgId"], "navn": navn},
            "offentligNokkel": pem(pair.certificate),
            "skalAktiveres": True,
        }
        token = await self._administrator(owner)
        konto = str((await self.ask("POST", "/fiks-io/konto/api/v1/kontoer", token, asked))["kontoId"])
        for privilegium in (SENDE_MOTTA, KONFIGURERE):
            right = {"aktor": owner["integrasjonId"], "privilegium": privilegium}
            await self.ask("POST", f"/autorisasjon-update/api/v1/ressurs/{konto}/tilganger", token, right)
        return Konto(konto, navn, owner, pair, file)

    async def _administrator(self, owner: dict[str, str]) -> str:
        """The token of the organisation's administrator."""
        organisation = next(one for one in ORGANISATIONS if one.orgnr == owner["orgnr"])
        issuer = self.system.addresses["idporten"]
        return await person_token(issuer, ADMINISTRATORS[organisation].pid, 4, organisation.orgnr)

    async def ask(self, method: str, path: str, token: str | None = None, asked: Any = None) -> Any:
        """What a gateway answers, of what must succeed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.system.addresses["gateway"] + path
        async with ClientSession() as session, session.request(method, url, json=asked, headers=headers) as answer:
            assert 200 <= answer.status < 300, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None

    @asynccontextmanager
    async def java(self, program: Program) -> AsyncIterator[Java]:
        """A JVM for clients; a test for which there is no Java is skipped."""
        try:
            async with Client.started(program, self.system.files / f"{program.name}.log", *self.options) as client:
                yield Java(self, program, client)
        except Missing as fault:
            pytest.skip(str(fault))

    async def status_of(self, melding_id: str) -> str | None:
        """Where a message is."""
        found = await self.rows("select status from read.fiks_io_tilstand where melding_id = $1", UUID(melding_id))
        return found[0]["status"] if found else None

    async def until(self, status: Status, *melding_ids: str) -> None:
        """Wait until that is where the messages are."""
        for one in melding_ids:
            await eventually_found(lambda one=one: self._is(one, status))

    async def _is(self, melding_id: str, status: Status) -> bool:
        return await self.status_of(melding_id) == status

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
    program: Program
    machine: Client

    async def open(self, konto: Konto, **instead: Any) -> Klient:
        """A client for the account, connected; in the place of the one that the account had."""
        addresses = self.post.system.addresses
        host, port = addresses["amqp"].removeprefix("amqps://").rstrip("/").split(":")
        asked: dict[str, Any] = {
            "gateway": addresses["gateway_tls"],
            "amqpHost": host,
            "amqpPort": int(port),
            "kontoId": konto.konto_id,
            "kontoNokkel": str(konto.key),
        }
        klient = Klient(self.machine, konto, konto.konto_id)
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
        asked = {"type": TYPE, "mottaker": to.konto_id, "files": [str(one) for one in files]}
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
        store, hosts = system.files / "trust.p12", system.files / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {OTHER_NAME}\n")
        kind = ("-storetype", "PKCS12", "-storepass", PASSWORD)
        authority = ("-alias", "fiks", "-file", system.addresses["authority"])
        await run("keytool", "-importcert", "-noprompt", *authority, "-keystore", str(store), *kind)
        trusts = {"": str(store), "Password": PASSWORD, "Type": "PKCS12"}
        options = [f"-Djavax.net.ssl.trustStore{name}={value}" for name, value in trusts.items()]
        yield Post(system, (*options, f"-Djdk.net.hosts.file={hosts}"))
