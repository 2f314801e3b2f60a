"""PostgreSQL loses its disk under a running system, or a table: what it held comes back from the log. What stands still
is told of.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

import asyncpg
import pytest
import pytest_asyncio
from aiohttp import ClientSession
from confluent_kafka import Producer

from infra.local.record import Record
from projections.versions import schema_of
from schemas.codec import MAGIC, PREFIX
from schemas.registry import by_id
from tests.chaos.load import caller
from tests.support.backbone import TOPIC, about, mottatt
from tests.support.eventually import eventually_found
from tests.support.gateway import BOUNDARY, form, metadata, pdf
from tests.support.local_system import System, local_system

MANY = 20
"""Letters, so that most lie on partitions on which nothing comes later."""
LETTER = form(metadata("brev.pdf"), [('filename="brev.pdf"', pdf())])


class Sender(NamedTuple):
    """Who sends letters to a running system, and reads how they are."""

    system: System
    session: ClientSession
    konto: str
    headers: dict[str, str]

    async def send(self) -> str:
        kind = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
        async with self.session.post(self.konto, data=LETTER, headers=self.headers | kind) as answer:
            return str((await answer.json())["id"])

    async def are_shown(self, sent: list[str]) -> bool:
        asked = {"forsendelseIds": sent}
        async with self.session.post(f"{self.konto}/status-sok", json=asked, headers=self.headers) as answer:
            shown = [one["status"] for one in (await answer.json()).get("statuser", ())]
        return shown == ["VARSLET"] * len(sent)


@pytest_asyncio.fixture(scope="module")
async def sender() -> AsyncIterator[Sender]:
    async with local_system() as system, ClientSession() as session:
        headers, known = await caller(system.addresses["issuer"], system.files)
        konto = f"{system.addresses['gateway']}/api/v2/kontoer/{known['kontoId']}/forsendelser"
        yield Sender(system, session, konto, headers)


@pytest.mark.timeout(600)
async def test_a_database_whose_disk_is_gone_is_made_anew_and_filled_from_the_log(sender: Sender) -> None:
    system = sender.system
    sent = [await sender.send() for _ in range(MANY)]
    await eventually_found(lambda: sender.are_shown(sent))
    workers = pids(system, "worker")

    lose(system)
    sent.append(await sender.send())
    await eventually_found(lambda: sender.are_shown(sent))
    assert pids(system, "worker") == workers, "they read again; nothing is wrong with them"
    await eventually_found(lambda: are_in_the_audit_trail(system, sent))


@pytest.mark.timeout(600)
async def test_a_projection_that_loses_its_tables_is_told_of_and_rebuilt_while_the_rest_goes_on(sender: Sender) -> None:
    system = sender.system
    before = await sender.send()
    await eventually_found(lambda: sender.are_shown([before]))
    operator = await asyncpg.connect(system.addresses["postgres"])
    await operator.execute(f"drop table {schema_of('svarut_status', 1)}.svarut_status cascade")
    await operator.close()

    assert json.loads(await system.fiks("status", "--json", code=1))["lost"] == ["svarut_status"]
    after = await sender.send()
    await eventually_found(lambda: are_in_the_audit_trail(system, [after]))

    await system.fiks("rebuild", "svarut_status")
    await eventually_found(lambda: sender.are_shown([before, after]))
    await well(system)


@pytest.mark.timeout(600)
async def test_what_only_a_newer_release_can_read_is_told_of(sender: Sender) -> None:
    """The last of these: nobody gets past it."""
    system = sender.system
    assert (await well(system))["blocked"] == {}
    event = mottatt()
    value = PREFIX.pack(MAGIC, max(by_id()) + 1)
    producer = Producer({"bootstrap.servers": system.addresses["kafka"]})
    producer.produce(TOPIC, value, key=str(event.forsendelse_id), headers=[*about(event).headers()])
    assert producer.flush(10) == 0

    await eventually_found(lambda: is_blocked(sender, "decider:svarut"))
    said = json.loads(await system.fiks("status", "--json", code=1))
    assert not said["healthy"]
    assert any("decider:svarut" in roles for roles in said["blocked"].values())
    shown = await system.fiks("status", code=1)
    assert re.search(r"^worker-\d +needs a newer release, which wrote what is next for .*decider:svarut", shown, re.M)


async def well(system: System) -> Any:
    """The status, once all is well: what answers late on a busy machine is not, until the next look at it."""
    while True:
        with suppress(AssertionError):  # it ended with another code
            return json.loads(await system.fiks("status", "--json"))
        await asyncio.sleep(0.1)


async def is_blocked(sender: Sender, role: str) -> bool:
    for name, address in sender.system.addresses["metrics"].items():  # type: ignore[attr-defined]
        if name.startswith("worker"):
            async with sender.session.get(address) as answer:
                if f'fiks_worker_blocked{{role="{role}"}} 1.0' in await answer.text():
                    return True
    return False


async def are_in_the_audit_trail(system: System, sent: list[str]) -> bool:
    analyst = await asyncpg.connect(system.addresses["analyst"])
    lines = "select count(distinct id) from read.audit where stream = any($1) and type = 'ForsendelseSendtAltinn'"
    found = await analyst.fetchval(lines, sent)
    await analyst.close()
    return bool(found == len(sent))


def lose(system: System) -> None:
    """Its data, and the process that had it open, and would write more while that is removed: it goes with the rest."""
    [postgres] = pids(system, "postgres")
    (system.files / "postgres" / "data").rename(system.files / "lost")
    os.kill(postgres, signal.SIGKILL)


def pids(system: System, name: str) -> list[int]:
    """The processes whose names begin so."""
    processes = Record(system.files).read()["processes"]
    return [one["pid"] for of, one in processes.items() if of.startswith(name)]
