"""The gateway's memory: the configuration folded from the log, so that nobody has to be asked who may what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

from aiohttp.web import AppKey

from gateway.auth.follower import Follower, Record
from gateway.auth.snapshot import Snapshot, SnapshotFile, Unusable
from infra.ends import Ends
from infra.logs import logger
from schemas.codec import PREFIX, decode, prefixes
from schemas.envelope import Recorded, type_in
from schemas.errors import NotYetKnown, Unreadable
from schemas.konfigurasjon_commands import Command
from schemas.topics import TOPICS, Topic
from streams.domain.configuration import Configuration, Told
from streams.domain.errors import Unavailable
from streams.domain.konfigurasjon import Integrasjon, KonfigurasjonEvent, Mottakersystem, Organisasjon, Ressurs
from streams.domain.personer import PersonEvent, SaidEvent
from streams.records import envelope_in, event_of

log = logger(__name__)

FOLDED: dict[str, type] = {cls.__name__: cls for cls in (*get_args(KonfigurasjonEvent), *get_args(SaidEvent))}
PERSONAL = frozenset(get_args(PersonEvent))
COMMANDS: frozenset[str] = frozenset(cls.__name__ for cls in get_args(Command))
"""Types that lie on the topic for those who decide; here only what was decided matters."""
WRITTEN_COMMANDS = prefixes(COMMANDS)
"""What the values of commands begin with: half of the records are passed over by that, and no header is read."""

PATIENCE, PAUSE = 2.0, 0.005
"""Seconds that a call may wait for what the log has, and those between two looks at whether it is folded."""
LOOK = 2.0
"""Seconds between two looks at whether a snapshot is due."""
MOST_SKIPPED = 1000
"""Types that it does not fold and that are told of once each; of more, nothing is told."""
ENOUGH = 20_000
"""Records past the last snapshot that make a new one worth while: folding them takes half a second."""


class Memory:
    """Follows ``fiks.konfigurasjon`` from its beginning. One a process; start it in the loop that asks.

    It goes on answering from what it knows while the broker is away; ``staleness`` then grows, and after ``lifetime``
    seconds nobody is to be let in by it. With a ``folder`` it begins with the snapshot that some process left there,
    and leaves one when it has come well past that.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: Topic = TOPICS["fiks.konfigurasjon"],
        *,
        folder: Path | None = None,
        lifetime: float = inf,
    ) -> None:
        self.configuration = Configuration()
        self._bootstrap, self._topic, self._lifetime = bootstrap, topic, lifetime
        self._follower = Follower(bootstrap, topic, self._receive, self._fold, self._begin_again)
        self._received: list[tuple[Told, Record]] = []
        self._personal: list[bytes] = []
        self._skipped = set(COMMANDS)
        self._expected: dict[bytes, asyncio.Future[Any]] = {}
        self._told: list[Callable[[], None]] = []
        self._file = folder and SnapshotFile(folder, topic)
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up the snapshot and begin to read. ``ready`` tells when the memory has caught up."""
        if self._file:
            await asyncio.to_thread(self._take_up, self._file)
            self._keeping = asyncio.create_task(self._keep(self._file))
        self._follower.start()

    async def stop(self) -> None:
        """Read no more. What is folded can still be asked for."""
        await self._follower.stop()
        if self._keeping:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    @property
    def ready(self) -> bool:
        """Whether everything is folded that was on the log at the start, and nothing waits for a newer release."""
        return self._follower.caught_up

    @property
    def staleness(self) -> float:
        """Seconds since the memory was last known to agree with the log; infinite before it ever did."""
        return self._follower.staleness

    @property
    def is_current(self) -> bool:
        """Whether it has heard from the log lately: rights may be gone that it knows, if it has not."""
        return self.staleness <= self._lifetime

    def require(self) -> None:
        """Raises Unavailable while it does not know who may what: at the start, and too long after the log spoke."""
        if not self.ready:
            raise Unavailable("Tjenesten starter og kjenner ikke konfigurasjonen sin ennå")
        if not self.is_current:
            raise Unavailable("Tjenesten har for lenge ikke hørt fra loggen, og vet ikke hvem som har tilgang nå")

    @property
    def moment(self) -> int:
        """How much of the log is folded: it grows with each record."""
        return self._follower.records

    async def has_moved_on(self, since: int) -> bool:
        """Whether something was folded since that ``moment``, once all is that the log has now. Whoever would refuse a
        call asks this, and decides again: another process may have given the right an instant ago (DESIGN.md, rule 9).
        """
        await self.catch_up()
        return self.moment > since

    async def catch_up(self) -> None:
        """Wait until all is folded that the log has now; where it does not answer within ``PATIENCE`` seconds, what is
        known counts.
        """
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                ends = await self._ends.now()
                while not self._follower.has_passed(ends):
                    await asyncio.sleep(PAUSE)

    def organisasjon(self, fiks_org_id: UUID) -> Organisasjon | None:
        """The organisation of that id."""
        return self.configuration.virksomhet(fiks_org_id).organisasjon

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        """The integration of that id, unless it is deleted."""
        return self.configuration.integrasjon(integrasjon_id)

    def ressurs(self, ressurs_id: UUID) -> Ressurs | None:
        """The resource of that id: an organisation, a service, an account, or what an organisation made below."""
        return self.configuration.ressurs(ressurs_id)

    def may(self, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
        """Whether the actor holds the privilege on the resource, by whatever way."""
        return self.configuration.may(aktor, privilegium, ressurs_id)

    def mottakersystem(self, orgnr: str, forsendelsestype: str | None, niva: int) -> Mottakersystem | None:
        """The mottakersystem that takes forsendelser to ``orgnr`` of that type and level (3 or 4)."""
        return self.configuration.mottakersystem(orgnr, forsendelsestype, niva)

    @asynccontextmanager
    async def expecting(self, event_id: str) -> AsyncIterator[asyncio.Future[Any]]:
        """What follows from the event ``event_id``, which is appended inside: done once it is folded here.

        Of a command that is what was decided about it, of a fact the fact itself.
        """
        outcome = self._expected[event_id.encode()] = asyncio.get_running_loop().create_future()
        try:
            yield outcome
        finally:
            del self._expected[event_id.encode()]

    def tell(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever something was folded that counts, once for all that came together; in the loop's
        own thread.
        """
        self._told.append(changed)

    @cached_property
    def _ends(self) -> Ends:
        return Ends(self._bootstrap, self._topic)

    def _take_up(self, file: SnapshotFile) -> None:
        try:
            with file.opened() as snapshot:
                if snapshot is not None:
                    self._adopt(snapshot)
        except (Unusable, Unreadable, NotYetKnown, OSError) as fault:
            log.warning("the snapshot is not used; folding the log from its beginning", fault=str(fault))
            self._begin_again()

    def _adopt(self, snapshot: Snapshot) -> None:
        for stream in snapshot.streams:
            self.configuration.adopt(stream)
        for value in snapshot.personal:
            self._personal.append(value)
            self.configuration.meet(decode(value))
        self._follower.go_on_from(snapshot.marks)

    def _begin_again(self) -> None:
        self.configuration, self._personal = Configuration(), []
        if self._file:
            self._file.forget()

    async def _keep(self, file: SnapshotFile) -> None:
        """Leave a snapshot whenever this memory has come well past the one that is there."""
        kept = 0
        while True:
            await asyncio.sleep(LOOK)
            if not self.ready or self._follower.records < kept + ENOUGH:
                continue
            kept = self._follower.records
            snapshot = Snapshot(self._follower.marks(), self.configuration.streams(), list(self._personal))
            try:
                if kept >= await asyncio.to_thread(file.records) + ENOUGH:
                    await asyncio.to_thread(file.write, snapshot)
            except Exception as fault:  # whatever it is, all that it costs is a longer start
                log.error("the snapshot could not be written; the next start takes longer", fault=repr(fault))

    def _receive(self, record: Record) -> None:
        """Read the record, unless it is of no interest. It is folded with all that came with it."""
        if (value := record.value) is not None and value[: PREFIX.size] in WRITTEN_COMMANDS:
            return
        try:
            if (read := self._read(record)) is not None:
                self._received.append((Told(read.event, read.at.cause, record.offset), record))
        except Unreadable as fault:
            at = f"{record.topic}/{record.partition}/{record.offset}"
            log.error("an event of the configuration can never be read", at=at, fault=str(fault))

    def _fold(self) -> None:
        """Fold what was received, and tell those who wait for it."""
        received, self._received = self._received, []
        counts = self.configuration.meet_all([told for told, _ in received])
        for (told, record), one_counts in zip(received, counts, strict=True):
            if one_counts and type(told.event) in PERSONAL:
                self._personal.append(record.value or b"")
            if one_counts and self._expected:
                self._answer(record, told.event)
        if any(counts):
            for changed in self._told:
                changed()

    def _answer(self, record: Record, event: Any) -> None:
        headers = dict(record.headers)
        outcome = self._expected.get(headers.get("ce_causationid") or headers.get("ce_id", b""))
        if outcome is not None and not outcome.done():
            outcome.set_result(event)

    def _read(self, record: Record) -> Recorded | None:
        """The event of the record, None if it is of no type that the memory folds. Raises as ``recorded`` does: what
        deciders and projections set aside counts here neither.
        """
        if (name := type_in(record.headers)) in FOLDED:
            at = envelope_in(record)
            return Recorded(event_of(record, at), at)
        if name not in self._skipped and len(self._skipped) < MOST_SKIPPED:
            self._skipped.add(name)
            log.warning("the memory does not fold this type of event", type=name)
        return None


MEMORY = AppKey("memory", Memory)
"""``app[MEMORY]``: where handlers find it."""
