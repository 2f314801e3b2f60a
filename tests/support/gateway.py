"""A gateway in the test's own process, with the test issuer beside it, and what a client of it needs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientSession, web
from aiokafka import AIOKafkaConsumer, TopicPartition
from pypdf import PdfWriter

from gateway.app import make_app, runner_of
from gateway.auth.grant import token_for
from gateway.auth.memory import MEMORY
from gateway.auth.tokens import TOKENS
from gateway.context import LOG
from gateway.issuer.serving import issuers
from gateway.seed import credentials, seed
from infra.settings import Settings
from schemas.audit import AutentiseringerFeilet
from schemas.codec import decode
from schemas.envelope import Position, Recorded, fact, read_envelope
from schemas.topics import NOKKEL
from streams import topics
from streams.domain.errors import Unavailable
from tests.support.eventually import eventually
from tests.support.files import stored_in
from tests.support.ports import free_port
from tests.support.records import records_on

NOWHERE = "postgresql://nobody:none@127.0.0.1:1/none"
# What the generated classes of the published client write null for when it is not set.
UNSET = (
    *("eksponertFor", "avgivendeSystem", "avgivendeSystemAktor", "konteringskode", "utskriftskonfigurasjon", "lenker"),
    *("forsendelsestype", "metadataFraAvleverendeSystem", "metadataForImport", "svarSendesTil", "svarPaForsendelse"),
    *("korrelasjonsid", "signeringUtloper", "signaturType", "eksternReferanse"),
)
BOUNDARY = "JettyHttpClient-1bcdefghijklmn"
PATIENT = (
    "-c",
    """
from gateway import cli
command = cli.cli.get_command(None, "gateway")  # which says where metrics go, before anything defines one
from gateway import app
from infra import ends
from streams import log
app.LINGER, log.STALLED_AFTER, log.GIVEN_UP_AFTER = 5 * app.LINGER, 60.0, 90.0
log.SETTINGS |= dict.fromkeys(("message.timeout.ms", "socket.timeout.ms", "request.timeout.ms"), 60_000)
ends.ATTEMPTS = (0.5, 60.0)
command([])
""",
)
"""What Python is given to run a gateway that waits longer for the log and for callers, which a busy machine makes late:
what is refused or cut off by it is so for another reason.
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """A client of the gateway. ``headers`` are those of the integration that may send from ``konto_id``."""

    settings: Settings
    app: web.Application
    session: ClientSession
    headers: dict[str, str]
    konto_id: UUID

    @property
    def url(self) -> str:
        return f"http://{self.settings.gateway_host}:{self.settings.gateway_port}"

    @property
    def send_url(self) -> str:
        return f"{self.url}/api/v2/kontoer/{self.konto_id}/forsendelser/"

    @property
    def blobs(self) -> list[str]:
        """The names of all files in the blob store, but for its identity."""
        return sorted(stored_in(self.settings.state / "blobs"))

    async def send(self, body: bytes | AsyncIterator[bytes], **headers: str) -> tuple[int, dict[str, Any]]:
        """Send a multipart body made by ``form``; the status and the JSON body of the answer."""
        own = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
        async with self.session.post(self.send_url, data=body, headers=self.headers | own | headers) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def running_gateway(kafka: str, state: Path, postgres: str = NOWHERE) -> AsyncIterator[Caller]:
    """A gateway that is ready, on real Kafka; PostgreSQL only where it is given."""
    topics.apply(kafka, 1)
    issuer_port = free_port()
    settings = Settings(
        kafka=kafka,
        postgres=postgres,
        state=state,
        issuer=f"http://127.0.0.1:{issuer_port}/",
        idporten_issuer=f"http://127.0.0.1:{issuer_port}/idporten",
        issuer_port=issuer_port,
        gateway_port=free_port(),
    )
    await seed(kafka, state)
    async with served(issuers(settings), issuer_port):
        app = make_app(settings)
        async with served(app, settings.gateway_port), ClientSession() as session:
            await eventually(lambda: app[MEMORY].ready and app[TOKENS].ready)
            known = credentials(state)[0]
            token = await token_for(settings.issuer, known["orgnr"], "ks:fiks")
            headers = {
                "Authorization": f"Bearer {token}",
                "IntegrasjonId": known["integrasjonId"],
                "IntegrasjonPassord": known["integrasjonPassord"],
            }
            yield Caller(settings, app, session, headers, UUID(known["kontoId"]))


def environment(settings: Settings, **changes: object) -> dict[str, str]:
    """For a process that shall find the same system, with other settings where ``changes`` says so."""
    names = ("kafka", "postgres", "issuer", "idporten_issuer", "gateway_port", "state")
    values = {name: getattr(settings, name) for name in names} | changes
    return os.environ | {f"FIKS_{name.upper()}": str(value) for name, value in values.items()}


async def until_log_takes(app: web.Application) -> None:
    """Append what nobody asks about, until that is acknowledged: what comes first after the return of a broker may
    be on the log, and be refused all the same.
    """
    event = AutentiseringerFeilet(fiks_org_id=uuid4(), antall=1)
    about = fact(event, time=datetime.now(UTC), id=str(uuid4()), source="urn:test")
    while True:
        try:
            await app[LOG].append(event, about)
            return
        except Unavailable:
            await asyncio.sleep(0.1)


@contextmanager
def lasting_tokens() -> Iterator[None]:
    """Tokens that the issuers of this process make hold for a day, as long as any system that many tests share."""
    with pytest.MonkeyPatch.context() as patch:
        for issuer in ("maskinporten", "idporten"):
            patch.setattr(f"gateway.issuer.{issuer}.LIFETIME", 24 * 60 * 60)
        yield


@asynccontextmanager
async def served(app: web.Application, port: int) -> AsyncIterator[None]:
    """The application, serving on a port of this machine."""
    runner = runner_of(app, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    try:
        yield
    finally:
        await runner.cleanup()


def pdf(pages: int = 2, password: str | None = None) -> bytes:
    """A real PDF."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if password:
        writer.encrypt(password, algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def metadata(*filnavn: str, **changes: Any) -> bytes:
    """The metadata part as the published client writes it, of a letter to a person with these PDFs."""
    mottaker = dict.fromkeys(("adresselinje2", "adresselinje3", "land")) | {
        "navn": "Kari Nordmann",
        "digitalId": "01010700066",
        "adresselinje1": "Gata 1",
        "poststed": "Oslo",
        "postnummer": "0192",
    }
    flags = ("kunDigitalLevering", "kryptert", "krevNiva4Innlogging", "svarPaForsendelseLink", "taushetsbelagtPost")
    dokumenter = [
        {"filnavn": name, "mimeType": "application/pdf", "skalSigneres": False, "giroarkSider": None}
        for name in filnavn
    ]
    said = {"tittel": "Vedtak – blåbær", "mottaker": mottaker, "dokumenter": dokumenter}
    return json.dumps(dict.fromkeys(UNSET) | dict.fromkeys(flags, False) | said | changes, ensure_ascii=False).encode()


def form(metadata: bytes, documents: Iterable[tuple[str, bytes]] = (), *, end: bool = True) -> bytes:
    """A body in the shape of the published client (``findings``, v2): ``documents`` are dispositions and contents."""
    head = b'Content-Disposition: form-data; name="forsendelse"\r\nContent-Type: text/plain;charset=UTF-8'
    parts = [(head, metadata)]
    for number, (disposition, content) in enumerate(documents):
        named = f'Content-Disposition: form-data; name="filer_{number}"; {disposition}'.encode()
        parts.append((named + b"\r\nContent-Type: application/octet-stream", content))
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (BOUNDARY.encode(), head, content) for head, content in parts)
    return body + (b"--%s--\r\n" % BOUNDARY.encode() if end else b"")


def letter() -> bytes:
    """The body of a letter with one document."""
    return form(metadata("a.pdf"), [('filename="a.pdf"', pdf())])


async def events_after(kafka: str, marks: Mapping[int, int], topic: str = "fiks.svarut") -> list[Recorded]:
    """What was appended to the topic since ``marks`` was taken by ``ends_of``."""
    found = await asyncio.to_thread(records_on, kafka, topic)
    return [
        Recorded(decode(one.value), read_envelope(one.headers, Position(topic, one.partition, one.offset)))
        for one in found
        if one.offset >= marks[one.partition]
    ]


async def keys_after(kafka: str, marks: Mapping[int, int]) -> list[tuple[str, bool]]:
    """The names of the data keys that were made (True) or destroyed since ``marks`` was taken by ``ends_of``."""
    found = await asyncio.to_thread(records_on, kafka, NOKKEL.name)
    return [(one.key.decode(), bool(one.value)) for one in found if one.offset >= marks[one.partition]]


async def ends_of(kafka: str, topic: str = "fiks.svarut") -> dict[int, int]:
    """The end of each partition."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(12)]
        return {at.partition: end for at, end in (await consumer.end_offsets(partitions)).items()}
