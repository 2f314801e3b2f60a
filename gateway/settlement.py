"""What became of messages that were handed out, said on the log; their leases are let go of once the table knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from gateway.amqp.deliveries import Outcome
from gateway.leases import Abandoned, Held, Leases
from gateway.randomness import new_uuid
from gateway.reading import Reading
from gateway.said import SOURCE
from infra.database import INFRASTRUCTURE
from infra.logs import logger
from infra.metrics import FIKS_IO_UNSAID
from schemas.envelope import By, Position, fact
from schemas.fiks_io import (
    MeldingAvvist,
    MeldingFact,
    MeldingKvittert,
    MeldingLevert,
    MeldingTilbakelevert,
    Returgrunn,
)
from streams.domain.errors import Unavailable
from streams.log import Log
from streams.reader import or_die

log = logger(__name__)

GATHER = 0.02
"""Seconds from one saying of what became of messages to the next, at least: what ends meanwhile is said together, in
one request to the broker. What comes alone is said at once, and so is that something is handed out: whoever had it
before and wakes up must not be heard before that.
"""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
LOOK = 0.05
"""Seconds between two looks whether the table contains what was said."""
PATIENCE = 10.0

OURSELVES = By(SOURCE)
RETURNS = {
    Outcome.REQUEUED: Returgrunn.TILBAKE,
    Outcome.LOST: Returgrunn.TAPT,
    Outcome.RETURNED: Returgrunn.AVBRUTT,
    Outcome.UNSEEN: Returgrunn.USETT,
}


@dataclass(slots=True, eq=False)
class Delivery:
    """A message that is in a consumer's hands: the receipt by which it is settled, once.

    ``by`` is who has it, ``korrelasjon`` that of the call by which it was sent. ``told`` says on the log that it was
    handed out.
    """

    held: Held
    by: By
    korrelasjon: str | None
    told: asyncio.Task[Position] | None = None
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """A lease that may be let go of once the table is past ``position``."""

    held: Held
    position: Position
    returned: bool


class Settlement:
    """Says what became of messages, however long that takes. Start it in the loop that settles."""

    def __init__(self, log_: Log, leases: Leases, reading: Reading) -> None:
        self._log, self._leases, self._reading = log_, leases, reading
        self._saying: set[asyncio.Task[Any]] = set()
        self._said: list[_Said] = []
        self._known: dict[UUID, Held] = {}
        self._open: dict[UUID, set[UUID]] = {}
        self._returned: dict[UUID, Position] = {}
        self._closed = asyncio.Event()
        self._pause = asyncio.Event()
        self._pause.set()

    def start(self) -> None:
        """Let go of leases in the background."""
        self._running = asyncio.create_task(or_die("settlement of messages", self._release()))

    def stop(self) -> None:
        """Let go of nothing more: who comes after us takes over what is left."""
        self._running.cancel()

    @property
    def unsaid(self) -> int:
        """Facts that wait for the log."""
        return len(self._saying)

    def knows(self, held: Held) -> bool:
        """Whether the lease has been handed out here and not been let go of."""
        return held.levering in self._known

    def settles(self, held: Held) -> bool:
        """Whether it is being said of the lease how it ended, or that is not in the table yet."""
        return held.levering in self._open.get(held.konto_id, ())

    @property
    def leases(self) -> list[Held]:
        """All that were handed out here and have not been let go of."""
        return list(self._known.values())

    def hand_out(self, delivery: Delivery) -> None:
        """Say that the message is handed out."""
        konto_id, melding_id, levering = delivery.held
        self._known[levering] = delivery.held
        event = MeldingLevert(mottaker_konto_id=konto_id, melding_id=melding_id, levering=levering)
        delivery.told = asyncio.create_task(self._say(event, delivery))
        self._mind(delivery.told)

    def take_over(self, delivery: Delivery) -> None:
        """Mind a message that was handed out elsewhere, and is to be settled here."""
        self._known[delivery.held.levering] = delivery.held

    def leave(self, delivery: Delivery) -> None:
        """Mind it no more: its lease is another's now, and so is settling it."""
        delivery.is_settled = True
        self._known.pop(delivery.held.levering, None)

    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Say how it ended, once. Never waits and never fails."""
        if delivery.is_settled:
            return
        delivery.is_settled = True
        self._known[delivery.held.levering] = delivery.held
        self._open.setdefault(delivery.held.konto_id, set()).add(delivery.held.levering)
        task = asyncio.create_task(self._settle(delivery, outcome))
        self._mind(task)
        task.add_done_callback(partial(self._is_said, delivery.held))

    def give_back(self, abandoned: Abandoned) -> None:
        """Say of a message that another had, who is no more, that it was handed out and came back.

        Who died may not have said that it was handed out; said twice it counts once.
        """
        delivery = Delivery(abandoned.held, OURSELVES, abandoned.korrelasjon)
        self.hand_out(delivery)
        self.settle(delivery, Outcome.RETURNED)

    async def settled(self) -> None:
        """Returns once everything that was handed out and settled so far is on the log."""
        if self._saying:
            await asyncio.wait(set(self._saying))

    async def is_known(self, konto_id: UUID) -> None:
        """Wait until the table contains what was settled here on the account before this was asked, and what followed.
        Raises Unavailable.
        """
        asked = frozenset(self._open.get(konto_id, ()))
        try:
            async with asyncio.timeout(PATIENCE):
                while not asked.isdisjoint(self._open.get(konto_id, ())):
                    await self._closed.wait()
        except TimeoutError as fault:
            raise Unavailable("Køen er ikke klar ennå. Prøv igjen") from fault
        if (position := self._returned.get(konto_id)) is not None:
            await self._reading.settled(konto_id, position)
            if self._returned.get(konto_id) == position:
                del self._returned[konto_id]

    async def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        if delivery.told:
            await delivery.told  # on the log the handing out comes before what became of it
        await self._gather()
        position = await self._say(_event(delivery.held, outcome), delivery)
        returned = outcome in RETURNS
        if returned:
            konto_id = delivery.held.konto_id
            self._returned[konto_id] = max(position, self._returned.get(konto_id, position))
        self._said.append(_Said(delivery.held, position, returned))

    async def _say(self, event: MeldingFact, delivery: Delivery) -> Position:
        """Append the event, at the time at which it happened, as often as it takes."""
        korrelasjon = delivery.korrelasjon or str(delivery.held.melding_id)
        at = fact(
            event,
            time=datetime.now(UTC),
            id=str(new_uuid()),
            source=SOURCE,
            correlation_id=korrelasjon,
            by=delivery.by,
        )
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._log.append(event, at)
            except Unavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _gather(self) -> None:
        """Wait for the next saying, if one was just now. Those that wait go on together, in the order in which they
        came: what is given back together is to be handed out again in its old order.
        """
        pause = self._pause
        await pause.wait()
        if self._pause is pause:
            self._pause = asyncio.Event()
            asyncio.get_running_loop().call_later(GATHER, self._pause.set)

    def _mind(self, saying: asyncio.Task[Any]) -> None:
        """Count it for as long as it lasts."""
        self._saying.add(saying)
        FIKS_IO_UNSAID.set(len(self._saying))
        saying.add_done_callback(self._is_over)

    def _is_over(self, saying: asyncio.Task[Any]) -> None:
        self._saying.discard(saying)
        FIKS_IO_UNSAID.set(len(self._saying))

    def _is_said(self, held: Held, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("what became of a message cannot be said; its lease stays until this process ends", fault=fault)
            self._close([held])

    async def _release(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if not self._said:
                continue
            try:
                at = await self._leases.positions()
                done = [one for one in self._said if at.get(one.position.partition, 0) > one.position.offset]
                if done:
                    wake = {one.held.konto_id for one in done if one.returned}
                    await self._leases.release([one.held for one in done], sorted(wake))
            except INFRASTRUCTURE as fault:
                log.warning("leases cannot be let go of just now", fault=type(fault).__name__)
                await asyncio.sleep(LONGEST_PAUSE)
                continue
            self._forget(done)

    def _forget(self, done: Sequence[_Said]) -> None:
        gone = set(done)
        self._said = [one for one in self._said if one not in gone]
        for one in done:
            self._known.pop(one.held.levering, None)
        self._close([one.held for one in done])

    def _close(self, settled: Iterable[Held]) -> None:
        """Nobody waits for these any more."""
        for konto_id, _, levering in settled:
            of = self._open.get(konto_id, set())
            of.discard(levering)
            if not of:
                self._open.pop(konto_id, None)
        self._closed.set()
        self._closed = asyncio.Event()


def _event(held: Held, outcome: Outcome) -> MeldingFact:
    konto_id, melding_id, levering = held
    match outcome:
        case Outcome.ACKED:
            return MeldingKvittert(mottaker_konto_id=konto_id, melding_id=melding_id)
        case Outcome.REJECTED:
            return MeldingAvvist(mottaker_konto_id=konto_id, melding_id=melding_id)
        case _:
            grunn = RETURNS[outcome]
            return MeldingTilbakelevert(
                mottaker_konto_id=konto_id, melding_id=melding_id, levering=levering, grunn=grunn
            )
