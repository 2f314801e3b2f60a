"""Who logs in over AMQP, and which accounts it may read: by the door's own proofs, and told as the door tells it.

Contract: fiks-io.md 1.2 and 2.1. A refused login is 403 whatever was wrong; what cannot be known just now is 541.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import NamedTuple
from uuid import UUID

from gateway.amqp.faults import ChannelFault, ConnectionFault, Reply
from gateway.amqp.queues import queue_of
from gateway.audit import Auditor
from gateway.auth.callers import NO_LOGIN, proved, shown_by
from gateway.auth.claims import MachineToken, NotNow, invalid
from gateway.auth.integrations import ID, PASSORD, Integrations
from gateway.auth.memory import Memory
from gateway.auth.principal import NotProved, Principal
from gateway.auth.tokens import Tokens
from gateway.randomness import new_uuid
from gateway.said import SOURCE
from infra.metrics import AMQP_LOGINS
from schemas.envelope import NOBODY, Envelope, fact
from streams.domain.errors import NotAllowed, NotAuthenticated, Unavailable
from streams.domain.fiks_io_konto import KONTO, SENDE_MOTTA
from streams.domain.fiks_protokoll_oppslag import is_hidden
from streams.domain.konfigurasjon import Integrasjon

LOGIN, RENEWAL = "AMQP connection.start-ok", "AMQP connection.update-secret"


class Reader(NamedTuple):
    """Who has logged in, as the memory knew the integration then. ``connection`` correlates what is told of it."""

    principal: Principal
    integrasjon: Integrasjon
    connection: str


class Access:
    """Tells who may what over AMQP."""

    def __init__(self, memory: Memory, tokens: Tokens, integrations: Integrations, auditor: Auditor) -> None:
        self._memory, self._tokens = memory, tokens
        self._integrations, self._auditor = integrations, auditor

    async def login(self, user: bytes, secret: bytes, route: str = LOGIN) -> Reader:
        """Whom the name and ``<passord> <token>`` prove. Raises ConnectionFault."""
        try:
            self._memory.require()
        except Unavailable as fault:
            raise ConnectionFault(Reply.INTERNAL_ERROR, str(fault)) from fault
        began, outcome = perf_counter(), "CONNECTED"
        try:
            return await self._admit(_text(user), _text(secret), route)
        except ConnectionFault as fault:
            outcome = fault.reply.name
            raise
        finally:
            AMQP_LOGINS.labels(outcome).observe(perf_counter() - began)

    async def renew(self, reader: Reader, secret: bytes) -> Reader:
        """The same reader with a new secret. Raises ConnectionFault when it proves anything else."""
        return await self.login(str(reader.integrasjon.id).encode(), secret, RENEWAL)

    async def require(self, reader: Reader, konto_id: UUID, route: str) -> None:
        """Demand that the reader may read the account. Raises ChannelFault: to whom it is hidden, it does not exist;
        and Unavailable.
        """
        self._memory.require()
        moment = self._memory.moment
        if self.may_read(reader, konto_id):
            return
        if await self._memory.has_moved_on(moment) and self.may_read(reader, konto_id):
            return
        fault = NotAllowed(f"Mangler privilegiet {SENDE_MOTTA} på {konto_id}")
        say = partial(_said, reader.connection, reader.principal)
        telling = self._auditor.denied(reader.principal, fault, route, say, (SENDE_MOTTA,), konto_id)
        of = reader.integrasjon.fiks_org_id
        if not self._is_konto(konto_id) or is_hidden(self._memory.configuration, of, konto_id):
            self._auditor.behind(telling)
            raise ChannelFault(Reply.NOT_FOUND, f"no queue '{queue_of(konto_id)}' in vhost '/'")
        await telling
        raise ChannelFault(Reply.ACCESS_REFUSED, str(fault))

    def may_read(self, reader: Reader, konto_id: UUID) -> bool:
        """Whether the reader may read the account just now."""
        return self._is_konto(konto_id) and self._memory.may(reader.principal.holder, SENDE_MOTTA, konto_id)

    @property
    def is_known(self) -> bool:
        """Whether it is known just now who may what."""
        return self._memory.is_current

    def is_still(self, reader: Reader) -> bool:
        """Whether the integration still has the password and the organisation that were proved, and its owner has not
        switched it off.
        """
        now, then = self._memory.integrasjon(reader.integrasjon.id), reader.integrasjon
        if now is None or reader.principal.holder in self._memory.configuration.virksomhet(now.fiks_org_id).inaktive:
            return False
        return (now.passord_hash, now.autorisert_orgnr) == (then.passord_hash, then.autorisert_orgnr)

    async def _admit(self, claimed: str, secret: str, route: str) -> Reader:
        connection = str(new_uuid())
        try:
            return await self._prove(claimed, secret, connection)
        except NotAuthenticated as fault:
            await self._auditor.unknown(claimed, fault, route, partial(_said, connection, None))
            raise ConnectionFault(Reply.ACCESS_REFUSED, str(fault)) from fault
        except Unavailable as fault:
            raise ConnectionFault(Reply.INTERNAL_ERROR, str(fault)) from fault

    async def _prove(self, user: str, secret: str, connection: str) -> Reader:
        passord, _, given = secret.strip().rpartition(" ")
        try:
            token = await self._tokens.verify(given)
        except NotNow as fault:
            if isinstance(fault.token, MachineToken):
                raise NotProved(str(fault), shown_by(fault.token)) from fault
            raise
        if not isinstance(token, MachineToken):
            raise invalid(NO_LOGIN)
        shown = shown_by(token)
        integrasjon = await self._integrations.prove({ID: user, PASSORD: passord.strip()}, shown)
        reader, moment = Reader(proved(shown, integrasjon), integrasjon, connection), self._memory.moment
        if self.is_still(reader) or (await self._memory.has_moved_on(moment) and self.is_still(reader)):
            return reader
        raise NotProved(f"Autentisering feilet for integrasjon med id {user}", shown)  # the proof took its time, too

    def _is_konto(self, konto_id: UUID) -> bool:
        ressurs = self._memory.ressurs(konto_id)
        return ressurs is not None and ressurs.type == KONTO and not self._memory.configuration.konto(konto_id).slettet


def _text(octets: bytes) -> str:
    """As aiohttp gives a header, which the proofs are made for."""
    return octets.decode("utf-8", "surrogateescape")


def _said(connection: str, principal: Principal | None, event: object) -> Envelope:
    return fact(
        event,
        time=datetime.now(UTC),
        id=str(new_uuid()),
        source=SOURCE,
        correlation_id=connection,
        by=principal.by if principal else NOBODY,
    )
