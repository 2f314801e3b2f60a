"""A whole system with Dokumentlager: two gateways on one log, a worker, PostgreSQL; and a client that speaks to it.

The first gateway asks nobody who owns a property unit, the second asks the stand-in for Fiks Matrikkel.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import ClientError, ClientSession, web
from cryptography.x509 import load_pem_x509_certificate

from fiks_cms.envelope import Encryptor
from gateway.app import make_app
from gateway.auth.grant import token_for
from gateway.auth.login import person_token
from gateway.auth.memory import MEMORY
from gateway.fullmakt import FULLMAKTER
from gateway.matrikkel import Eier
from gateway.registers.parties import Party
from gateway.seed import ADMINISTRATORS, OPERATOR, PROVDAL, TESTVIK, Organisation, credentials
from gateway.stand_ins import matrikkel
from gateway.stand_ins.door import Door
from infra.local.processes import leashed
from infra.settings import Settings
from tests.support.eventually import eventually, eventually_found
from tests.support.files import stored_in
from tests.support.gateway import running_gateway, served
from tests.support.ports import free_port
from tests.support.stack import OwnKafka, OwnPostgres
from tests.support.workers import prepare, working

BOUNDARY = "JettyHttpClient-1bcdefghijklmn"
UNSET = ("ttl", "tilgjengeligTil", "sikkerhetsniva", "korrelasjonsid", "ikkeLagreDokumentLastetNed")


class Powers:
    """Altinn, as a test wants it."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Party]] = {}

    async def parties(self, pid: str) -> dict[str, Party]:
        return self.held.get(pid, {})


@dataclass(frozen=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Lager:
    """A caller of one gateway, about an account of an organisation. ``as_…`` make others of it."""

    settings: Settings
    app: web.Application
    session: ClientSession
    postgres: str
    powers: Powers
    headers: Mapping[str, str]
    organisation: Organisation = TESTVIK
    eiere: dict[matrikkel.Enhet, tuple[Eier, ...]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.gateway_port}"

    @property
    def fiks_org_id(self) -> UUID:
        return self.organisation.id("organisasjon")

    @property
    def konto_id(self) -> UUID:
        return self.organisation.id("dokumenter")

    @property
    def konto(self) -> str:
        """The address of the account."""
        return self.konto_of(self.konto_id)

    def konto_of(self, konto_id: UUID | str) -> str:
        return f"/dokumentlager/api/v1/{self.fiks_org_id}/kontoer/{konto_id}"

    async def ask(self, method: str, path: str, *, headers: Mapping[str, str] = {}, **more: Any) -> Answer:
        """Call, as the caller, without following redirects."""
        async with self.session.request(
            method, self.url + path, headers={**self.headers, **headers}, allow_redirects=False, **more
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def upload(
        self, body: bytes | AsyncIterator[bytes], konto: str | None = None, *, query: str = "?kryptert=false"
    ) -> Answer:
        """Post a body made by ``form``."""
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        data = BytesIO(body) if isinstance(body, bytes) else body
        return await self.ask("POST", f"{konto or self.konto}/dokumenter/{query}", data=data, headers=kind)

    async def uploaded(self, content: bytes = b"innhold", konto: str | None = None, **said: Any) -> str:
        """Upload what must be accepted; the id of the document."""
        answer = await self.upload(form(said_of(**said), content), konto)
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    async def encrypted(self, content: bytes) -> bytes:
        """The content as the published client encrypts it, for the certificate that it is told."""
        answer = await self.ask("GET", "/dokumentlager/api/v1/public-key")
        assert answer.headers["Content-Type"].startswith("text/plain")
        encryptor = Encryptor([load_pem_x509_certificate(answer.body)])
        return encryptor.update(content) + encryptor.finish()

    async def download(self, dokument_id: str, what: str = "", **headers: str) -> Answer:
        """Get the content, or ``/metadata``."""
        return await self.ask("GET", f"/dokumentlager/nedlasting/{dokument_id}{what}", headers=headers)

    async def as_organisation(self, organisation: Organisation) -> Lager:
        """The integration of an organisation, about its own account."""
        known = next(one for one in credentials(self.settings.state) if one["orgnr"] == organisation.orgnr)
        headers = {
            "Authorization": f"Bearer {await token_for(self.settings.issuer, organisation.orgnr)}",
            "IntegrasjonId": known["integrasjonId"],
            "IntegrasjonPassord": known["integrasjonPassord"],
        }
        return replace(self, headers=headers, organisation=organisation)

    async def as_person(self, pid: str, niva: int = 4) -> Lager:
        """Somebody who has logged in."""
        token = await person_token(self.settings.idporten_issuer, pid, niva, TESTVIK.orgnr)
        return replace(self, headers={"Authorization": f"Bearer {token}"})

    async def as_administrator(self) -> Lager:
        """The administrator of the organisation."""
        return await self.as_person(ADMINISTRATORS[self.organisation].pid)

    async def as_operator(self) -> Lager:
        """The root operator."""
        return await self.as_person(OPERATOR.pid)

    @property
    def blobs(self) -> set[str]:
        """The names of all files in the blob store, but for its identity."""
        return stored_in(self.settings.state / "blobs")

    async def rows(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """What PostgreSQL says."""
        connection = await asyncpg.connect(self.postgres)
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()


def said_of(**said: Any) -> bytes:
    """The metadata as the published client writes it: every field, null where it is unset, ``type`` last."""
    exposed = [{"id": str(TESTVIK.id("integrasjon")), "type": "INTEGRASJON"}]
    always = {"dokumentnavn": "å b.txt", "mimetype": "text/plain", "ttl": -1, "eksponertFor": exposed}
    return json.dumps(dict.fromkeys(UNSET) | always | said, ensure_ascii=False).encode()


def form(metadata: bytes, content: bytes, *, end: bool = True) -> bytes:
    """The body in the shape of the published client: the type of a part stands before its name."""
    parts = (
        (b'application/json\r\nContent-Disposition: form-data; name="metadata"', metadata),
        (
            'application/octet-stream\r\nContent-Disposition: form-data; name="dokument"; filename="å b.txt"'.encode(),
            content,
        ),
    )
    body = b"".join(b"--%s\r\nContent-Type: %s\r\n\r\n%s\r\n" % (BOUNDARY.encode(), *part) for part in parts)
    return body + (b"--%s--\r\n" % BOUNDARY.encode() if end else b"")


@asynccontextmanager
async def running_lager(folder: Path) -> AsyncIterator[tuple[Lager, Lager]]:
    """The same caller of two gateways, with a worker behind them."""
    async with lager_on(folder, OwnKafka(folder), OwnPostgres(folder)) as callers:
        yield callers


@asynccontextmanager
async def lager_on(folder: Path, kafka: OwnKafka, postgres: OwnPostgres) -> AsyncIterator[tuple[Lager, Lager]]:
    """As ``running_lager``, on servers that a test can take away and must give back."""
    await asyncio.gather(kafka.start(), postgres.start())
    await prepare(postgres.dsn)
    async with running_gateway(kafka.bootstrap, folder / "state", postgres.dsn) as caller:
        asks = {"matrikkel_integrasjon": UUID(int=2), "matrikkel_passord": "passord", "test_mode": True}
        register, eiere = free_port(), dict[matrikkel.Enhet, tuple[Eier, ...]]()
        changes = {"gateway_port": free_port(), "matrikkel": f"http://127.0.0.1:{register}/{UUID(int=1)}", **asks}
        settings = caller.settings.model_copy(update=changes)
        other = make_app(settings)
        stand_in = matrikkel.make_app(Door(settings.issuer, caller.session), UUID(int=2), "passord", eiere)
        async with served(stand_in, register), served(other, settings.gateway_port), working(settings):
            await eventually(lambda: other[MEMORY].ready)
            await eventually_found(lambda: _is_at_work(postgres.dsn))
            powers = Powers()
            for app in (caller.app, other):
                app[FULLMAKTER]._altinn, app[FULLMAKTER]._lifetime = powers, 0
            one = Lager(caller.settings, caller.app, caller.session, postgres.dsn, powers, caller.headers, eiere=eiere)
            yield one, replace(one, settings=settings, app=other)
    await postgres.stop()
    await kafka.stop()


async def _is_at_work(postgres: str) -> bool:
    """Whether the worker has read what was seeded. Before that, reads wait for it, and at last answer 503."""
    connection = await asyncpg.connect(postgres)
    found = await connection.fetchval("select count(*) from read.konfigurasjon_integrasjon")
    await connection.close()
    return bool(found)


@asynccontextmanager
async def gateway_process(lager: Lager) -> AsyncIterator[tuple[Lager, asyncio.subprocess.Process]]:
    """A gateway, of AMQP too, in a process of its own beside that of ``lager``, and the same caller of it."""
    own = lager.settings.model_copy(update={"gateway_port": free_port(), "amqp_port": free_port()})
    told = ("kafka", "postgres", "state", "issuer", "idporten_issuer", "issuer_port", "gateway_port", "amqp_port")
    environment = os.environ | {f"FIKS_{name.upper()}": str(getattr(own, name)) for name in told}
    program = "import asyncio; from gateway.app import serve; from infra.settings import Settings; "
    process = await asyncio.create_subprocess_exec(
        *leashed((sys.executable, "-c", f"{program}asyncio.run(serve(Settings()))")), env=environment
    )
    caller = replace(lager, settings=own)
    try:
        while not await _is_ready(caller):
            await asyncio.sleep(0.1)
        yield caller, process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _is_ready(lager: Lager) -> bool:
    try:
        return (await lager.ask("GET", f"{lager.konto}/statistikk")).status == 200
    except ClientError:
        return False


__all__ = [
    "PROVDAL",
    "TESTVIK",
    "Answer",
    "Lager",
    "Party",
    "form",
    "gateway_process",
    "lager_on",
    "running_lager",
    "said_of",
    "working",
]
