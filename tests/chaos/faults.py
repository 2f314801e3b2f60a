"""What is done to the system: one fault a round, at a random moment, each undone before the round ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from infra.database import ANSWER
from tests.chaos.system import System

Fault = Callable[[System, random.Random], Awaitable[None]]

SESSION = 6.0
"""Seconds after which the group gives a silent worker's partitions to others."""
TAKEN_OVER = 20.0
"""Seconds after which another gateway hands out what a silent one had handed out."""
ADOPTED = 10.0
"""Seconds after which another gateway has handed out what a dead one had handed out."""


async def kill_worker(system: System, chance: random.Random) -> None:
    """kill -9 of a worker."""
    node = chance.choice(system.workers)
    await node.kill()
    await asyncio.sleep(chance.uniform(0, 1.5))
    node.start()


async def kill_gateway(system: System, chance: random.Random) -> None:
    """kill -9 of a gateway."""
    node = chance.choice(system.gateways)
    await node.kill()
    await asyncio.sleep(chance.uniform(0, 1))
    node.start()
    await node.ready()


async def kill_kafka(system: System, chance: random.Random) -> None:
    """kill -9 of Kafka."""
    await system.kafka.kill()
    await asyncio.sleep(chance.uniform(0, 2))
    await system.kafka.start()


async def kill_postgres(system: System, chance: random.Random) -> None:
    """kill -9 of PostgreSQL."""
    await system.postgres.kill()
    await asyncio.sleep(chance.uniform(0, 2))
    await system.postgres.start()


async def lose_postgres(system: System, chance: random.Random) -> None:
    """PostgreSQL loses its disk: an empty database takes its place."""
    await system.postgres.lose()
    await asyncio.sleep(chance.uniform(0, 2))
    await system.postgres.start()
    await system.step("migrate")


async def kill_gateway_and_postgres(system: System, chance: random.Random) -> None:
    """kill -9 of a gateway and of PostgreSQL at once, as when the host of both goes."""
    node = chance.choice(system.gateways)
    await asyncio.gather(node.kill(), system.postgres.kill())
    await asyncio.sleep(chance.uniform(0, 2))
    await system.postgres.start()
    await asyncio.sleep(chance.uniform(0, ADOPTED))
    node.start()
    await node.ready()


async def freeze_worker(system: System, chance: random.Random) -> None:
    """SIGSTOP of a worker for longer than its session: it wakes up believing that it owns what others now own."""
    node = chance.choice(system.workers)
    node.pause()
    await asyncio.sleep(SESSION + chance.uniform(0.5, 2))
    node.resume()


async def freeze_gateway(system: System, chance: random.Random) -> None:
    """SIGSTOP of a gateway until another has handed out what its consumers had in hand."""
    node = chance.choice(system.gateways)
    node.pause()
    await asyncio.sleep(TAKEN_OVER + chance.uniform(0.5, 2))
    node.resume()


async def freeze_kafka(system: System, chance: random.Random) -> None:
    """SIGSTOP of Kafka, for less or more than a worker's session."""
    system.kafka.pause()
    await asyncio.sleep(chance.uniform(1, SESSION + 4))
    system.kafka.resume()


async def freeze_postgres(system: System, chance: random.Random) -> None:
    """SIGSTOP of PostgreSQL, for less or more than who asks it waits: no connection breaks, and nothing is answered."""
    system.postgres.pause()
    await asyncio.sleep(chance.uniform(1, ANSWER + 5))
    system.postgres.resume()


async def cut_off(system: System, chance: random.Random) -> None:
    """The network from a process to Kafka, PostgreSQL or both is cut: what was on its way is lost, or arrives late."""
    name = chance.choice(list(system.links))
    to_kafka, to_postgres = system.links[name]
    cut = chance.choice(((to_kafka,), (to_postgres,), (to_kafka, to_postgres)))
    lost = chance.random() < 0.5
    for link in cut:
        link.cut()
    await asyncio.sleep(chance.uniform(1, SESSION + 4))
    for link in cut:
        if lost:
            link.break_off()
        link.mend()


async def leave_and_join(system: System, chance: random.Random) -> None:
    """SIGTERM of a worker, which then comes back."""
    node = chance.choice(system.workers)
    await node.stop()
    await asyncio.sleep(chance.uniform(0, 1))
    node.start()


async def join_and_leave(system: System, chance: random.Random) -> None:
    """A third worker comes for a while."""
    node = system.node("worker-guest", "worker")
    node.start()
    await asyncio.sleep(chance.uniform(2, 5))
    await (node.kill() if chance.random() < 0.5 else node.stop())


FAULTS: tuple[Fault, ...] = (
    kill_worker,
    kill_gateway,
    kill_kafka,
    kill_postgres,
    lose_postgres,
    kill_gateway_and_postgres,
    freeze_worker,
    freeze_gateway,
    freeze_kafka,
    freeze_postgres,
    cut_off,
    leave_and_join,
    join_and_leave,
)
