"""Hurts a running system at random under load and then checks that it kept its word.

    python -m tests.chaos --rounds 20 --seed 1

Every fault comes up before one is repeated, so 16 rounds have them all. The last line says what was found; the exit
status is 0 only if nothing was lost, doubled, reordered or different after a rebuild, and each letter's history is told
as it was. Each document that is on the log
is downloaded and compared with what was sent. Where all faults came up, messages must have ended in every way there is.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from aiohttp import ClientSession

from gateway.routes.svarut_v2 import HENDELSER
from infra.blobs import Blobs, blob_store
from infra.database import Connection
from infra.ends import Ends
from infra.keys import id_of
from infra.kms import keks
from infra.settings import Settings
from projections.compare import check
from projections.innhold import innhold
from projections.orphan_keys import sweep_keys
from projections.projection import projections
from projections.svarut_status import Hendelse, that_counted
from projections.sweeping import sweep
from schemas.dokumentlager import DokumentLastetOpp
from schemas.fiks_io import MeldingSendt
from schemas.svarut import ForsendelseMottatt
from schemas.topics import TOPICS
from streams.domain.errors import Unavailable
from streams.domain.fiks_io import Status, dokumentlager_konto_of
from streams.log import Log
from streams.records import recorded
from tests.chaos.documents import judge_documents, orphans_in
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.history import Call, Verdict, judge
from tests.chaos.load import Load, caller, renewing
from tests.chaos.messages import endings, judge_large, judge_messages, never_seen
from tests.chaos.post import Post, accounts, take_each_once
from tests.chaos.system import System, settings_of, system
from tests.chaos.uploads import Uploads, faults
from tests.support.backbone import TOPIC as SVARUT
from tests.support.backbone import Backbone
from tests.support.records import records_on

DOKUMENTLAGER = "fiks.dokumentlager"
RATE, DOCUMENT_RATE, MESSAGE_RATE = 20.0, 2.0, 10.0
CATCH_UP = 120.0
FIKS_IO = "fiks.io"
STREAMS = "select distinct topic, stream from read.audit"
NOT_ENDED = """
    select count(*) from read.fiks_io_tilstand t where not exists (
        select from read.fiks_io_steg s where s.type = 'MeldingDestruert'
        and (s.mottaker_konto_id, s.melding_id) = (t.mottaker_konto_id, t.melding_id))
"""


logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it tells at length of each connection that is hurt


async def chaos(rounds: int, seed: int) -> bool:
    """Run and judge. Returns whether the system kept its word."""
    chance = random.Random(seed)
    async with system(gateways=2, workers=2, linked=("gateway-1", "worker-1")) as hurt:
        settings = settings_of(hurt)
        headers, known = await caller(settings.issuer, settings.state)
        load = Load(hurt.urls(), headers, known["kontoId"], RATE, random.Random(seed))
        konto = f"/dokumentlager/api/v1/{known['fiksOrgId']}/kontoer/{known['dokumentkontoId']}"
        documents = Uploads(hurt.urls(), headers, konto, DOCUMENT_RATE, random.Random(seed))
        post = Post(hurt.urls(), hurt.amqp_ports, await accounts(settings), MESSAGE_RATE, random.Random(seed))
        await take_each_once(settings, hurt.urls(), post.accounts[1].konto_id)
        stop, every = asyncio.Event(), FAULTS + faults(documents)
        first, second = (one.headers for one in post.accounts)
        async with renewing(settings.issuer, settings.state, {0: [headers, first], 1: [second]}), post.consuming():
            loading = asyncio.gather(load.run(stop), documents.run(stop), post.run(stop))
            for number, fault in zip(range(1, rounds + 1), order(chance, every), strict=False):
                await asyncio.sleep(chance.uniform(0.5, 2))
                print(f"round {number:3} of {rounds}: {(fault.__doc__ or '').strip()}", flush=True)
                await fault(hurt, chance)
            await asyncio.sleep(1)
            stop.set()
            await loading
            for node in (*hurt.gateways, *hurt.workers):
                node.start()
            all_ended = await until_ended(hurt)
        verdict = await verdict_on(hurt, load.calls)
        verdict.other += await told_otherwise(hurt, load)
        verdict += await verdict_on_documents(hurt, documents, post, settings)
        log = [recorded(one) for one in records_on(hurt.kafka.bootstrap, FIKS_IO)]
        verdict += judge_messages(post.sent, post.handed, log)
        ended = endings(log)
        if rounds >= len(every):
            verdict.other += never_seen(post.handed, ended, log)
    if not all_ended:
        verdict.other.append(f"messages had not ended {CATCH_UP:.0f} seconds after the last was sent")
    if not (acknowledged := sum(call.answered is not None for call in load.calls)) > len(load.calls) / 4:
        verdict.other.append(f"only {acknowledged} of {len(load.calls)} calls were acknowledged: that proves nothing")
    uploaded = sum(one.answered is not None for one in documents.made)
    if not uploaded > len(documents.made) / 4:
        verdict.other.append(f"only {uploaded} of {len(documents.made)} documents were acknowledged: too few")
    taken = sum(one.answered is not None for one in post.sent)
    if not taken > len(post.sent) / 4:
        verdict.other.append(f"only {taken} of {len(post.sent)} messages were acknowledged: too few")
    print(f"documents {len(documents.made)}, acknowledged {uploaded}")
    print(f"messages {len(post.sent)}, acknowledged {taken}, handed out {len(post.handed)}, ended: {shown(ended)}")
    report(rounds, load.calls, verdict)
    return verdict.clean


async def until_ended(hurt: System) -> bool:
    """Wait until every message has ended and is destroyed, while consumers go on. False when that takes too long."""
    connection = await asyncpg.connect(hurt.postgres.dsn)
    try:
        async with asyncio.timeout(CATCH_UP):
            while await connection.fetchval(NOT_ENDED):
                await asyncio.sleep(0.5)
    except TimeoutError:
        return False
    finally:
        await connection.close()
    return True


def shown(ended: Counter[Status | None]) -> str:
    """How many messages ended how."""
    return ", ".join(f"{status} {ended[status]}" for status in Status if ended[status])


def order(chance: random.Random, of_all: Sequence[Fault]) -> Iterator[Fault]:
    """Faults at random, each once before any comes again."""
    while True:
        yield from chance.sample(of_all, len(of_all))


async def verdict_on(hurt: System, calls: list[Call]) -> Verdict:
    """Wait until the projections have caught up, and compare everything with everything."""
    connection = await asyncpg.connect(hurt.postgres.dsn)
    snapshot = await asyncpg.connect(hurt.postgres.dsn)
    reads = Backbone(settings_of(hurt), None, connection)  # type: ignore[arg-type]  # it only reads
    async with asyncio.timeout(CATCH_UP):
        await reads.until_quiet()
    log = [recorded(one) for one in records_on(hurt.kafka.bootstrap, SVARUT)]
    statuser = {
        row["forsendelse_id"]: row["status"]
        for row in await connection.fetch("select forsendelse_id, status from read.svarut_status")
    }
    hendelser = {of: [one.type for one in lines] for of, lines in (await lines_of(connection)).items()}
    audited = Counter(tuple(row) for row in await connection.fetch('select topic, partition, "offset" from read.audit'))
    verdict = judge(calls, log, statuser, hendelser, audited)  # type: ignore[arg-type]
    for projection in projections().values():
        found = await check(connection, snapshot, hurt.kafka.bootstrap, projection, 1, lambda done, total: None)
        verdict.other += [f"{projection.name} is not what a rebuild makes: {one}" for one in found.differences]
    await snapshot.close()
    await connection.close()
    return verdict


async def told_otherwise(hurt: System, load: Load) -> list[str]:
    """Of which acknowledged letters a gateway tells another history than what counted of the lines that there are."""
    connection = await asyncpg.connect(hurt.postgres.dsn)
    lines = await lines_of(connection)
    await connection.close()
    settings, found = settings_of(hurt), []
    headers, _ = await caller(settings.issuer, settings.state)  # a token of before may have expired by now
    async with ClientSession(load.random.choice(load.urls), headers=headers) as session:
        for call in load.calls:
            if call.answered is None:
                continue
            async with session.get(f"/api/v2/forsendelser/{call.answered}/hendelser") as answer:
                told = [one["hendelse"] for one in (await answer.json())["hendelser"]] if answer.status == 200 else []
            if told != [HENDELSER[one.type] for one in lines[call.answered]]:
                found.append(f"{call.answered} is told as {answer.status} {told}")
    return found


async def lines_of(connection: Connection) -> Mapping[UUID, list[Hendelse]]:
    """The history of each letter, as far as it counted."""
    lines: defaultdict[UUID, list[Hendelse]] = defaultdict(list)
    for row in await connection.fetch("select * from read.svarut_hendelse order by forsendelse_id, made"):
        lines[row["forsendelse_id"]].append(Hendelse(*row))
    return defaultdict(list, {of: that_counted(all_) for of, all_ in lines.items()})


async def verdict_on_documents(hurt: System, documents: Uploads, post: Post, settings: Settings) -> Verdict:
    """Sweep content and keys, and compare all documents that the log names with what is there, and what is there with
    what the log names. The projections have caught up.
    """
    for node in hurt.gateways:
        await node.ready()
    connection = await asyncpg.connect(hurt.postgres.dsn)
    blobs = blob_store(settings)
    async with asyncio.timeout(CATCH_UP):
        while not await _swept(connection, blobs, settings):
            await asyncio.sleep(1)
    keys = await _keys_left(connection)
    await connection.close()
    documents.headers, _ = await caller(settings.issuer, settings.state)
    records = [one for topic in (SVARUT, DOKUMENTLAGER, FIKS_IO) for one in records_on(hurt.kafka.bootstrap, topic)]
    events = [recorded(one).event for one in records]
    # An event that the producer appended twice, as the broker died, is the same one.
    log = list({one.dokument_id: one for one in events if isinstance(one, DokumentLastetOpp)}.values())
    named = {one.blob for one in log}
    named |= {one.blob for event in events if isinstance(event, ForsendelseMottatt) for one in event.dokumenter}
    left = {name async for names in blobs.written(datetime.now(UTC)) for name in names}
    contents = await documents.contents([one.dokument_id for one in log])
    of_messages = {dokumentlager_konto_of(one.konto_id) for one in post.accounts}
    large = [one for one in log if one.konto_id in of_messages]
    others = [one for one in log if one.konto_id not in of_messages]
    verdict = judge_documents(documents.made, others, contents, orphans_in(left, named), keys)
    sent = [event for event in events if isinstance(event, MeldingSendt)]
    print(f"messages by Dokumentlager {len(large)}")
    return verdict + judge_large(post.sent, sent, large, contents)


async def _swept(connection: Connection, blobs: Blobs, settings: Settings) -> bool:
    """Whether the sweep could be done: what was hurt may need a moment more."""
    ends = {name: Ends(settings.kafka, topic) for name, topic in TOPICS.items()}
    log = Log(settings.kafka, keks(settings))
    await log.start()
    try:
        await sweep(connection, blobs, [ends[name] for name in innhold.topics], set(), datetime.now(UTC))
        await sweep_keys(connection, log, list(ends.values()), set(), timedelta(0))
    except Unavailable:
        return False
    finally:
        await log.stop()
    return True


async def _keys_left(connection: Connection) -> list[str]:
    """The data keys whose stream no event tells of; those that were destroyed may take a moment to be gone."""
    told = {f"{row['topic'].removeprefix('fiks.')}:{row['stream']}" for row in await connection.fetch(STREAMS)}
    left: list[str] = []
    for _ in range(int(CATCH_UP)):
        left = [
            row["name"] for row in await connection.fetch("select name from nokkel") if id_of(row["name"]) not in told
        ]
        if not left:
            break
        await asyncio.sleep(1)
    return left


def report(rounds: int, calls: list[Call], verdict: Verdict) -> None:
    """Print what was found; the last line in one form that others can read."""
    for kind in ("lost", "doubled", "reordered", "other"):
        for fault in getattr(verdict, kind)[:20]:
            print(f"{kind}: {fault}")
    acknowledged = sum(call.answered is not None for call in calls)
    reordered, other = len(verdict.reordered), len(verdict.other)
    print(
        f"rounds {rounds}, calls {len(calls)}, acknowledged {acknowledged}, lost {len(verdict.lost)}, "
        f"doubled {len(verdict.doubled)}, reordered {reordered}, otherwise wrong {other}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    sys.exit(0 if asyncio.run(chaos(asked.rounds, asked.seed)) else 1)
