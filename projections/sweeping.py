"""Sweeps up content that no event tells of: what an upload left that was broken off by a crash, and what is left of one
in several calls that has expired or was decided long since. And keys that are left in the same way (``orphan_keys``).

Content is only swept when it is so old that no upload of it can still be under way, by its store's clock and by ours,
when the log has been read to its end since, and when no dead letter may name it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import asyncpg
from confluent_kafka import KafkaException

from infra.blobs import LOG, Blobs, blob_store
from infra.database import INFRASTRUCTURE, SESSION, Connection
from infra.ends import Ends
from infra.logs import logger
from infra.metrics import SWEPT, SWEPT_KEYS
from infra.settings import Settings
from projections.effects import require_projected
from projections.innhold import NAMED_IN, blobs_in, innhold
from projections.orphan_keys import streams_in_dead_letters, sweep_keys
from projections.orphans import Orphans, Ripe
from schemas.envelope import type_in
from schemas.errors import NotYetKnown, Unreadable
from schemas.topics import TOPICS
from streams.dead_letters import letters
from streams.domain.errors import Unavailable
from streams.domain.opplasting import FERDIG, UTFALL, placed
from streams.log import Log
from streams.reader import die

log = logger(__name__)

ROLE = "sweeper"
AGE = timedelta(days=1)
"""Many times what an upload may take (``LONGEST_CALL`` of the gateway)."""
SURE, SURE_OF_KEYS = 2 * 60 * 60.0, 12 * 60 * 60.0
"""Seconds for which content, and a key, must have been an orphan by our own clock: an upload takes an hour at most, a
key that was made ahead may wait for long.
"""
EVERY = 60 * 60.0
SOON = 1.0
"""Seconds until a turn is tried again that failed; twice as long each time that it fails again."""
CONNECT_TIMEOUT = 5.0
LOCK = 0x66696B74
"""The advisory lock of the one that sweeps; another than that of who migrates."""
PASSING: tuple[type[BaseException], ...] = (*INFRASTRUCTURE, KafkaException, Unavailable)

OURS = re.compile(r"[0-9a-f]{32}(\.part)?")
"""What content is called, and what it is called as long as it is written; uploads in several calls have folders."""

EVENT = 'select topic, partition, "offset", id, time from read.audit limit 1'
IS_ON_THE_LOG = 'select from read.audit where (topic, partition, "offset", id, time) = ($1, $2, $3, $4, $5)'
"""By its time too: what systems are seeded with has the same ids in all of them."""
TOLD = "select blob from read.innhold_blob where blob = any($1)"


class Found(NamedTuple):
    """What this process has found."""

    keys: Orphans
    content: Orphans


async def sweep(
    connection: Connection, blobs: Blobs, ends: Sequence[Ends], spared: set[str], before: datetime, ripe: Ripe = set
) -> int:
    """Delete what was last written to ``before``, is neither told of nor ``spared``, and is ``ripe``. Returns how many
    that were. What is called as none of ours is somebody else's.

    ``ends`` are those of the topics that tell of content. Raises Unavailable when it cannot be known what is told.
    """
    for one in ends:
        await require_projected(connection, innhold.name, one.topic, await one.now())
    swept = 0
    async for names in blobs.written(before):
        told = {row["blob"] for row in await connection.fetch(TOLD, names)} | spared
        orphans = {name for name in names if name not in told and _is_over(name, before)}
        for folder in {at[0] for name in names if (at := placed(name)) and at[1] == UTFALL}:
            left = await blobs.sizes(folder)
            orphans |= {f"{folder}/{name}" for name in left if name not in {UTFALL, FERDIG}}
        await blobs.delete(left_over := ripe(orphans))
        swept += len(left_over)
    return swept


async def require_told_by_this_log(connection: Connection, blobs: Blobs) -> None:
    """Raises Unavailable when the content is another log's, whatever it is that has brought us to its store: to us all
    of it would be orphans. It is that log's which swept it first. The audit trail must have come to the log's end.
    """
    if (line := await connection.fetchrow(EVENT)) is None:
        raise Unavailable("there is nothing on the log that could tell of content")
    told = await blobs.told_by("/".join(map(str, line)))
    try:
        topic, partition, offset, rest = told.split("/", 3)
        id_, _, time = rest.rpartition("/")
        event = topic, int(partition), int(offset), id_, datetime.fromisoformat(time)
    except ValueError as fault:
        raise Unavailable(f"the blob {LOG} is damaged: it names no event of the log whose content this is") from fault
    if await connection.fetchrow(IS_ON_THE_LOG, *event) is None:
        raise Unavailable(f"the content is another log's, which has an event {id_} at {topic}/{partition}/{offset}")


def _is_over(name: str, before: datetime) -> bool:
    """Whether what was last written to before that moment is ours, and belongs to no upload that may still go on."""
    at = placed(name)
    return at[2] < before if at else bool(OURS.fullmatch(name))


def named_in_dead_letters(bootstrap: str) -> set[str]:
    """The content that dead letters tell of. Raises Unavailable when one does which still cannot be read."""
    named: set[str] = set()
    for topic in innhold.topics:
        for letter in letters(bootstrap, topic):
            kind = type_in(letter.headers)
            try:
                named.update(blobs_in(letter.value, kind) if kind in NAMED_IN else ())
            except (Unreadable, NotYetKnown) as fault:
                raise Unavailable(f"dead letter {letter.number} of {topic} may name content: {fault}") from fault
    return named


async def sweep_for_ever(settings: Settings, keys_on: Log) -> None:
    """Sweep again and again, in one process at a time. What fails is tried again soon, and then ever more seldom."""
    again, orphans = SOON, Found(Orphans(SURE_OF_KEYS), Orphans(SURE))
    while True:
        try:
            await _turn(settings, keys_on, orphans)
            pause, again = EVERY, SOON
        except PASSING as fault:
            pause, again = again, min(2 * again, EVERY)
            log.warning("not all was swept", fault=f"{type(fault).__name__}: {fault}", again_in=pause)
        except Exception as fault:
            die(ROLE, fault)
        await asyncio.sleep(pause)


async def _turn(settings: Settings, keys_on: Log, orphans: Found) -> None:
    """A connection of its own: between two turns nothing needs one, nor does it matter whether PostgreSQL is there."""
    connection = await asyncpg.connect(settings.postgres, timeout=CONNECT_TIMEOUT, server_settings=SESSION)
    try:
        await _sweep_alone(settings, connection, keys_on, orphans)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT)


async def _sweep_alone(settings: Settings, connection: Connection, keys_on: Log, orphans: Found) -> None:
    """Keys and then content. Where one cannot be swept, the next turn begins anew."""
    if not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
        return
    ends = {name: Ends(settings.kafka, topic) for name, topic in TOPICS.items()}
    try:
        spared = await asyncio.to_thread(streams_in_dead_letters, settings.kafka)
        keys = await sweep_keys(connection, keys_on, list(ends.values()), spared, AGE, orphans.keys.ripe)
        SWEPT_KEYS.inc(keys)
        spared = await asyncio.to_thread(named_in_dead_letters, settings.kafka)
        telling = [ends[name] for name in innhold.topics]
        store = blob_store(settings)
        await require_told_by_this_log(connection, store)
        blobs = await sweep(connection, store, telling, spared, datetime.now(UTC) - AGE, orphans.content.ripe)
        SWEPT.inc(blobs)
        for kind in orphans:
            kind.turned()
    finally:
        await connection.execute("select pg_advisory_unlock($1)", LOCK)
    if keys or blobs:
        log.info("swept up what no event tells of", blobs=blobs, keys=keys)
