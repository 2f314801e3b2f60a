"""How fresh a projection is, and waiting for it: you read what you wrote (DESIGN.md, rule 9)."""

from __future__ import annotations

import asyncio

from infra.database import Pool

POSITION = """
    select c.next_offset from projection p join checkpoint c on c.name = p.name and c.version = p.live
    where p.name = $1 and c.topic = $2 and c.partition = $3
"""
DECIDER_POSITION = "select next_offset from checkpoint where name = $1 and topic = $2 and partition = $3"
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.1


async def position(pool: Pool, name: str, topic: str, partition: int) -> int:
    """The next offset that a live projection (or a decider, ``decider:svarut``) will apply; 0 before its first."""
    statement = DECIDER_POSITION if name.startswith("decider:") else POSITION
    return await pool.fetchval(statement, name, topic, partition) or 0


async def passed(pool: Pool, name: str, topic: str, partition: int, next_offset: int, timeout: float) -> bool:
    """Wait until everything below ``next_offset`` was applied. False when that took longer than ``timeout`` seconds."""
    pause = FIRST_PAUSE
    deadline = asyncio.get_running_loop().time() + timeout
    while await position(pool, name, topic, partition) < next_offset:
        if asyncio.get_running_loop().time() + pause > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return True
