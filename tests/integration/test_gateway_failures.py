"""The gateway when the log is away, when a letter is huge, and when it is told to stop in the middle of one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from infra.crypto.segments import sealed_size
from infra.local.processes import leashed
from schemas.svarut import ForsendelseMottatt
from tests.support.eventually import eventually
from tests.support.gateway import (
    BOUNDARY,
    Caller,
    ends_of,
    environment,
    events_after,
    form,
    metadata,
    pdf,
    running_gateway,
    until_log_takes,
)
from tests.support.memory import resident
from tests.support.ports import free_port
from tests.support.records import records_on
from tests.support.stack import OwnKafka, temporary_folder

PDF = pdf()
LETTER = form(metadata("a.pdf"), [('filename="a.pdf"', PDF)])
MEGA = 1 << 20


@pytest_asyncio.fixture(scope="module")
async def caller() -> AsyncIterator[Caller]:
    with temporary_folder() as folder:
        kafka = OwnKafka(folder)
        await kafka.start()
        async with running_gateway(kafka.bootstrap, folder / "state") as caller:
            yield caller
        await kafka.stop()


async def begun() -> AsyncIterator[bytes]:
    """A letter whose document does not come to its end."""
    yield LETTER[:-100]
    await asyncio.Event().wait()


async def post(caller: Caller, body: bytes | AsyncIterator[bytes]) -> tuple[int, str | None]:
    kind = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    async with caller.session.post(caller.send_url, data=body, headers=caller.headers | kind) as answer:
        await answer.read()
        return answer.status, answer.headers.get("Retry-After")


async def test_while_the_log_is_away_nothing_is_accepted_and_nothing_is_said_later() -> None:
    with temporary_folder() as folder:
        kafka = OwnKafka(folder)
        await kafka.start()
        async with running_gateway(kafka.bootstrap, folder / "state") as caller:
            marks = await ends_of(kafka.bootstrap)
            assert await post(caller, LETTER) == (200, None)
            await kafka.kill()

            answers = await asyncio.gather(*(post(caller, LETTER) for _ in range(5)))
            unfinished = await post(caller, begun())
            ready = (await caller.session.get(caller.url + "/readyz")).status
            alive = (await caller.session.get(caller.url + "/healthz")).status

            assert answers == [(503, "5")] * 5
            _, told = await caller.send(LETTER)
            assert "ingenting er tatt imot" in told["message"]
            assert unfinished == (503, "5"), "before the rest has come"
            assert (ready, alive) == (503, 200)
            await kafka.start()
            await until_log_takes(caller.app)
            assert await post(caller, LETTER) == (200, None)
            said = [one.event for one in await events_after(kafka.bootstrap, marks)]
            assert len(said) == 2
            assert {dokument.blob for event in said for dokument in event.dokumenter} <= set(caller.blobs)
        await kafka.stop()


async def test_a_letter_whose_content_is_not_taken_leaves_no_key(caller: Caller) -> None:
    kafka, blobs = caller.settings.kafka, caller.settings.state / "blobs"
    assert (await post(caller, LETTER))[0] == 200, "it knows the store from then on"
    before, aside = len(records_on(kafka, "fiks.nokkel")), blobs.rename(blobs.with_name("aside"))
    blobs.mkdir()
    try:
        assert await post(caller, LETTER) == (503, "5")
        assert list(blobs.iterdir()) == []
    finally:
        blobs.rmdir()
        aside.rename(blobs)
    said = {(one.key, bool(one.value)) for one in records_on(kafka, "fiks.nokkel")}
    assert len(records_on(kafka, "fiks.nokkel")) == before + 2
    [destroyed] = [key for key, has_value in said if not has_value]
    assert (destroyed, True) in said


async def test_a_huge_letter_takes_little_memory(caller: Caller) -> None:
    megabytes, peak = 300, 0
    disposition = 'Content-Disposition: form-data; name="filer_0"; filename="a.bin"'

    async def body() -> AsyncIterator[bytes]:
        nonlocal peak
        said = [{"filnavn": "a.bin", "mimeType": "application/zip"}]
        yield form(metadata(dokumenter=said, kunDigitalLevering=True), end=False)
        yield f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode()
        for _ in range(megabytes):
            peak = max(peak, resident())
            yield bytes(MEGA)
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    assert await post(caller, LETTER) == (200, None)
    marks, before = await ends_of(caller.settings.kafka), resident()

    status, answer = await caller.send(body())

    [recorded] = await events_after(caller.settings.kafka, marks)
    event: ForsendelseMottatt = recorded.event
    assert (status, str(event.forsendelse_id)) == (200, answer["id"])
    assert event.dokumenter[0].storrelse == megabytes * MEGA
    blob = caller.settings.state / "blobs" / str(event.dokumenter[0].blob)
    assert blob.stat().st_size == sealed_size(megabytes * MEGA)
    assert peak - before < 64 * MEGA


def large_letter() -> bytes:
    """So large that its content is on its way to the disk before all of it has come."""
    said = [{"filnavn": "a.bin", "mimeType": "application/zip"}]
    return form(metadata(dokumenter=said, kunDigitalLevering=True), [('filename="a.bin"', bytes(4 * MEGA))])


async def test_a_letter_under_way_is_taken_in_before_the_process_stops(caller: Caller) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *leashed((sys.executable, "-m", "gateway.cli", "gateway")), env=environment(caller.settings, gateway_port=port)
    )
    url = f"http://127.0.0.1:{port}"
    await until_ready(caller.session, url)
    stop, letter = asyncio.Event(), large_letter()
    kept = caller.blobs

    async def slow() -> AsyncIterator[bytes]:
        for at in range(0, len(letter) - 200, 1 << 16):
            yield letter[:-200][at : at + (1 << 16)]
        await stop.wait()
        yield letter[-200:]

    kind = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    path = caller.send_url.removeprefix(caller.url)
    sending = asyncio.create_task(caller.session.post(url + path, data=slow(), headers=caller.headers | kind))
    await eventually(lambda: caller.blobs != kept)
    process.send_signal(signal.SIGTERM)
    await until_refused(port)
    stop.set()

    answer = await sending
    assert (answer.status, list(await answer.json())) == (200, ["id"])
    assert await process.wait() == 0


async def until_ready(session: ClientSession, url: str) -> None:
    while True:
        try:
            async with session.get(url + "/readyz") as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        await asyncio.sleep(0.1)


async def until_refused(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_process_stops_at_once(caller: Caller, number: int) -> None:
    with temporary_folder() as folder:
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            *leashed((sys.executable, "-m", "gateway.cli", "gateway")),
            env=environment(caller.settings, gateway_port=port, state=folder),
        )
        async with ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                        assert answer.status == 200
                        break
                except OSError:
                    await asyncio.sleep(0.1)
        process.send_signal(number)

        assert await process.wait() == 0
