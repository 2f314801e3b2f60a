"""Queues of Fiks IO with very much in them: a log, a database and a worker of their own, and a gateway's side of them.

The messages are put straight into the tables of the projection, by its own columns, since the log would take an hour
for them; they have neither headers nor content. What becomes of them is said on the log and projected as ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from uuid import UUID

from gateway.amqp.deliveries import Lease, Outcome
from gateway.queues import Queues
from infra.blobs import Blobs
from infra.database import Connection
from infra.settings import Settings
from projections import versions
from projections.fiks_io import fiks_io
from schemas.envelope import By
from streams import topics
from tests.bench.report import Report
from tests.support.backbone import backbone
from tests.support.queues import gateway
from tests.support.stack import OwnKafka, OwnPostgres
from tests.support.workers import prepare, working

FEW, MANY = 1000, 1_000_000
FEW_KONTO, MANY_KONTO = UUID(int=1), UUID(int=2)
SPREAD = [UUID(int=0x10000 + number) for number in range(5000)]
"""Accounts that have ``MANY`` together."""
TAKEN, GOT = 800, 50
PREFETCH = 10
MUCH = 1 << 20
BY = By("integrasjon:00000000-0000-0000-0000-000000000009")
SECONDARY = "select indexname from pg_indexes where schemaname = 'fiks_io_v1' and indexname not like '%_pkey'"
FILL = """
    with waiting as (
        insert into fiks_io_v1.fiks_io_tilstand (
            mottaker_konto_id, melding_id, plass, status, utloper, forsok, sett, passert, konto_slettet,
            siste_beslutning, sist_endret)
        select konto_id, gen_random_uuid(), (n - 1) * cardinality($1::uuid[]) + nr, 'VENTER', now() + interval '7 days',
            0, false, false, false, -1, now()
        from unnest($1::uuid[]) with ordinality as account (konto_id, nr), generate_series(1, $2) as n returning *)
    insert into fiks_io_v1.fiks_io_melding (
        mottaker_konto_id, melding_id, partisjon, plass, hendelse_id, sendt, korrelasjon, avsender_konto_id,
        avsender_org_id, mottaker_org_id, avsender_navn, melding_type, ttl, utloper, header_navn, header_verdi,
        storrelse, plattform, mark)
    select mottaker_konto_id, melding_id, 0, plass, melding_id, now(), melding_id, mottaker_konto_id,
        mottaker_konto_id, mottaker_konto_id, 'Testvik', 'no.ks.fiks.bench.v1.melding', 604800000, utloper, '{}', '{}',
        0, false, plass
    from waiting
"""


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Settings]:
    """Kafka, PostgreSQL and a worker in processes of their own."""
    kafka, postgres = OwnKafka(folder), OwnPostgres(folder)
    await asyncio.gather(kafka.start(), postgres.start())
    topics.apply(kafka.bootstrap, 1)
    await prepare(postgres.dsn)
    settings = Settings(kafka=kafka.bootstrap, postgres=postgres.dsn, state=folder / "state")
    async with working(settings):
        yield settings
    await postgres.stop()
    await kafka.stop()


@asynccontextmanager
async def queues_of(settings: Settings) -> AsyncIterator[tuple[Queues, Connection]]:
    """A gateway's side of the queues, in this process, and a connection to their tables."""
    async with (
        backbone(settings.kafka, settings.postgres, settings.state) as system,
        gateway(system, Blobs(settings.blobs)) as queues,
    ):
        yield queues, system.connection


async def measure_waiting(settings: Settings, report: Report) -> None:
    """Deliveries and basic.get where much waits, against where little does, in the same run."""
    async with queues_of(settings) as (queues, connection):
        await fill(connection)
        few, one, spread = f"{FEW:,} waiting", f"{MANY:,} on one account", f"{MANY:,} on {len(SPREAD):,} accounts"
        await delivered(queues, [FEW_KONTO], FEW // 10)  # the first is slower: everything is cold
        for name, accounts in ((few, [FEW_KONTO]), (one, [MANY_KONTO]), (spread, SPREAD)):
            to = None if name == few else f"deliveries, {few}"
            report.add(f"deliveries, {name}", await delivered(queues, accounts, TAKEN), "a second", to)
        for name, konto in ((few, FEW_KONTO), (one, MANY_KONTO), (spread, SPREAD[0])):
            cuts = await got(queues, konto)
            for part, value in (("p50", cuts[9]), ("p95", cuts[18])):
                report.add(f"get {part}, {name}", value * 1000, "ms", None if name == few else f"get {part}, {few}")


async def fill(connection: Connection) -> None:
    """Put the messages there. The secondary indexes are made afterwards, as by a rebuild."""
    for index in await connection.fetch(SECONDARY):
        await connection.execute(f"drop index fiks_io_v1.{index['indexname']}")
    for accounts, each in (([FEW_KONTO], FEW), ([MANY_KONTO], MANY), (SPREAD, MANY // len(SPREAD))):
        await connection.execute(FILL, accounts, each)
    async with connection.transaction():
        await versions.index(connection, fiks_io, 1)
    await connection.execute("vacuum analyze fiks_io_v1.fiks_io_tilstand, fiks_io_v1.fiks_io_melding")


async def delivered(queues: Queues, accounts: Sequence[UUID], number: int) -> float:
    """Deliveries a second to a consumer of each account, until all that was delivered is acknowledged on the log."""
    enough, given = asyncio.Event(), 0

    def consume(konto_id: UUID) -> None:
        def give(leases: Sequence[Lease]) -> None:
            nonlocal given
            queues.settle([one.receipt for one in leases], Outcome.ACKED)
            given += len(leases)
            if given >= number:
                enough.set()
            elif not enough.is_set():
                consumer.want(PREFETCH, MUCH)

        consumer = queues.subscribe(konto_id, BY, give)
        consumers.append(consumer)
        consumer.want(PREFETCH, MUCH)

    consumers, began = [], time.perf_counter()
    for konto_id in accounts:
        consume(konto_id)
    await enough.wait()
    for consumer in consumers:
        consumer.close()
    await queues.settled()
    return given / (time.perf_counter() - began)


async def got(queues: Queues, konto_id: UUID) -> list[float]:
    """Seconds that basic.get takes, as 20-quantiles."""
    seconds, receipts = [], []
    for _ in range(GOT):
        began = time.perf_counter()
        found = await queues.get(konto_id, BY)
        seconds.append(time.perf_counter() - began)
        assert found
        receipts.append(found.lease.receipt)
    queues.settle(receipts, Outcome.ACKED)
    await queues.settled()
    return quantiles(seconds, n=20)
