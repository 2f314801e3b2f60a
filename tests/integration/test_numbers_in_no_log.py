"""The number of a person, wherever a caller puts it, is in nothing that processes write: no log, metric or trace."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import psutil
from aiohttp import ClientError, ClientSession, web
from confluent_kafka import Producer

from gateway.auth.login import person_token
from gateway.seed import ADMINISTRATORS, TESTVIK
from infra.local.processes import leashed
from infra.settings import Settings
from streams import dead_letters
from tests.support import workers
from tests.support.backbone import TOPIC, about, mottatt
from tests.support.eventually import eventually, eventually_found
from tests.support.gateway import BOUNDARY, Caller, environment, form, metadata, pdf, running_gateway, served
from tests.support.ports import free_port
from tests.support.stack import OwnKafka, OwnPostgres, temporary_folder

ADMINISTRATOR = ADMINISTRATORS[TESTVIK].pid
NUMBERS = (ADMINISTRATOR, "15819000066", "03816820005", "24929530019", "17708512036")
FNR = NUMBERS[1]
Call = tuple[str, str, dict[str, str], Any]
"""Method, address, headers and body."""
KIND = f'multipart/form-data; boundary="{BOUNDARY}"'


@dataclass
class Collector:
    """Takes what OpenTelemetry sends, as it comes."""

    received: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.received.append(await request.read())
        return web.Response()


@dataclass
class Written:
    """Processes of the platform, and the files that they write to."""

    folder: Path
    settings: Settings
    changes: dict[str, str]

    @asynccontextmanager
    async def process(self, command: str, port: int, **settings: object) -> AsyncIterator[None]:
        """A process that listens there; stopped in order at the end."""
        with (self.folder / f"{command}.out").open("wb") as out:
            made = await asyncio.create_subprocess_exec(
                *leashed((sys.executable, "-m", "gateway.cli", command)),
                env=environment(self.settings, **self.changes, **settings),
                stdout=out,
                stderr=out,
            )

        async def listens() -> bool:
            found = psutil.Process(made.pid).net_connections()
            return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in found)

        await eventually_found(listens)
        yield
        made.terminate()
        assert await made.wait() == 0

    def lines(self) -> list[str]:
        return [line for file in self.folder.glob("*.out") for line in file.read_text(errors="replace").splitlines()]


def letters(caller: Caller) -> Iterable[Call]:
    """Calls of an integration."""
    send, one = f"/api/v2/kontoer/{caller.konto_id}/forsendelser", {"Content-Type": KIND}
    named = [(f'filename="{FNR}.pdf"', pdf())]
    yield "POST", send, one, form(metadata(f"{FNR}.pdf", tittel=f"Vedtak for {FNR}", eksternReferanse=FNR), named)
    yield "POST", send, one, form(metadata(f"{FNR}.pdf", mottaker={"digitalId": int(FNR)}), named)
    yield "POST", send, one, form(metadata(f"{FNR}.pdf", mottaker=FNR, **{FNR: FNR}), named)
    yield "POST", send, one, form(metadata("a.pdf", avgivendeSystem=FNR), [(f'filename="{FNR}"', FNR.encode())])
    yield "POST", send, one, form(f'{{"tittel": "{FNR}'.encode(), named)
    yield "POST", send, one, form(metadata(f"{FNR}.pdf"), named)[:-50]
    yield "POST", send, {"Content-Type": f"multipart/form-data; boundary={FNR}"}, FNR.encode()
    yield "POST", send, {"Content-Type": f"{FNR}/{FNR}"}, FNR.encode()
    yield "GET", f"{send}?eksternRef={FNR}&{FNR}={FNR}", {}, None
    yield "GET", f"{send}/{FNR}?fnr={FNR}", {"X-Request-Id": FNR, "User-Agent": FNR, "Referer": f"http://x/{FNR}"}, None
    yield "GET", f"/api/v2/forsendelser/{FNR}/hendelser", {"Cookie": f"fnr={FNR}"}, None
    yield "POST", f"/api/v2/forsendelser/{uuid4()}/lest", {}, f'{{"fnr": "{FNR}", "tidspunkt": "{FNR}"}}'.encode()
    yield "POST", f"/api/v2/forsendelser/{uuid4()}/lest", {}, f'{{"fnr": {FNR}, "{FNR}"'.encode()
    yield "POST", f"{send}/status-sok", {}, f'{{"forsendelseIds": ["{FNR}"]}}'.encode()
    yield "GET", send, {"IntegrasjonId": FNR, "IntegrasjonPassord": FNR}, None
    yield "GET", send, {"Authorization": f"Bearer {FNR}"}, None
    yield "GET", send, {"Authorization": f"Basic {FNR}"}, None
    yield "GET", send, {"traceparent": FNR, "tracestate": FNR, "baggage": f"fnr={FNR}"}, None
    yield "GET", send, {"Lovhjemmel": f"Loven om {FNR}", "OnBehalfOf": FNR, "Expect": FNR}, None
    yield "PURGE", f"/{FNR}", {FNR: FNR}, None


def lookups() -> Iterable[Call]:
    """Calls of an administrator."""
    law, personer = {"Lovhjemmel": "Kommuneloven § 24-1"}, "/konfigurasjon/api/v1/personer"
    for number in NUMBERS:
        yield "GET", f"{personer}?fnr={number}", law, None
        yield "PATCH", f"{personer}/{number}", law, b"{}"
        yield "PATCH", f"/konfigurasjon/api/v1/root/personer/{number}", law, f'{{"fnr": "{number}"'.encode()
        yield "POST", f"{personer}/list", law, f'{{"fnrs": ["{number}", {number}]}}'.encode()
        yield "POST", f"{personer}/oppdater", law, f'{{"fnr": "{number}", "fornavn": "{number}"}}'.encode()
        yield "GET", f"/fullmakt/api/v1/{number}?onBehalfOf={number}", {}, None
        right = f'{{"aktor": "{number}", "privilegium": "{number}"}}'.encode()
        yield "POST", f"/autorisasjon-update/api/v1/ressurs/{number}/tilganger", {}, right


DECIDED = "select count(*) > 0 from read.svarut_status where status <> 'MOTTATT'"
NO_HTTP = (
    f"GET /{FNR} HTTP/9.9\r\n\r\n",
    f"{FNR} / HTTP/1.1\r\nHost: x\r\n\r\n",
    f"GET /{FNR} HTTP/1.1\r\nHost: x\r\n{FNR} {FNR}\r\n\r\n",
    f"POST / HTTP/1.1\r\nHost: {FNR}\r\nTransfer-Encoding: chunked\r\n\r\n{FNR}\r\n",
    f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {FNR}x\r\n\r\n{FNR}",
)


async def test_it_is_in_no_log_metric_or_trace() -> None:
    with temporary_folder() as folder:
        kafka, postgres, collector = OwnKafka(folder), OwnPostgres(folder), Collector()
        await asyncio.gather(kafka.start(), postgres.start())
        await workers.prepare(postgres.dsn)
        app, otel = web.Application(), free_port()
        app.router.add_post("/v1/traces", collector.take)
        async with (
            served(app, otel),
            running_gateway(kafka.bootstrap, folder / "state", postgres.dsn) as caller,
        ):
            written = Written(folder, caller.settings, {"log_level": "DEBUG", "otel": f"http://127.0.0.1:{otel}"})
            port, metrics = free_port(), free_port()
            async with (
                written.process("worker", metrics, metrics_port=metrics),
                written.process("gateway", port, gateway_port=port),
            ):
                url = f"http://127.0.0.1:{port}"
                token = await person_token(caller.settings.idporten_issuer, ADMINISTRATOR, 4, TESTVIK.orgnr)
                statuses = await answers(url, caller.headers, letters(caller))
                statuses += await answers(url, {"Authorization": f"Bearer {token}"}, lookups())
                for text in NO_HTTP:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(text.encode())
                    writer.write_eof()
                    await reader.read()
                    writer.close()
                poison(kafka.bootstrap)
                async with asyncpg.create_pool(postgres.dsn, min_size=1) as pool:
                    await eventually_found(partial(pool.fetchval, DECIDED))
                await eventually(lambda: len(dead_letters.read_all(kafka.bootstrap, TOPIC)) == 1)
                shown = [await told(f"{url}/metrics"), await told(f"http://127.0.0.1:{metrics}/metrics")]
        await postgres.stop()
        await kafka.stop()
        lines = written.lines()
    assert {200, 400, 401, 403, 404} <= set(statuses), "of each kind some"
    assert any("a record was set aside" in line for line in lines)
    assert any("malformed call refused" in line for line in lines)
    assert collector.received
    everything = [*lines, *shown, *(one.decode(errors="replace") for one in collector.received)]
    assert [text for text in everything if any(number in text for number in NUMBERS)] == []


async def answers(url: str, headers: dict[str, str], calls: Iterable[Call]) -> list[int]:
    """The status of each call; 0 where the connection was cut."""
    found = []
    async with ClientSession() as session:
        for method, path, own, body in calls:
            try:
                async with session.request(method, url + path, headers=headers | own, data=body) as answer:
                    await answer.read()
                    found.append(answer.status)
            except ClientError:
                found.append(0)
    return found


async def told(url: str) -> str:
    async with ClientSession() as session, session.get(url) as answer:
        return await answer.text()


def poison(kafka: str) -> None:
    """A record that nobody can read, with the number all over it."""
    event = mottatt()
    headers = dict(about(event).headers()) | {"ce_time": FNR.encode(), "ce_actor": FNR.encode(), FNR: FNR.encode()}
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(TOPIC, FNR.encode(), FNR, headers=list(headers.items()))
    producer.flush()
