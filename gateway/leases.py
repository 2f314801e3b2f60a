"""What a gateway holds of the queues, in PostgreSQL: taken with row locks that others pass over, kept as rows.

A lease counts as long as its holder lives, which its session's advisory lock tells: no clocks are compared. A holder
that says nothing for ``SILENCE`` seconds has no session any more. Who polls has none at all: a gateway lends it a
message until a time, by PostgreSQL's clock, and whoever gets its next call finds that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NamedTuple
from uuid import UUID

import asyncpg

from infra.database import INFRASTRUCTURE, SESSION, Pool
from infra.logs import logger
from infra.uptime import uptime
from streams.domain.errors import Unavailable

log = logger(__name__)

CHANNEL, ANSWERED = "fiks_io", "fiks_io_besvart"
"""Where PostgreSQL tells that messages can be had: ``<account> <seconds until then>`` (projections/fiks_io.sql), and
where holders tell whose senders they have answered: ``<holder> <message> <message> …``.
"""
MOST_ANSWERED = 200
"""Messages of which that is told at once: PostgreSQL takes 8,000 octets."""
UNREADABLE = "Køen kan ikke leses akkurat nå. Prøv igjen"
BEAT, SILENCE = 2.0, 10.0
"""Seconds between two signs of life of a holder, and without one until PostgreSQL ends its session."""
DEAD_FOR = 5.0
"""Seconds that a holder must be gone before its leases are taken over: it may be connecting again. So long after a sign
of life it can be sure of them, however its session ended.
"""
ANSWER = 5.0
"""Seconds in which a sign of life must be answered: else whoever gives it takes the session for lost."""
MOST_COUNTED = 10_000
"""Messages of an account that are counted, leased ones among them: whoever asks costs no more, however many wait."""

# With the type of the message that it answers: one that was sent by who gets it, to who sends it.
COLUMNS = """m.*, coalesce(m.svar_til_type, (
    select o.melding_type from read.fiks_io_melding o
    where (o.mottaker_konto_id, o.melding_id) = (m.avsender_konto_id, m.svar_pa_melding)
    and o.avsender_konto_id = m.mottaker_konto_id)) as besvart_type"""
TAKE = f"""
    with wanted as (select * from unnest($1::uuid[], $2::int[]) as w (konto_id, most)),
    picked as materialized (
        select ready.* from wanted cross join lateral (
            select t.mottaker_konto_id, t.melding_id from read.fiks_io_tilstand t
            where t.mottaker_konto_id = wanted.konto_id and t.status = 'VENTER' and t.utloper > now()
            and coalesce(t.klar_fra, '-infinity') <= now()
            and not exists (select from lease l where (l.mottaker_konto_id, l.melding_id)
                                                    = (t.mottaker_konto_id, t.melding_id))
            order by t.plass limit wanted.most for update skip locked) as ready),
    leased as (
        insert into lease (mottaker_konto_id, melding_id, holder)
        select mottaker_konto_id, melding_id, $3 from picked
        on conflict do nothing returning mottaker_konto_id, melding_id, levering)
    select {COLUMNS}, t.sett or m.plass < coalesce(d.next_offset, m.plass + 1) as sett, leased.levering
    from leased join read.fiks_io_tilstand t using (mottaker_konto_id, melding_id)
    join read.fiks_io_melding m using (mottaker_konto_id, melding_id)
    left join doubt d on d.partition = m.partisjon order by m.mottaker_konto_id, m.plass
"""
DOUBT = """
    insert into doubt (partition, next_offset) select * from unnest($1::int[], $2::bigint[])
    where not exists (select from doubt) on conflict do nothing
"""
RELEASE = """
    with released as (
        delete from lease l using unnest($2::uuid[], $3::uuid[], $4::uuid[]) as u (konto_id, melding_id, levering)
        where l.holder = $1
        and (l.mottaker_konto_id, l.melding_id, l.levering) = (u.konto_id, u.melding_id, u.levering))
    select pg_notify('fiks_io', konto_id || ' 0') from unnest($5::uuid[]) as u (konto_id)
"""
RENEW = """
    insert into lease (mottaker_konto_id, melding_id, levering, holder)
    select *, $1 from unnest($2::uuid[], $3::uuid[], $4::uuid[]) on conflict do nothing
"""
HELD = """
    select mottaker_konto_id, melding_id, levering from lease
    where holder = $1 and since < now() - make_interval(secs => $2)
"""
HOLDERS = "select id from holder union select holder from lease where until is null union select holder from consumers"
# The lock keeps the holder from coming back meanwhile; where it has come back, nothing is taken from it.
ADOPT = """
    with tried as materialized (select pg_try_advisory_xact_lock($3) as is_dead),
    buried as (delete from holder where id = $1 and (select is_dead from tried)),
    forgotten as (delete from consumers where holder = $1 and (select is_dead from tried)),
    adopted as (
        update lease set holder = $2 where holder = $1 and (select is_dead from tried)
        returning mottaker_konto_id, melding_id, levering)
    select adopted.*, korrelasjon from adopted left join read.fiks_io_melding using (mottaker_konto_id, melding_id)
    order by mottaker_konto_id, plass
"""
LEND = """
    update lease set holder = $4, until = now() + make_interval(secs => $5)
    where (mottaker_konto_id, levering, holder) = ($1, $2, $3)
"""
LENT = f"""
    select {COLUMNS}, l.levering from lease l join read.fiks_io_melding m using (mottaker_konto_id, melding_id)
    where l.holder = $1
"""
CLAIM = f"""
    with lent as (select mottaker_konto_id, melding_id, until from lease where holder = $2 for update)
    update lease l set holder = $1, until = null, since = now()
    from lent join read.fiks_io_melding m using (mottaker_konto_id, melding_id)
    where (l.mottaker_konto_id, l.melding_id) = (m.mottaker_konto_id, m.melding_id)
    returning {COLUMNS}, l.levering, extract(epoch from lent.until - now())::float8 as igjen
"""
OVERDUE = """
    with overdue as (
        update lease set holder = $1, until = null, since = now() where (mottaker_konto_id, melding_id) in (
            select mottaker_konto_id, melding_id from lease where until < now() for update skip locked)
        returning mottaker_konto_id, melding_id, levering)
    select overdue.*, korrelasjon from overdue left join read.fiks_io_melding using (mottaker_konto_id, melding_id)
    order by mottaker_konto_id, plass
"""
STRANDED = """
    select t.mottaker_konto_id, t.melding_id, t.levering, m.korrelasjon
    from read.fiks_io_tilstand t join read.fiks_io_melding m using (mottaker_konto_id, melding_id)
    where t.status = 'LEVERT' and t.sist_endret < now() - make_interval(secs => $1)
    and not exists (select from lease l where (l.mottaker_konto_id, l.melding_id) = (t.mottaker_konto_id, t.melding_id))
    order by t.mottaker_konto_id, t.plass limit 1000
"""
POSITIONS = """
    select c.partition, c.next_offset from projection p join checkpoint c on c.name = p.name and c.version = p.live
    where p.name = 'fiks_io'
"""
COUNT = """
    select greatest(0, queued.number - held.number) from (
        select count(*) as number from (
            select from read.fiks_io_tilstand where mottaker_konto_id = $1 and status = 'VENTER'
            order by plass limit $2) as first) as queued, (
        select count(*) as number from lease join read.fiks_io_tilstand using (mottaker_konto_id, melding_id)
        where mottaker_konto_id = $1 and status = 'VENTER') as held
"""
RESTING = """
    select k.konto_id, extract(epoch from first.klar_fra - now())::float8 as seconds
    from unnest($1::uuid[]) as k (konto_id) cross join lateral (
        select klar_fra from read.fiks_io_tilstand
        where mottaker_konto_id = k.konto_id and status = 'VENTER' and klar_fra > now()
        order by klar_fra limit 1) as first
"""
CONSUMERS = "select coalesce(sum(number), 0) from consumers where mottaker_konto_id = $1 and holder <> $2"
SAY_CONSUMERS = """
    insert into consumers (mottaker_konto_id, holder, number)
    select konto_id, $1, number from unnest($2::uuid[], $3::int[]) as u (konto_id, number)
    on conflict (mottaker_konto_id, holder) do update set number = excluded.number
"""
ALIVE = "select pg_advisory_lock($1)"
BEGIN = "insert into holder (id) values ($1) on conflict do nothing"
IS_ALIVE = "select not pg_try_advisory_xact_lock($1)"


class Held(NamedTuple):
    """A lease: which message, and which handing out of it."""

    konto_id: UUID
    melding_id: UUID
    levering: UUID


class Abandoned(NamedTuple):
    """A lease whose holder is no more, and the correlation of its message, where the table knows that."""

    held: Held
    korrelasjon: str | None


Taken = tuple[Held, asyncpg.Record]
"""A lease, and the message as ``read.fiks_io_melding`` has it, all of it still sealed, with ``besvart_type``, the type
of what it answers; ``sett``, whether somebody may have seen it, is beside it where it was taken from the queue.
"""


class Leases:
    """The leases of one ``holder``. All methods raise what ``infra.database.INFRASTRUCTURE`` lists."""

    def __init__(self, pool: Pool, holder: UUID) -> None:
        self._pool, self.holder = pool, holder

    async def take(self, wanted: Mapping[UUID, int]) -> list[Taken]:
        """Lease at most so many messages of each account, those that waited longest, in the order of the queue."""
        rows = await self._pool.fetch(TAKE, list(wanted), list(wanted.values()), self.holder)
        return [_taken(row) for row in rows]

    async def release(self, leases: Sequence[Held], wake: Sequence[UUID]) -> None:
        """Hold these no more, and tell all gateways that the accounts ``wake`` may have something again."""
        await self._pool.execute(RELEASE, self.holder, *_columns(leases), list(wake))

    async def renew(self, leases: Sequence[Held]) -> None:
        """Hold these again, should PostgreSQL have forgotten them."""
        await self._pool.execute(RENEW, self.holder, *_columns(leases))

    async def doubt(self, ends: Mapping[int, int]) -> None:
        """Where the leases of all were forgotten: what lies on the log before these may have been handed out."""
        await self._pool.execute(DOUBT, list(ends), list(ends.values()))

    async def held(self, older_than: float) -> list[Held]:
        """What this holder has had for so many seconds."""
        return [Held(*row) for row in await self._pool.fetch(HELD, self.holder, older_than)]

    async def stranded(self, older_than: float) -> list[Abandoned]:
        """Messages that somebody had in hand, and that nobody holds, in the order of the queue: whoever knew of them is
        gone, PostgreSQL's own memory of leases included.
        """
        return _abandoned(await self._pool.fetch(STRANDED, older_than))

    async def positions(self) -> dict[int, int]:
        """How far the live projection has come, by partition."""
        return {row["partition"]: row["next_offset"] for row in await self._pool.fetch(POSITIONS)}

    async def waiting(self, konto_id: UUID) -> int:
        """How many messages can be leased, now or once they have rested, of the first ``MOST_COUNTED``."""
        return int(await self._pool.fetchval(COUNT, konto_id, MOST_COUNTED))

    async def resting(self, kontoer: Collection[UUID]) -> dict[UUID, float]:
        """The seconds until the first message that rests can be leased, of those of the accounts that have one."""
        return {row["konto_id"]: row["seconds"] for row in await self._pool.fetch(RESTING, list(kontoer))}

    async def other_consumers(self, konto_id: UUID) -> int:
        """How many consumers the account has in other gateways."""
        return int(await self._pool.fetchval(CONSUMERS, konto_id, self.holder))

    async def say_consumers(self, numbers: Mapping[UUID, int]) -> None:
        """Tell the others how many consumers each account has here."""
        await self._pool.execute(SAY_CONSUMERS, self.holder, list(numbers), list(numbers.values()))

    async def say_answered(self, messages: Sequence[UUID]) -> None:
        """Tell the others that the senders of these are answered; of none: that we are here and want to be told."""
        for first in range(0, max(1, len(messages)), MOST_ANSWERED):
            some = " ".join(map(str, (self.holder, *messages[first : first + MOST_ANSWERED])))
            await self._pool.execute("select pg_notify($1, $2)", ANSWERED, some)

    async def others(self) -> set[UUID]:
        """The other holders that anything is known of."""
        return {row["id"] for row in await self._pool.fetch(HOLDERS)} - {self.holder}

    async def is_alive(self, holder: UUID) -> bool:
        """Whether the holder's session is there."""
        return bool(await self._pool.fetchval(IS_ALIVE, _lock(holder)))

    async def adopt(self, dead: UUID) -> list[Abandoned]:
        """Take over what a holder had that is no more, in the order of the queue; nothing where it is alive."""
        return _abandoned(await self._pool.fetch(ADOPT, dead, self.holder, _lock(dead)))

    async def lend(self, held: Held, poller: UUID, seconds: float) -> bool:
        """Make what this holder has that of one who polls, for so long. False: it has one already, or this is gone."""
        with suppress(asyncpg.UniqueViolationError):
            said = await self._pool.execute(LEND, held.konto_id, held.levering, self.holder, poller, seconds)
            return said != "UPDATE 0"
        return False

    async def lent(self, poller: UUID) -> Taken | None:
        """What one who polls has."""
        row = await self._pool.fetchrow(LENT, poller)
        return None if row is None else _taken(row)

    async def claim(self, poller: UUID) -> Taken | None:
        """Take over what one who polls has; nobody else does then. ``igjen`` in its row says how many seconds were left
        until it would have gone back.
        """
        row = await self._pool.fetchrow(CLAIM, self.holder, poller)
        return None if row is None else _taken(row)

    async def overdue(self) -> list[Abandoned]:
        """Take over what was lent until a time that has passed, in the order of the queue."""
        return _abandoned(await self._pool.fetch(OVERDUE, self.holder))


class Life:
    """A session that shows that its holder lives, for as long as that says so.

    ``is_new``: nobody had this holder for alive before, or its leases were taken over since.
    """

    def __init__(self, session: asyncpg.Connection[asyncpg.Record], since: float, is_new: bool) -> None:
        self._session, self.is_new = session, is_new
        self._gone = asyncio.Event()
        self._until = since + DEAD_FOR
        session.add_termination_listener(lambda _: self._gone.set())
        self._beating = asyncio.create_task(self._beat())

    @property
    def is_certain(self) -> bool:
        """Whether nobody can have taken over its leases: we may have stood still, and not have heard of that."""
        return uptime() < self._until

    async def ended(self) -> None:
        """Returns once the session is lost. Raises as ``Leases`` where that is how it shows."""
        await asyncio.shield(self._beating)

    async def end(self) -> None:
        """Let go of it."""
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)

    async def _beat(self) -> None:
        while not self._gone.is_set():
            begun = uptime()
            await self._session.execute("select", timeout=ANSWER)
            self._until = begun + DEAD_FOR
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._gone.wait()


@asynccontextmanager
async def alive(dsn: str, holder: UUID, heard: Mapping[str, Callable[..., None]]) -> AsyncIterator[Life]:
    """Be alive, and hear what is told on each channel. Raises as ``Leases``."""
    milliseconds = f"{SILENCE * 1000:.0f}"
    # The latter where it waits for us to take what it has told: it does not mind the former then.
    bounds = {"idle_session_timeout": milliseconds, "tcp_user_timeout": milliseconds}
    session = await asyncpg.connect(dsn, server_settings=SESSION | bounds, timeout=5)
    try:
        since = uptime()
        await session.execute(ALIVE, _lock(holder))
        is_new = await session.execute(BEGIN, holder) != "INSERT 0 0"
        for channel, told in heard.items():
            await session.add_listener(channel, told)
        life = Life(session, since, is_new)
        try:
            yield life
        finally:
            await life.end()
    finally:
        session.terminate()


@contextmanager
def asking() -> Iterator[None]:
    """Raises Unavailable where PostgreSQL does not answer."""
    try:
        yield
    except INFRASTRUCTURE as fault:
        log.warning("PostgreSQL does not answer", fault=type(fault).__name__)
        raise Unavailable(UNREADABLE) from fault


def _taken(row: asyncpg.Record) -> Taken:
    return Held(row["mottaker_konto_id"], row["melding_id"], row["levering"]), row


def _columns(leases: Sequence[Held]) -> list[tuple[UUID, ...]]:
    return list(zip(*leases, strict=True)) or [(), (), ()]


def _abandoned(rows: Sequence[asyncpg.Record]) -> list[Abandoned]:
    return [Abandoned(Held(*held), korrelasjon) for *held, korrelasjon in rows]


def _lock(holder: UUID) -> int:
    return int.from_bytes(holder.bytes[:8], "big", signed=True)
