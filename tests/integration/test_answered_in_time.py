"""Waits that follow each other end together, before the caller gives up; content takes as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from gateway import deadline
from gateway.deadline import in_time, without_deadline
from gateway.problems import problems
from tests.support import workers
from tests.support.gateway import Caller, letter, running_gateway, served
from tests.support.ports import free_port
from tests.support.stack import OwnKafka

LETTER = letter()


@pytest_asyncio.fixture
async def undecided(own_kafka: OwnKafka, database: str, tmp_path: Path) -> AsyncIterator[Caller]:
    """A client of a gateway for which nobody decides and projects, so that whoever asks waits."""
    await workers.prepare(database)
    async with running_gateway(own_kafka.bootstrap, tmp_path / "state", database) as made:
        yield made


async def asked_for_history(caller: Caller, forsendelse_id: str) -> tuple[int, dict[str, object], str | None]:
    url = f"{caller.url}/api/v2/forsendelser/{forsendelse_id}/hendelser"
    async with caller.session.get(url, headers=caller.headers) as answer:
        return answer.status, await answer.json(), answer.headers.get("Retry-After")


async def test_all_that_a_call_waits_for_ends_together_and_an_upload_goes_on(
    undecided: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sent = await undecided.send(LETTER)
    monkeypatch.setattr(deadline, "ANSWER", 0.3)
    late = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield LETTER[:-200]
        await late.wait()
        yield LETTER[-200:]

    sending = asyncio.create_task(undecided.send(slow()))
    status, said, retry_after = await asked_for_history(undecided, sent["id"])
    late.set()  # the upload has taken longer than a call may
    assert (status, said["status"], retry_after) == (503, 503, "5")
    assert "ikke klart i tide" in str(said["message"])
    assert said["errorId"]
    assert (await sending)[0] == 200


async def test_what_is_handed_out_takes_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "ANSWER", 0.1)
    late = asyncio.Event()

    async def content(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        without_deadline(request)
        await response.prepare(request)
        await response.write(b"begin")
        await late.wait()
        await response.write(b" and end")
        return response

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def bug(_: web.Request) -> web.StreamResponse:
        raise TimeoutError

    app, port = web.Application(middlewares=[problems, in_time]), free_port()
    app.router.add_get("/content", content)
    app.router.add_post("/never", never)
    app.router.add_get("/bug", bug)
    async with served(app, port), ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/content") as answer:
            assert await answer.content.readany() == b"begin"
            async with session.post("/never", data=b"x") as other:
                assert other.status == 503
            late.set()
            assert await answer.read() == b" and end"
        async with session.get("/bug") as answer:
            assert answer.status == 500
