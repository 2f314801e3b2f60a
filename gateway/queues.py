"""The queues of Fiks IO accounts for those who consume: the port of AMQP, on the projection ``fiks_io`` and the log.

What a consumer does is a fact on the log, and where a message waits follows from that. Any number of gateways share the
queues. The table tells by ``NOTIFY`` what can be had, and is looked at now and then all the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gateway.amqp.deliveries import Count, Give, Got, Lease, Melding, Outcome, Receipt
from gateway.answering import Answering
from gateway.fiks_io_manuell import Polling
from gateway.leases import ANSWERED, CHANNEL, DEAD_FOR, UNREADABLE, Held, Leases, Life, Taken, alive, asking
from gateway.meldinger import keys_of, melding_of
from gateway.reading import Reading
from gateway.settlement import Delivery, Settlement
from infra.blobs import Blobs
from infra.crypto.segments import Tampered
from infra.database import INFRASTRUCTURE, Pool
from infra.ends import Ends
from infra.logs import logger
from infra.metrics import FIKS_IO_PUT_OFF, FIKS_IO_UNREADABLE, FIKS_IO_WAITED
from schemas.envelope import By
from schemas.errors import Unreadable
from streams.domain.errors import Unavailable
from streams.domain.fiks_io import fiks_io
from streams.log import Log
from streams.reader import or_die

log = logger(__name__)

ACCOUNTS, OF_ONE = 100, 50
"""Accounts that are looked at together, and messages that are leased of each, at most."""
MUCH = 32 << 20
"""Octets of content that are opened together, at most, but for one message."""
PROMPT, OPENING = 0.2, 20.0
"""Seconds that all wait for the messages that were leased together to be opened, and an account for one of its own."""
MOST_UNSAID = 5000
"""Facts that wait for the log; while there are more, nothing is handed out."""
LATER = 30.0
"""Seconds until a message is tried again whose content cannot be read, or did not come, or that did not fit."""
LOOK = 10.0
"""Seconds between two looks at all accounts, were a notice lost."""
AWAY: tuple[type[BaseException], ...] = (*INFRASTRUCTURE, Unavailable)
PATIENCE = 5.0
"""Seconds that who asks waits for PostgreSQL to be connected again."""
PAUSE = 0.5
"""Seconds until PostgreSQL is asked again that was away."""
ROUNDED = 0.005
"""Seconds by which a timer may be early."""
TEND = 2.0
"""Seconds between two looks for leases that nobody minds."""
LAST_WORDS = 10.0
"""Seconds that the log has to take what is still to be said when we stop."""
STALE = 30.0
"""Seconds after which a lease is nobody's that its holder does not know, or a message that was handed out by nobody."""


class _Subscription:
    """A consumer of an account."""

    def __init__(self, queues: Queues, konto_id: UUID, by: By, give: Give) -> None:
        self._queues, self.konto_id, self.by, self.give = queues, konto_id, by, give
        self.messages = self.octets = 0

    @property
    def wants(self) -> bool:
        return self.messages > 0 and self.octets > 0

    def want(self, messages: int, octets: int) -> None:
        self.messages, self.octets = messages, octets
        if self.wants:
            self._queues.want_more(self.konto_id)

    def close(self) -> None:
        self.messages = 0
        self._queues.leave(self)


class Queues:
    """All queues, as one gateway process sees them; ``holder`` names it. Start it in the loop that consumes."""

    def __init__(self, dsn: str, pool: Pool, log_: Log, blobs: Blobs, ends: Ends, holder: UUID) -> None:
        self._dsn, self._log, self._blobs = dsn, log_, blobs
        self._leases = Leases(pool, holder)
        self._reading = Reading(pool, ends, "fiks_io", f"decider:{fiks_io.name}")
        self._settlement = Settlement(log_, self._leases, self._reading)
        self.polling = Polling(self, self._leases, self._settlement)
        self.answering = Answering(holder)
        self._is_alone = False  # until a look finds that nobody else is there
        self._has_heard = False
        self._turns: dict[UUID, list[_Subscription]] = defaultdict(list)
        self._hungry: dict[UUID, None] = {}
        self._empty: set[UUID] = set()
        self._changed: set[UUID] = set()
        self._taking: set[UUID] = set()
        self._opening: dict[UUID, int] = {}
        self._crowded: set[UUID] = set()
        self._giving: set[asyncio.Task[None]] = set()
        self._missing: dict[UUID, float] = {}
        self._wake = asyncio.Event()
        self._life: Life | None = None
        self._forfeited: list[Callable[[], None]] = []
        self._connected = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Hand out in the background; PostgreSQL may be away."""
        self._settlement.start()
        works = (
            self._hand_out(),
            self._listen(),
            self._mind_consumers(),
            self._tend(),
            self._look_at_all(),
            self._say_answered(),
        )
        self._running = [asyncio.create_task(or_die("queues of messages", work)) for work in works]

    async def stop(self) -> None:
        """Hand out nothing more. What is still leased is taken over by others."""
        for task in (running := [*self._running, *self._giving]):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        with suppress(TimeoutError):  # while the log is away; what is not said is an attempt of nobody's
            async with asyncio.timeout(LAST_WORDS):
                await self._settlement.settled()
        self._settlement.stop()

    # --- The port -----------------------------------------------------------------------------------------------------

    def subscribe(self, konto_id: UUID, by: By, give: Give) -> _Subscription:
        subscription = _Subscription(self, konto_id, by, give)
        self._turns[konto_id].append(subscription)
        self._changed.add(konto_id)
        self._empty.discard(konto_id)  # nobody heard of what came while it had no consumer here
        return subscription

    async def get(self, konto_id: UUID, by: By) -> Got | None:
        await self._is_connected()
        await self._settlement.is_known(konto_id)
        if (got := await self._get(konto_id, by)) is not None:
            return got
        await self._reading.caught_up(konto_id)
        return await self._get(konto_id, by)

    async def count(self, konto_id: UUID) -> Count:
        await self._is_connected()
        await self._settlement.is_known(konto_id)
        await self._reading.caught_up(konto_id)
        with asking():
            others = await self._leases.other_consumers(konto_id)
            return Count(await self._leases.waiting(konto_id), others + len(self._turns.get(konto_id, ())))

    def settle(self, receipts: Sequence[Receipt], outcome: Outcome) -> None:
        for receipt in receipts:
            assert isinstance(receipt, Delivery)
            if outcome is Outcome.UNFIT:
                asyncio.get_running_loop().call_later(LATER, self._settlement.settle, receipt, Outcome.UNSEEN)
            else:
                self._settlement.settle(receipt, outcome)

    async def settled(self) -> None:
        await self._settlement.settled()

    def tell(self, forfeited: Callable[[], None]) -> None:
        self._forfeited.append(forfeited)

    async def _get(self, konto_id: UUID, by: By) -> Got | None:
        with asking():
            life = self._life
            while taken := await self._leases.take({konto_id: 1}):
                [(held, row)] = taken
                if (melding := await self._opened(held, row)) is not None:
                    left = await self._leases.waiting(konto_id)
                    if not self._holds(life):
                        await self._put_back([held])
                        raise Unavailable(UNREADABLE)
                    return Got(self._lease(held, row, melding, by), left)
        return None

    # --- From consumers and notices -----------------------------------------------------------------------------------

    def look(self, kontoer: Iterable[UUID]) -> None:
        """There may be something to be had for these."""
        self._hungry |= (some := dict.fromkeys(kontoer))
        self._empty -= some.keys()
        self._wake.set()

    def want_more(self, konto_id: UUID) -> None:
        """A consumer of the account wants something. Where all that it had was taken, that it has more is told."""
        if konto_id not in self._empty:
            self.look([konto_id])

    def leave(self, subscription: _Subscription) -> None:
        """A consumer is no more."""
        turns = self._turns.get(subscription.konto_id, [])
        if subscription in turns:
            turns.remove(subscription)
            self._changed.add(subscription.konto_id)
        if not turns:
            self._turns.pop(subscription.konto_id, None)

    def _heard(self, _connection: Any, _pid: int, _channel: str, said: object) -> None:
        konto, _, seconds = str(said).partition(" ")
        konto_id, wait = UUID(konto), float(seconds)
        if konto_id in self._turns:
            if wait > 0:
                self._look_after(wait, konto_id)
            else:
                self.look([konto_id])

    def _heard_answered(self, _connection: Any, _pid: int, _channel: str, said: object) -> None:
        holder, *messages = map(UUID, str(said).split())
        if holder != self._leases.holder:
            self._is_alone, self._has_heard = False, True
            self.answering.hear(messages)

    def _look_after(self, seconds: float, konto_id: UUID) -> None:
        """A message of the account rests for so long; behind it there may be another."""
        asyncio.get_running_loop().call_later(seconds + ROUNDED, self._look_again, konto_id)

    def _look_again(self, konto_id: UUID) -> None:
        self.look([konto_id])
        if konto_id in self._turns:
            self._changed.add(konto_id)

    # --- Handing out --------------------------------------------------------------------------------------------------

    async def _hand_out(self) -> None:
        while True:
            await self._wake.wait()
            await self._connected.wait()
            life = self._life
            if self._settlement.unsaid > MOST_UNSAID or not self._holds(life):
                await asyncio.sleep(PAUSE)
                continue
            if not (wanted := self._wanted()):
                self._wake.clear()
                continue
            try:
                taken = await self._leases.take(wanted)
            except INFRASTRUCTURE:
                await asyncio.sleep(PAUSE)
                self.look(wanted)
                continue
            of = Counter(held.konto_id for held, _ in taken)
            self._empty |= {one for one, number in wanted.items() if of[one] < number and one not in self._hungry}
            await self._distribute(taken, wanted, life)

    def _wanted(self) -> dict[UUID, int]:
        """How many messages are wanted of some accounts where there may be some, which are not hungry any more. Those
        of which some are still being opened wait for these, since each account has its order, or for room.
        """
        wanted: dict[UUID, int] = {}
        for konto_id in [one for one in self._hungry if one not in self._opening and one not in self._crowded]:
            if len(wanted) == ACCOUNTS:
                break
            del self._hungry[konto_id]
            if number := sum(one.messages for one in self._turns.get(konto_id, ()) if one.wants):
                wanted[konto_id] = min(number, OF_ONE)
        return wanted

    async def _distribute(self, taken: Sequence[Taken], wanted: dict[UUID, int], life: Life | None) -> None:
        """Give what was leased in that life to those who want it. Content that does not come holds up its own account
        alone.
        """
        self._taking |= {held.levering for held, _ in taken}
        fits, unfit = self._fitting(taken)
        names = set().union(*(keys_of(row) for messages in fits.values() for _, row in messages))
        with suppress(Unavailable, TimeoutError):  # each is told by itself, then
            async with asyncio.timeout(PROMPT):
                await self._log.keys.get_many(names)
        giving = [self._begin_to_give(messages, len(messages) == wanted[one], life) for one, messages in fits.items()]
        await self._put_back(unfit)
        if giving:
            await asyncio.wait(giving, timeout=PROMPT)

    def _fitting(self, taken: Sequence[Taken]) -> tuple[dict[UUID, list[Taken]], list[Held]]:
        """What can be opened now, by account, and the rest: it waits until something else was given."""
        fits: dict[UUID, list[Taken]] = defaultdict(list)
        unfit = []
        room = MUCH - sum(self._opening.values())
        for held, row in taken:
            size = _octets(row)
            if held.konto_id in self._crowded or (size > room and room < MUCH):
                self._crowded.add(held.konto_id)
                unfit.append(held)
            else:
                room -= size
                fits[held.konto_id].append((held, row))
        return fits, unfit

    def _begin_to_give(self, messages: Sequence[Taken], may_have_more: bool, life: Life | None) -> asyncio.Task[None]:
        konto_id = messages[0][0].konto_id
        self._opening[konto_id] = sum(_octets(row) for _, row in messages)
        giving = asyncio.create_task(or_die("queues of messages", self._give(konto_id, messages, may_have_more, life)))
        self._giving.add(giving)
        giving.add_done_callback(self._giving.discard)
        return giving

    async def _give(self, konto_id: UUID, messages: Sequence[Taken], may_have_more: bool, life: Life | None) -> None:
        """Open messages of one account, and give them in their order to those who want some."""
        opened = await asyncio.gather(*(self._opened(held, row) for held, row in messages))
        given: dict[_Subscription, list[Lease]] = defaultdict(list)
        unwanted = []
        for (held, row), melding in zip(messages, opened, strict=True):
            if melding is None:
                continue
            if not self._holds(life) or (consumer := self._next(konto_id, len(melding.body))) is None:
                unwanted.append(held)
            else:
                given[consumer].append(self._lease(held, row, melding, consumer.by))
        for consumer, leases in given.items():
            consumer.give(leases)
        await self._put_back(unwanted)
        self._taking -= {held.levering for held, _ in messages}
        del self._opening[konto_id]
        crowded, self._crowded = self._crowded, set()
        self.look({konto_id} | crowded if may_have_more else crowded)

    def _next(self, konto_id: UUID, octets: int) -> _Subscription | None:
        """Whose turn it is among those that want something."""
        turns = self._turns.get(konto_id, [])
        consumer = next((one for one in turns if one.wants), None)
        if consumer is not None:
            turns.remove(consumer)
            turns.append(consumer)
            consumer.messages -= 1
            consumer.octets -= octets
        return consumer

    def _lease(self, held: Held, row: Any, melding: Melding, by: By) -> Lease:
        delivery = Delivery(held, by, row["korrelasjon"])
        self._settlement.hand_out(delivery)
        if not row["sett"]:
            FIKS_IO_WAITED.observe((datetime.now(UTC) - row["sendt"]).total_seconds())
        return Lease(delivery, melding, row["sett"])

    async def _opened(self, held: Held, row: Any) -> Melding | None:
        """The message; None if it cannot be had now: it stays leased for a while, so that nobody stumbles over it."""
        try:
            async with asyncio.timeout(OPENING):
                # An earlier release's table does not say by whom.
                await self.answering.wait(held.melding_id, row.get("tatt_inn_av"), row["sendt"])
                return await melding_of(row, self._log.keys, self._blobs)
        except (Unreadable, Tampered) as fault:
            FIKS_IO_UNREADABLE.inc()
            log.error("a message cannot be handed out", melding=str(held.melding_id), fault=str(fault))
        except (Unavailable, TimeoutError) as fault:
            FIKS_IO_PUT_OFF.inc()
            said = str(fault) or type(fault).__name__
            log.warning("a message cannot be handed out just now", melding=str(held.melding_id), fault=said)
        self._missing[held.levering] = asyncio.get_running_loop().time() + LATER
        return None

    async def _put_back(self, unwanted: Sequence[Held]) -> None:
        """Leases of which nothing is on the log, since nobody saw the message."""
        if unwanted:
            with suppress(*INFRASTRUCTURE):  # then it is put back as one that nobody knows
                await self._leases.release(unwanted, sorted({held.konto_id for held in unwanted}))
            self._taking -= {held.levering for held in unwanted}

    # --- In the background --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear of messages, and show that we live, on a session of its own.

        Where PostgreSQL was away it may have forgotten the leases: they are told anew, unless others have taken them
        over meanwhile. Nothing is handed out before the table knows all that is on the log, what was handed out before
        above all, and where those are not with us any more that had handed something out, that it may have been seen.
        """
        trouble: str | None = None
        while True:
            try:
                heard = {CHANNEL: self._heard, ANSWERED: self._heard_answered}
                async with alive(self._dsn, self._leases.holder, heard) as life:
                    self._life = life
                    self.answering.hears()
                    if life.is_new:
                        self._forfeit()
                    else:
                        await self._leases.renew(self._settlement.leases)
                    await self._leases.say_answered([])
                    await self._leases.doubt(await self._reading.caught_up())
                    self._connected.set()
                    trouble = None
                    self.look(list(self._turns))
                    self._changed |= self._turns.keys()
                    await life.ended()
                log.warning("the queues cannot be read: the connection to PostgreSQL was lost")
            except AWAY as fault:
                if trouble != (trouble := type(fault).__name__):  # once for as long as it lasts
                    log.warning("the queues cannot be read: PostgreSQL is away, or refuses", fault=trouble)
                await asyncio.sleep(PAUSE)
            finally:
                self._life = None
                self._connected.clear()

    def _forfeit(self) -> None:
        """Others may hand out what we did: they took us for dead, or PostgreSQL was made anew and does not know us."""
        if self._settlement.leases:
            log.warning("messages in hand may be handed out by others: we were silent, or PostgreSQL was made anew")
        for tell in self._forfeited:
            tell()

    def _holds(self, life: Life | None) -> bool:
        """Whether what was leased in that life is certainly ours: nobody can have taken us for dead since, nor can
        PostgreSQL have forgotten it.
        """
        return life is not None and life is self._life and life.is_certain

    async def _is_connected(self) -> None:
        """Wait a little until the queues can be read. Raises Unavailable."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._connected.wait()
        except TimeoutError as fault:
            raise Unavailable(UNREADABLE) from fault

    async def _say_answered(self) -> None:
        """Tell the others whose senders are answered; where that fails they hand out a moment later."""
        while True:
            answered = await self.answering.answered()
            if not self._is_alone:
                with suppress(*INFRASTRUCTURE):
                    await self._leases.say_answered(answered)

    async def _look_at_all(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self.look(list(self._turns))

    async def _mind_consumers(self) -> None:
        """Of accounts whose consumers have changed, or one of whose messages has rested: say how many consumers there
        are, and ask when to look again. What was told while an account had no consumer here, nobody heard.
        """
        while True:
            await asyncio.sleep(PAUSE)
            changed, self._changed = self._changed, set()
            try:
                if changed:
                    await self._leases.say_consumers({one: len(self._turns.get(one, ())) for one in changed})
                    for konto_id, seconds in (await self._leases.resting(changed & self._turns.keys())).items():
                        self._look_after(seconds, konto_id)
                    self.look(changed & self._turns.keys())  # what had rested just before that
            except INFRASTRUCTURE:
                self._changed |= changed

    async def _tend(self) -> None:
        """Take over what the dead held, and give back what nobody minds, or was lent for long enough."""
        suspects: dict[UUID, float] = {}
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TEND)
            await self._connected.wait()
            try:
                self._has_heard = False
                others = await self._leases.others()
                self._is_alone = not (others or self._has_heard)  # of one that came while it was asked
                dead = {one for one in others if not await self._leases.is_alive(one)}
                suspects = {one: suspects.get(one, now()) for one in dead}
                for one in [one for one in dead if now() - suspects[one] >= DEAD_FOR]:
                    for abandoned in await self._leases.adopt(one):
                        self._settlement.give_back(abandoned)
                for abandoned in (*await self._leases.overdue(), *await self._leases.stranded(STALE)):
                    if not self._settlement.settles(abandoned.held):  # which takes long while the log is away
                        self._settlement.give_back(abandoned)
                self._missing = {one: until for one, until in self._missing.items() if until >= now()}
                await self._put_back([held for held in await self._leases.held(STALE) if self._is_nobodys(held)])
            except INFRASTRUCTURE as fault:
                log.info("the leases cannot be tended just now", fault=type(fault).__name__)

    def _is_nobodys(self, held: Held) -> bool:
        known = held.levering in self._missing or held.levering in self._taking
        return not known and not self._settlement.knows(held)


def _octets(row: Any) -> int:
    """How much content there is to open."""
    return 0 if row["blob"] is None else int(row["storrelse"])
