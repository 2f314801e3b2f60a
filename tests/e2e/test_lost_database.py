"""PostgreSQL loses its disk under a running system: all that it held comes back from the log by itself."""

from __future__ import annotations

import os
import shutil
import signal
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession

from infra.local.record import Record
from tests.chaos.load import caller
from tests.support.eventually import eventually_found
from tests.support.gateway import BOUNDARY, form, metadata, pdf
from tests.support.local_system import System, local_system

MANY = 20
"""Letters, so that most lie on partitions on which nothing comes later."""
LETTER = form(metadata("brev.pdf"), [('filename="brev.pdf"', pdf())])


@pytest.mark.timeout(600)
async def test_a_database_whose_disk_is_gone_is_made_anew_and_filled_from_the_log() -> None:
    async with local_system() as system, ClientSession() as session:
        headers, known = await caller(system.addresses["issuer"], system.files)
        konto = f"{system.addresses['gateway']}/api/v2/kontoer/{known['kontoId']}/forsendelser"
        kind = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}

        async def send() -> str:
            async with session.post(konto, data=LETTER, headers=headers | kind) as answer:
                return str((await answer.json())["id"])

        async def status(*ids: str) -> list[Any]:
            async with session.post(f"{konto}/status-sok", json={"forsendelseIds": ids}, headers=headers) as answer:
                return sorted(one["status"] for one in (await answer.json()).get("statuser", ()))

        async def are_shown() -> bool:
            return await status(*sent) == ["VARSLET"] * len(sent)

        sent = [await send() for _ in range(MANY)]
        await eventually_found(are_shown)
        workers = pids(system, "worker")

        lose(system)
        sent.append(await send())
        await eventually_found(are_shown)
        assert pids(system, "worker") == workers, "they read again; nothing is wrong with them"
        analyst = await asyncpg.connect(system.addresses["analyst"])
        lines = "select count(distinct id) from read.audit where stream = any($1) and type = 'ForsendelseSendtAltinn'"
        assert await analyst.fetchval(lines, sent) == len(sent)
        await analyst.close()


def lose(system: System) -> None:
    """Its data, and the process that had it open."""
    [postgres] = pids(system, "postgres")
    shutil.rmtree(system.files / "postgres" / "data")
    os.kill(postgres, signal.SIGKILL)


def pids(system: System, name: str) -> list[int]:
    """The processes whose names begin so."""
    processes = Record(system.files).read()["processes"]
    return [one["pid"] for of, one in processes.items() if of.startswith(name)]
