"""A worker process: the works of the roles that it was asked to play, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiokafka import TopicPartition

from infra.blobs import blob_store
from infra.database import SESSION
from infra.ends import Ends
from infra.keys import FOLLOWER, Keys
from infra.kms import keks
from infra.settings import Settings
from projections.dokumentlager_slettinger import Destruering, Slettinger
from projections.fiks_io_kvitteringer import Kvitteringer
from projections.fiks_io_nedleggelser import Nedleggelser
from projections.gauges import watch_projections
from projections.projecting import ROLE as PROJECTIONS
from projections.projecting import Projecting, role_of
from projections.projection import Projection, projections
from projections.sweeping import ROLE as SWEEPER
from projections.sweeping import sweep_for_ever
from schemas.topics import TOPICS
from streams.agents import Work
from streams.app import Worker
from streams.dead_letters import DeadLetters
from streams.deciding import Deciding
from streams.domain.dokumentlager import dokumentlager
from streams.domain.fiks_io import fiks_io
from streams.domain.konfigurasjon_commands import konfigurasjon
from streams.domain.svarut import svarut
from streams.keys import Following
from streams.log import Log
from streams.reader import Positions

DECIDERS = (svarut, dokumentlager, fiks_io, konfigurasjon)
EFFECTS = (Slettinger.role, Destruering.role, Kvitteringer.role, Nedleggelser.role, SWEEPER)
PATIENCE = {fiks_io.name: 0.1}
"""Seconds for which a decider may be kept waiting where nobody waits for its decision: most events lead to none."""
ROLES = (PROJECTIONS, FOLLOWER, *EFFECTS, *(f"decider:{one.name}" for one in DECIDERS))

SELDOM, HARDLY_EVER = (20_000, 50, 100), (500_000, 5, 10)
"""How many new objects there must be for a collection: the second in a rebuild, whose pauses nobody waits out."""


def tune_garbage_collection(thresholds: tuple[int, int, int]) -> None:
    """Batches make many objects that live shortly: collecting less often is worth a sixth of the throughput, and costs
    a longer pause when it comes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)


async def work(settings: Settings, roles: Sequence[str]) -> None:
    """Play the roles until SIGTERM or SIGINT; open work ends first."""
    log = Log(settings.kafka, keks(settings))
    await log.start()
    letters = DeadLetters(log)
    works: list[Work[Any]] = [
        Deciding(one, log, letters, PATIENCE.get(one.name, 0.0)) for one in DECIDERS if f"decider:{one.name}" in roles
    ]
    if PROJECTIONS in roles:
        works += projecting(letters, log.keys)
    if FOLLOWER in roles:
        works.append(Following(log))
    if Slettinger.role in roles:
        works.append(Slettinger(log, letters, Ends(settings.kafka, TOPICS[dokumentlager.topic])))
    if Destruering.role in roles:
        works.append(Destruering(log, letters, blob_store(settings)))
    if Kvitteringer.role in roles:
        works.append(Kvitteringer(log, letters, blob_store(settings)))
    if Nedleggelser.role in roles:
        works.append(Nedleggelser(log, letters, Ends(settings.kafka, TOPICS[fiks_io.topic])))
    worker = Worker(settings, works, keys=log.keys)
    beside: list[asyncio.Task[None]] = []
    if settings.metrics_port is not None:
        beside.append(asyncio.create_task(watch_projections(settings, partial(projected_ends, worker))))
    if SWEEPER in roles:
        beside.append(asyncio.create_task(sweep_for_ever(settings, log)))
    await run(worker)
    for task in beside:
        task.cancel()
    await log.stop()


def projecting(letters: DeadLetters, keys: Keys) -> list[Projecting]:
    """The works of all projections, one a role: see ``projections.projecting``."""
    by_role: dict[str, list[Projection]] = {}
    for one in projections().values():
        by_role.setdefault(role_of(one), []).append(one)
    return [Projecting(some, letters, keys) for some in by_role.values()]


def projected_ends(worker: Worker) -> dict[tuple[str, TopicPartition], int]:
    """Where the log ends, by projection and partition that the worker has claimed for it, as far as it is known."""
    return {
        (name, at): end
        for work, reader in zip(worker.works, worker.readers, strict=False)  # there are none before it has started
        if isinstance(work, Projecting)
        for at, end in reader.ends().items()
        for name, one in work.projections.items()
        if at.topic in one.topics
    }


async def rebuild(settings: Settings, names: Sequence[str], group: str, until: Positions | None) -> None:
    """Fill the versions of ``names`` that are being built, until stopped."""
    log = Log(settings.kafka, keks(settings))
    await log.start()
    works = [Projecting([projections()[name] for name in names], DeadLetters(log), log.keys, building=True)]
    worker = Worker(settings, works, group=group, until=until, keys=log.keys, session=SESSION)
    await run(worker, HARDLY_EVER)
    await log.stop()


async def run(worker: Worker, collecting: tuple[int, int, int] = SELDOM) -> None:
    """Run a worker until the process is asked to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tune_garbage_collection(collecting)
    starting, stopping = asyncio.create_task(worker.start()), asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():  # it waits for what is away; what it has begun is as after a crash
        starting.cancel()
        return
    await starting
    await stopping
    await worker.stop()
