"""Sweeps up keys whose stream no event tells of: what a call left that made a key and broke off before its event.

A key is destroyed only when it has been in the table for so long that nobody can still be about to append under it,
when the audit trail, which has a line for every event, has come to the end of every topic since, and when no dead
letter may be of its stream. Keys of a stream that is told of stay until that is forgotten: which of them seals
something stands only in its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from infra.database import Connection
from infra.ends import Ends
from infra.keys import Sends, id_of, say
from projections.audit import audit
from projections.effects import require_projected
from projections.orphans import Ripe
from schemas.catalogue import key_of
from schemas.topics import TOPICS
from streams.dead_letters import letters

AT_ONCE = 1000

UNTOLD = """
    select name, seen from nokkel where not told and seen < now() - $1::interval
    and (seen, name) > ($2, $3) order by seen, name limit $4
"""
TELL = "update nokkel set told = true where name = any($1)"
TOLD = """
    select u.topic, u.stream from unnest($1::text[], $2::text[]) as u (topic, stream)
    where exists (select from read.audit a where a.stream = u.stream and a.topic = u.topic)
"""


async def sweep_keys(
    connection: Connection, log: Sends, ends: Sequence[Ends], spared: set[str], age: timedelta, ripe: Ripe = set
) -> int:
    """Destroy the keys that have been in the table for ``age``, whose stream is neither told of nor ``spared``, by the
    key of its records, and that are ``ripe``. Returns how many that were.

    ``ends`` are those of all topics of events. Raises Unavailable when it cannot be known what is told.
    """
    for one in ends:
        await require_projected(connection, audit.name, one.topic, await one.now())
    swept, after = 0, (datetime.fromtimestamp(0, UTC), "")
    while found := await connection.fetch(UNTOLD, age, *after, AT_ONCE):
        after = found[-1]["seen"], found[-1]["name"]
        streams = {row["name"]: stream for row in found if (stream := _stream_of(row["name"])) is not None}
        columns = [list(column) for column in zip(*streams.values(), strict=True)] or [[], []]
        told = {tuple(row) for row in await connection.fetch(TOLD, *columns)}
        await connection.execute(TELL, [name for name, stream in streams.items() if stream in told])
        # A tombstone under a name with a suffix is of that key alone; one without, of all keys of the id: that is the
        # id of a stream that the call began itself, and which nobody else has heard of.
        orphans = [name for name, at in streams.items() if at not in told and key_of(at[1]) not in spared]
        left_over = ripe(orphans)
        for name in left_over:
            await say(log, name, None)
        swept += len(left_over)
    return swept


def streams_in_dead_letters(bootstrap: str) -> set[str]:
    """The keys of the records that are dead letters. Raises Unavailable."""
    found = (letter for topic in TOPICS for letter in letters(bootstrap, topic))
    return {letter.key.decode(errors="replace") for letter in found if letter.key}


def _stream_of(name: str) -> tuple[str, str] | None:
    """Topic and stream of the key; None when it is of no topic that this release knows."""
    domain, _, stream = id_of(name).partition(":")
    return (topic, stream) if (topic := f"fiks.{domain}") in TOPICS else None
