"""A PostgreSQL that is there and does not let us in, or does not let us write: receipt goes on, and all else waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest
from aiohttp import ClientSession

from tests.chaos.load import caller
from tests.chaos.system import system
from tests.support.eventually import eventually_found
from tests.support.gateway import BOUNDARY, form, metadata, pdf
from tests.support.stack import with_database

LETTER = form(metadata("brev.pdf"), [('filename="brev.pdf"', pdf())])
CONTENT_TYPE = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
OTHERS = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fiks' and pid <> pg_backend_pid()"
SENDS = 8


async def secret(admin: asyncpg.Connection[asyncpg.Record]) -> str:
    """The password as PostgreSQL keeps it, and takes it back."""
    return str(await admin.fetchval("select rolpassword from pg_authid where rolname = 'fiks'"))


@pytest.mark.timeout(300)
async def test_gateways_go_on_receiving_and_nothing_has_to_be_started_anew() -> None:
    async with system(gateways=1, workers=1) as made:
        headers, known = await caller(made.environment["FIKS_ISSUER"], Path(made.environment["FIKS_STATE"]))
        (url,), (gateway,), (worker,) = made.urls(), made.gateways, made.workers
        running = gateway.running, worker.running
        admin = await asyncpg.connect(with_database(made.postgres.dsn, "postgres"))
        refusals = {
            "alter role fiks password 'another'": f"alter role fiks password '{await secret(admin)}'",
            "alter database fiks set default_transaction_read_only = on": "alter database fiks reset all",
            "alter database fiks allow_connections false": "alter database fiks allow_connections true",
            "alter role fiks nologin": "alter role fiks login",
        }
        async with ClientSession(headers=headers) as session:

            async def send() -> str:
                path = f"{url}/api/v2/kontoer/{known['kontoId']}/forsendelser/"
                async with session.post(path, data=LETTER, headers=CONTENT_TYPE) as answer:
                    assert answer.status == 200, await answer.text()
                    return str((await answer.json())["id"])

            async def is_shown(sent: str) -> bool:
                async with session.get(f"{url}/api/v2/forsendelser/{sent}/hendelser") as answer:
                    return answer.status == 200 and len((await answer.json())["hendelser"]) > 1

            for refusal, undo in refusals.items():
                await admin.execute(refusal)
                await admin.execute(OTHERS)
                sent = []
                for _ in range(SENDS):
                    sent.append(await send())
                    await asyncio.sleep(0.5)
                await admin.execute(undo)
                for one in sent:
                    await eventually_found(lambda one=one: is_shown(one))  # type: ignore[misc]
                assert gateway.alive, refusal
                assert worker.alive, refusal
        assert running == (gateway.running, worker.running)
        await admin.close()
