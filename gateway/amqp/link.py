"""One connection on a socket: runs a session with the queues and the door of the gateway. Decides nothing itself."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from struct import Struct
from typing import Protocol, cast
from uuid import UUID

from gateway.amqp.access import Access, Reader
from gateway.amqp.actions import Action, Ask, Consume, Consumer, Get, Inspect, Login, Renew, Settle, Unsubscribe, Value
from gateway.amqp.deliveries import Deliveries, Got, Lease, Outcome, Subscription
from gateway.amqp.faults import ChannelFault, ConnectionFault, Fault, Reply
from gateway.amqp.pulse import CLOSE_LIMIT
from gateway.amqp.session import OCTETS, Session, State
from gateway.randomness import new_hex
from infra.logs import logger
from infra.metrics import AMQP_CLOSED, AMQP_CONSUMERS, AMQP_SETTLED
from schemas.envelope import By
from streams.domain.errors import Unavailable

log = logger(__name__)

OURS = "uventet feil hos oss"
ACKNOWLEDGED = Struct("=120xQ")
"""Of ``struct tcp_info`` (linux/tcp.h) the octets that were acknowledged, ``tcpi_bytes_acked``."""
FLOOD = 32 * OCTETS
"""Octets that may wait to be written before a client that does not read is not listened to either."""


class Host(Protocol):
    """What all connections of a server share."""

    deliveries: Deliveries
    access: Access

    def arrived(self, link: Link) -> None: ...
    def logged_in(self, link: Link) -> None: ...
    def left(self, link: Link) -> None: ...
    def stood_still(self, now: float) -> bool: ...


class Link(asyncio.Protocol):
    """A connection."""

    __slots__ = (
        *("_answering", "_host", "_loop", "_over_since", "_session", "_subscriptions", "_transport"),
        *("_reading", "_unread", "_watched", "_working", "reader"),
    )
    _transport: asyncio.Transport

    def __init__(self, host: Host) -> None:
        self.reader: Reader | None = None
        """Who has logged in."""
        self._host, self._loop = host, asyncio.get_running_loop()
        self._session = Session(self._loop.time(), new_hex)
        self._subscriptions: dict[Consumer, Subscription] = {}
        self._answering: asyncio.Task[None] | None = None
        self._working, self._reading = False, True
        self._unread = 0
        self._watched: socket.socket | None = None
        self._over_since: float | None = None

    # --- From the transport -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._transport.set_write_buffer_limits(high=OCTETS, low=OCTETS // 4)
        self._host.arrived(self)

    def data_received(self, data: bytes) -> None:
        if self._session.misses:
            self._look()  # it may say that it goes, or why
        with self._spared():
            self._session.receive(data, self._awake())
        self._work()

    def pause_writing(self) -> None:
        self._session.stall(True)
        self._work()

    def resume_writing(self) -> None:
        self._session.stall(False)
        self._work()

    def eof_received(self) -> None:
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        now = self._awake()
        if exc is not None and not isinstance(exc, OSError):  # a fault of ours, by which the transport ended
            self._session.excuse(now)
        if self._session.misses:
            self._look()
        self._unwatch()
        self._session.lost()
        self._work()
        ended = self._session.ended
        AMQP_CLOSED.labels(ended.reply.name if ended else "CLIENT").inc()
        self._host.left(self)

    # --- From the server ----------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Time passes."""
        self._awake()
        unread = self._transport.get_write_buffer_size()
        comes = self._look() if unread or not self._session.idle else False
        self._session.tick(now, reads=comes or unread < self._unread)
        self._unread = unread
        self._work()
        if self._over_since is not None and now >= self._over_since + CLOSE_LIMIT:
            self._transport.abort()

    def drain(self) -> None:
        """Hand out nothing more, and close once nothing is in hand."""
        self._session.drain()
        self._work()

    def close(self, why: str) -> None:
        """Close with 320, from which clients recover."""
        self._session.close(Fault(Reply.CONNECTION_FORCED, why))
        self._work()

    def forfeit(self) -> None:
        """Close if something is in hand: others hand it out as well."""
        if not self._session.idle:
            self.close("meldingene deles ut av andre: koble til igjen")

    def abort(self) -> None:
        """Close without a word."""
        self._session.excuse(self._loop.time())
        self._transport.abort()

    def recheck(self) -> None:
        """The configuration has changed: close if the reader lost what the connection was given for, or may have."""
        if self.reader is None:
            return
        access, reader = self._host.access, self.reader
        if not access.is_known:
            self.close("tjenesten vet ikke lenger hvem som har tilgang: koble til igjen")
        elif not access.is_still(reader):
            self.close("integrasjonen er trukket tilbake eller slått av, eller har fått et nytt passord")
        elif not all(access.may_read(reader, consumer.konto_id) for consumer in self._session.consumers):
            self.close("integrasjonen kan ikke lenger lese kontoen")

    def _look(self) -> bool:
        """Let the session see what came to the client's host: a path that loses large packets alone lets the client log
        in, wait in vain and go. Returns whether anything came since the last look.

        What has not come is watched to the end, when the transport knows no socket any more: by then it may have come.
        """
        line = self._watched or self._transport.get_extra_info("socket")
        if line is None or line.fileno() < 0:
            return False
        with suppress(OSError):
            waiting = int.from_bytes(fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
            info = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED.size)
            waiting += self._transport.get_write_buffer_size()
            comes = self._session.look(waiting, *ACKNOWLEDGED.unpack(info))
            if self._session.misses and self._watched is None:
                self._watched = socket.socket(fileno=os.dup(line.fileno()))
            elif not self._session.misses:
                self._unwatch()
            return comes
        return False

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None

    def _awake(self) -> float:
        """What time it is. Where we stood still until now, the client could neither be heard nor hear of us."""
        if self._host.stood_still(now := self._loop.time()):
            self._session.excuse(now)
        return now

    # --- From the queues ----------------------------------------------------------------------------------------------

    def _give(self, consumer: Consumer, leases: Sequence[Lease]) -> None:
        with self._spared():
            if self._session.idle:
                self._look()  # so that heartbeats of before are not taken for these
            self._session.give(consumer, leases)
        self._work()

    @contextmanager
    def _spared(self) -> Iterator[None]:
        """A fault of ours costs this connection, and nothing else."""
        try:
            yield
        except Exception:
            log.exception("a connection over AMQP met an unexpected fault", integrasjon=self._integrasjon)
            self._session.close(Fault(Reply.INTERNAL_ERROR, OURS))

    @property
    def _integrasjon(self) -> str | None:
        return self.reader.principal.integrasjon if self.reader else None

    # --- What the session wants ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Write what is to be written and do what is to be done. What that brings about comes here again."""
        if self._working:
            return
        self._working = True
        try:
            self._flush()
            while actions := self._session.take_actions():
                for action in actions:
                    self._do(action)
                self._flush()
            for consumer, messages, octets in self._session.take_wants():
                if (subscription := self._subscriptions.get(consumer)) is not None:
                    subscription.want(messages, octets)
        finally:
            self._working = False
        self._follow_state()

    def _flush(self) -> None:
        if octets := self._session.take_octets():
            self._transport.write(octets)

    def _follow_state(self) -> None:
        if self._session.state is State.OVER:
            if self._over_since is None:
                self._over_since = self._loop.time()
                self._transport.close()
        elif self._reading is not (reads := self._may_read()):
            self._reading = reads
            (self._transport.resume_reading if reads else self._transport.pause_reading)()

    def _may_read(self) -> bool:
        return not self._session.asking and self._transport.get_write_buffer_size() < FLOOD

    def _do(self, action: Action) -> None:
        match action:
            case Settle(receipts, outcome):
                self._host.deliveries.settle(receipts, outcome)
                AMQP_SETTLED.labels(outcome).inc(len(receipts))
            case Unsubscribe(consumer):
                if (subscription := self._subscriptions.pop(consumer, None)) is not None:
                    subscription.close()
                    AMQP_CONSUMERS.dec()
            case _:
                self._answering = self._loop.create_task(self._answer(action))

    def _subscribe(self, consumer: Consumer, by: By) -> None:
        give = partial(self._give, consumer)
        self._subscriptions[consumer] = self._host.deliveries.subscribe(consumer.konto_id, by, give)
        AMQP_CONSUMERS.inc()

    async def _answer(self, ask: Ask) -> None:
        try:
            answer = partial(self._session.granted, ask, await self._find(ask))
        except (ChannelFault, ConnectionFault) as fault:
            answer = partial(self._session.refused, ask, fault)
        except Unavailable as away:
            answer = partial(self._session.refused, ask, ConnectionFault(Reply.INTERNAL_ERROR, str(away)))
        except Exception:
            log.exception("an answer over AMQP met an unexpected fault", integrasjon=self._integrasjon)
            answer = partial(self._session.refused, ask, ConnectionFault(Reply.INTERNAL_ERROR, OURS))
        with self._spared():
            answer()
        self._work()

    async def _find(self, ask: Ask) -> Value:
        """What the ask is granted with. Raises ChannelFault, ConnectionFault and Unavailable."""
        access, deliveries = self._host.access, self._host.deliveries
        if isinstance(ask, Login):
            self.reader = await access.login(ask.user, ask.secret)
            self._host.logged_in(self)
            return None
        assert self.reader is not None
        by = self.reader.principal.by
        match ask:
            case Renew(secret):
                self.reader = await access.renew(self.reader, secret)
            case Consume(consumer):
                await access.require(self.reader, consumer.konto_id, "AMQP basic.consume")
                self._subscribe(consumer, by)
            case Get(_, konto_id):
                return await self._get(self.reader, konto_id)
            case Inspect(_, konto_id):
                await access.require(self.reader, konto_id, "AMQP queue.declare")
                return await deliveries.count(konto_id)
        return None

    async def _get(self, reader: Reader, konto_id: UUID) -> Got | None:
        """The first message, if the reader may read the account, also once it has come: that may take long."""
        access, deliveries = self._host.access, self._host.deliveries
        await access.require(reader, konto_id, "AMQP basic.get")
        if (got := await deliveries.get(konto_id, reader.principal.by)) is not None:
            try:
                await access.require(reader, konto_id, "AMQP basic.get")
            except BaseException:
                deliveries.settle([got.lease.receipt], Outcome.UNSEEN)
                raise
        return got
