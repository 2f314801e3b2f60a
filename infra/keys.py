"""Data keys: one a stream (a forsendelse, a document, a person), wrapped, on the compacted topic ``fiks.nokkel``.

A key has a name: its key id, ``<domain>:<stream>``, or that and a suffix, ``<key id>#<random>``. Whoever seals for a
stream without knowing its key makes another one with a suffix, so that sealing never has to look anything up. A
tombstone under the key id is erasure: it destroys every key of that id that was made before it (``streams.keys``).

Keys are read from PostgreSQL, where ``streams.keys`` puts what the topic says. A key that is not there counts as erased
only once the table has passed the end that the topic had when it was asked for.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from infra.crypto.segments import KEY_SIZE
from infra.crypto.wrapping import generation_of
from infra.database import INFRASTRUCTURE, Pool
from infra.ends import Ends
from infra.keks import Keks
from infra.partitions import partition_of
from infra.randomness import random_bytes
from infra.uptime import uptime
from schemas.envelope import Headers, Position
from schemas.personal import SUFFIX
from schemas.topics import NOKKEL
from streams.domain.errors import Unacknowledged, Unavailable

FOLLOWER = "nokler"
"""The role that puts into the table what the topic says, and the name of its checkpoint."""
T = TypeVar("T")

REMEMBERED = 10_000
LIFETIME = 30.0
"""Seconds that a process may remember a data key: so long after its erasure another process can still use it."""
PATIENCE = 10.0
"""Seconds that the table may take to come to where the topic ended."""
PAUSE = 0.01

LOAD = "select name, wrapped from nokkel where name = any($1)"
POSITIONS = "select partition, next_offset from checkpoint where name = $1 and topic = $2"


class Sends(Protocol):
    """The way onto the log (``streams.log.Log``)."""

    async def send(
        self, topic: str, key: str | bytes, value: bytes | None, headers: Headers, partition: int = ...
    ) -> Position:
        """Append a record; returns once it is durable. Raises Unavailable."""


def new_key() -> bytes:
    """A data key that nobody has yet."""
    return random_bytes(KEY_SIZE)


def id_of(name: str) -> str:
    """The key id in the name of a key."""
    return name.partition(SUFFIX)[0]


async def say(log: Sends, name: str, wrapped: bytes | None) -> None:
    """Put a wrapped key on the topic, or its tombstone. All keys of an id lie on the same partition, in order."""
    if (key_id := id_of(name)) == name:  # whose partition the name gives
        await log.send(NOKKEL.name, name, wrapped, [])
    else:
        await log.send(NOKKEL.name, name, wrapped, [], partition_of(key_id, NOKKEL.partitions))


class Table:
    """The keys as the table has them: the only part that needs PostgreSQL. ``ends`` are those of ``fiks.nokkel``."""

    def __init__(self, pool: Pool, ends: Ends, patience: float = PATIENCE) -> None:
        self._pool, self._ends, self._patience = pool, ends, patience

    async def load(self, names: Collection[str]) -> dict[str, bytes]:
        """The wrapped keys by name; what is absent was erased. Raises Unavailable."""
        try:
            found = await self._load(names)
            missing = set(names) - found.keys()
            return found | await self._awaited(missing) if missing else found
        except INFRASTRUCTURE as fault:
            raise Unavailable("Nøklene kan ikke leses akkurat nå. Prøv igjen") from fault

    async def catch_up(self) -> None:
        """Wait until the table contains all that the topic says now. Raises Unavailable when that takes too long."""
        await self._awaited(set())

    async def _awaited(self, missing: set[str]) -> dict[str, bytes]:
        """Those of the missing keys that come until the table contains all that the topic says now; the others were
        erased. Returns as soon as all are there. Raises Unavailable.
        """
        deadline = time.monotonic() + self._patience
        ends, found = await self._end(deadline), dict[str, bytes]()
        while True:
            rows = await self._pool.fetch(POSITIONS, FOLLOWER, NOKKEL.name)
            at = {row["partition"]: row["next_offset"] for row in rows}
            has_caught_up = all(at.get(partition, 0) >= end for partition, end in ends.items())
            if missing:
                found |= await self._load(missing - found.keys())
            if has_caught_up or (missing and not missing - found.keys()):
                return found
            if time.monotonic() > deadline:
                raise Unavailable("Nøklene er ikke klare ennå. Prøv igjen")
            await asyncio.sleep(PAUSE)

    async def _end(self, deadline: float) -> dict[int, int]:
        while True:
            try:
                return await self._ends.now()
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE)

    async def _load(self, names: Collection[str]) -> dict[str, bytes]:
        return {row["name"]: row["wrapped"] for row in await self._pool.fetch(LOAD, list(names))}


class Keys:
    """The data keys of one process. ``log`` carries them; until it has a ``table`` they can be made and destroyed only.

    Without ``keks`` it can do nothing: that is a log which carries no personal text.
    """

    table: Table | None = None

    def __init__(self, keks: Keks | None, log: Sends) -> None:
        self._given, self._log = keks, log
        self._known: _Remembered[bytes] = _Remembered()
        self._sealing: _Remembered[str] = _Remembered()

    async def create(self, name: str, key: bytes | None = None) -> bytes:
        """Make a key of that name: a new one, or ``key``, by which something is sealed already (``new_key``). It is
        durable when this returns. Raises Unavailable.

        The name must be new, such as the id of a stream which this call begins: a key that exists would be overwritten.
        """
        made = key or new_key()
        try:
            while True:
                wrapped = await self._keks.wrap(name, made)
                await say(self._log, name, wrapped)
                if generation_of(wrapped) in await self._keks.usable():
                    break  # and was not retired meanwhile, before anybody could see that it wraps this
        except Unacknowledged as fault:  # the key may be there, but nothing that was to be sealed under it
            raise Unavailable("Loggen svarer ikke; ingenting er tatt imot. Prøv igjen") from fault
        self._known.put(name, made)
        self._sealing.put(id_of(name), name)
        return made

    async def for_sealing(self, key_id: str) -> tuple[str, bytes]:
        """Name and key under which something new of the stream can be sealed. Raises Unavailable."""
        if (name := self._sealing.get(key_id)) is not None and (key := self._known.get(name)) is not None:
            return name, key
        name = f"{key_id}{SUFFIX}{secrets.token_urlsafe(6)}"
        return name, await self.create(name)

    async def get_many(self, names: Collection[str]) -> dict[str, bytes]:
        """The keys by name, with one query; what is absent was erased.

        Raises Unavailable when PostgreSQL, the log or the KMS is away, or the table does not catch up.
        """
        found = {name: key for name in names if (key := self._known.get(name)) is not None}
        if missing := set(names) - found.keys():
            if self.table is None:
                raise Unavailable("Nøkler kan ikke leses her")
            read = await self._keks.unwrap(await self.table.load(missing))
            for name, key in read.items():
                self._known.put(name, key)
            found |= read
        return found

    async def destroy(self, name: str) -> None:
        """Erase all that was ever sealed under this key id, or under the one key of that name; durable when it returns.
        Raises Unavailable.

        Other processes may remember the key for ``LIFETIME`` seconds more.
        """
        await say(self._log, name, None)
        self._sealing.drop(name)
        self._known.drop(name)

    @property
    def _keks(self) -> Keks:
        if self._given is None:
            raise LookupError(
                "personal text needs a log that was opened with key-encryption keys: Log(…, keks(settings))"
            )
        return self._given


class _Remembered(Generic[T]):
    """The newest few of what was put, each for ``LIFETIME`` seconds."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, name: str) -> T | None:
        until, value = self._of.get(name, (0.0, None))
        return value if uptime() < until else None

    def put(self, name: str, value: T) -> None:
        self._of[name] = uptime() + LIFETIME, value
        self._of.move_to_end(name)
        while len(self._of) > REMEMBERED or next(iter(self._of.values()))[0] < uptime():
            self._of.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget what has that name, or belongs to that key id."""
        for one in [one for one in self._of if name in (one, id_of(one))]:
            del self._of[one]
