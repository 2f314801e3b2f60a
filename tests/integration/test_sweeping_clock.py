"""What was stored a moment ago is not swept up, whoever's clock says that it is old."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from uuid import uuid4

import pytest

from infra.blobs import blob_store
from infra.uptime import uptime
from projections import sweeping
from projections.audit import audit
from projections.innhold import innhold
from projections.orphans import Orphans
from projections.projecting import Projecting
from projections.sweeping import SURE, Found
from streams.dead_letters import DeadLetters
from streams.keys import Following
from tests.integration.test_sweeping import document, names, stored
from tests.support.backbone import Backbone, about
from tests.support.eventually import eventually_found


class _Ahead(datetime):
    """The clock of a host that is a day ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + timedelta(days=1, minutes=1)


async def test_what_was_stored_a_moment_ago_is_spared_whatever_the_clock_says(
    system: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a letter of several documents, the first of which is stored while the next comes: for an hour at most."""
    blobs, orphans = blob_store(system.settings), Found(Orphans(SURE), Orphans(SURE))
    event = document(await stored(blobs))
    await system.log.append(event, about(event))
    new, name = await stored(blobs), f"dokumentlager:{uuid4()}"
    await system.log.keys.create(name)
    works = [Projecting([one], DeadLetters(system.log), system.log.keys) for one in (innhold, audit)]
    async with system.worker([*works, Following(system.log)]):
        await system.until_projected("innhold")
        await system.until_projected("audit")
        await eventually_found(lambda: _has_key(system, name))
        await system.connection.execute("update nokkel set seen = seen - '2 days'::interval")
        monkeypatch.setattr(sweeping, "datetime", _Ahead)
        for seconds, is_there in ((0.0, True), (SURE - 1, True), (SURE, False)):
            now = uptime() + seconds
            with monkeypatch.context() as patch:
                patch.setattr("projections.orphans.uptime", lambda: now)  # noqa: B023
                await sweeping._sweep_alone(system.settings, system.connection, system.log, orphans)
            assert (new in await names(blobs)) is is_there
        await eventually_found(lambda: _has_no_key(system, name))


async def _has_key(system: Backbone, name: str) -> bool:
    return bool(await system.connection.fetchval("select count(*) from nokkel where name = $1", name))


async def _has_no_key(system: Backbone, name: str) -> bool:
    return not await _has_key(system, name)
