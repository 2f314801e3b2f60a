"""You read what you wrote: what one gateway accepted another shows at once, also while the worker is restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from gateway.routes.svarut_v2 import HENDELSER
from projections.svarut_status import STATUS
from streams.domain.svarut_status import Status, status_v2
from tests.chaos.load import caller
from tests.chaos.system import Node, system
from tests.support.eventually import eventually
from tests.support.gateway import BOUNDARY, PATIENT, form, metadata, pdf

SENDS, CALLERS = 1_000, 12
RESTARTS = {300: Node.stop, 600: Node.kill, 900: Node.stop}
"""How the worker ends (SIGTERM, SIGKILL), once so many conversations are over. It is then started again."""
LETTER = form(metadata("brev.pdf"), [('filename="brev.pdf"', pdf())])
CONTENT_TYPE = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
STATES = {
    HENDELSER[kind]: status_v2(Status(status))
    for kind, status in (STATUS | {"ForsendelseMottatt": Status.MOTTATT.value}).items()
}
"""The state that each line of a history tells."""


@dataclass
class Callers:
    """Many who send by gateway ``one`` and ask ``other`` at once. ``phase`` counts beginnings and ends of restarts."""

    session: ClientSession
    konto_id: str
    one: str
    other: str
    phase: int = 0
    waiting: int = 0
    """Questions that are not answered yet."""
    finished: int = 0
    put_off: list[tuple[int, int]] = field(default_factory=list)
    """Of each question answered by 503 (not yet, try again): the phases in which it was asked and answered."""

    async def converse(self, *, report_read: bool) -> None:
        """Send and ask; report it as read and ask."""
        async with self.session.post(
            f"{self.one}/api/v2/kontoer/{self.konto_id}/forsendelser/", data=LETTER, headers=CONTENT_TYPE
        ) as answer:
            assert answer.status == 200, await answer.text()  # whatever becomes of the worker: sending needs none
            sent = (await answer.json())["id"]
        status = await self.status(self.other, sent)
        history = await self.history(self.other, sent)
        assert status in history
        assert status != "MOTTATT"  # the 200 said that it is accepted
        if report_read:
            lest = {"fnr": "01010700066", "tidspunkt": datetime.now(UTC).isoformat()}
            await self.ask("POST", f"{self.one}/api/v2/forsendelser/{sent}/lest", 204, json=lest)
            assert await self.status(self.other, sent) == "LEST"
            assert await self.status(self.one, sent) == "LEST"
            assert (await self.history(self.other, sent))[-1] == "LEST"
        else:
            assert await self.status(self.other, sent) not in history[:-1]
        self.finished += 1

    async def status(self, gateway: str, sent: str) -> str:
        url = f"{gateway}/api/v2/kontoer/{self.konto_id}/forsendelser/status-sok"
        (found,) = (await self.ask("POST", url, 200, json={"forsendelseIds": [sent]}))["statuser"]
        assert found["id"] == sent
        return str(found["status"])

    async def history(self, gateway: str, sent: str) -> list[str]:
        """The states that the history tells, the first first."""
        answer = await self.ask("GET", f"{gateway}/api/v2/forsendelser/{sent}/hendelser", 200)
        return [STATES[one["hendelse"]] for one in answer["hendelser"]]

    async def ask(self, method: str, url: str, expected: int, **request: Any) -> Any:
        """The answer, asked for again as long as it is 503."""
        while True:
            asked_in = self.phase
            self.waiting += 1
            async with self.session.request(method, url, **request) as answer:
                self.waiting -= 1
                if answer.status != 503:
                    assert answer.status == expected, await answer.text()
                    return await answer.json() if expected == 200 else None
                self.put_off.append((asked_in, self.phase))
                pause = int(answer.headers["Retry-After"])
            await asyncio.sleep(pause)


@pytest.mark.timeout(600)
async def test_a_thousand_sends_are_read_at_once_through_another_gateway_while_the_worker_comes_and_goes() -> None:
    async with callers() as (all_, worker), asyncio.TaskGroup() as group:
        numbers = iter(range(SENDS))

        async def one_after_the_other() -> None:
            for number in numbers:
                await all_.converse(report_read=number % 10 == 0)

        for _ in range(CALLERS):
            group.create_task(one_after_the_other())
        group.create_task(restarts(worker, all_))

    assert all_.finished == SENDS + len(RESTARTS)
    assert all_.phase == 2 * len(RESTARTS)
    # To be put off is allowed while there is no worker, not while one was there from the question to the answer.
    assert [one for one in all_.put_off if one[0] == one[1] and one[0] % 2 == 0] == []


async def restarts(worker: Node, callers: Callers) -> None:
    """End the worker now and then, and start it again when all wait for it."""
    for finished, end in RESTARTS.items():
        await eventually(lambda finished=finished: callers.finished >= finished)  # type: ignore[misc]
        callers.phase += 1
        await end(worker)
        await eventually(lambda: callers.waiting == CALLERS)
        worker.start()
        await callers.converse(report_read=True)
        callers.phase += 1


@asynccontextmanager
async def callers() -> AsyncIterator[tuple[Callers, Node]]:
    """The callers of two gateways, and the only worker behind these."""
    async with system(gateways=2, workers=1, program=PATIENT) as running:
        headers, known = await caller(running.environment["FIKS_ISSUER"], Path(running.environment["FIKS_STATE"]))
        async with ClientSession(headers=headers, timeout=ClientTimeout(total=90)) as session:
            one, other = running.urls()
            yield Callers(session, known["kontoId"], one, other), running.workers[0]
