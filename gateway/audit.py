"""Puts on the log who was refused, and who was shown data about others. Contract: auth.md 8.

A refusal stands when the log is away; it is counted and logged then. Data about others is not shown without its event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.auth.demands import demand_of
from gateway.auth.integrations import ID
from gateway.auth.memory import Memory
from gateway.auth.middleware import DEMANDED
from gateway.auth.principal import PRINCIPAL, NotProved, Principal
from gateway.refusals import denied_callers, kind_of, summed, told_singly, unknown_callers, unknown_kind
from gateway.said import said
from gateway.summing import Clock, Summing
from gateway.template import template_of
from infra.logs import logger
from infra.masking import masked_text
from infra.metrics import AUDIT_MISSED
from schemas.audit import AutentiseringFeilet, Kaller, OppslagGjort, TilgangNektet
from schemas.envelope import Envelope
from schemas.konfigurasjon import ROOT
from streams.broker_errors import NotTaken
from streams.domain.errors import NotAllowed, NotAuthenticated, NotFound, Rejected, Unavailable
from streams.log import Log

log = logger(__name__)

LONGEST = 300
"""Characters of a reason."""
MOST_PERSONS = 1000
"""Whom one event may be about."""

Say: TypeAlias = Callable[[object], Envelope]
"""The envelope of what is told of a call."""


class Auditor:
    """Appends to ``log``. ``memory`` knows whose a resource is."""

    def __init__(self, log: Log, memory: Memory, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._log, self._memory, self._clock = log, memory, clock
        self._singly = told_singly()
        self._unknown = Summing(log, unknown_callers(), summed, clock)
        self._denied = Summing(log, denied_callers(), summed, clock)
        self._behind: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Tell what was not told yet. The log must still be there."""
        await asyncio.gather(*self._behind)
        await self._unknown.stop()
        await self._denied.stop()

    async def refused(self, request: web.Request, fault: Exception) -> None:
        """Tell that the call was refused for that reason; what is no refusal is not told. Never raises Unavailable."""
        match fault:
            case NotAuthenticated():
                await self._not_authenticated(request, fault)
            case NotAllowed():
                await self._not_allowed(request, fault)
            case NotFound(__cause__=NotAllowed() as hidden) | Rejected(__cause__=NotAllowed() as hidden):
                self.behind(self._not_allowed(request, hidden))

    def behind(self, telling: Coroutine[None, None, None]) -> None:
        """Tell it behind the answer: how long it takes would tell that there is something which is hidden."""
        task = asyncio.create_task(telling)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def lookup(
        self, request: web.Request, *, owner: UUID, tjeneste: str, hva: str, gjelder: set[str], utfall: str
    ) -> None:
        """Tell of a look-up of data about others, before its answer is given. Raises Unavailable: then give none.

        ``gjelder`` are persons as ``Persons.actor`` names them, or orgnr; the other words as in ``OppslagGjort``.
        """
        kaller, about = _kaller(request[PRINCIPAL]), sorted(gjelder)
        for at in range(0, len(about), MOST_PERSONS):
            some = tuple(about[at : at + MOST_PERSONS])
            event = OppslagGjort(
                fiks_org_id=owner, tjeneste=tjeneste, hva=hva, gjelder=some, utfall=utfall, kaller=kaller
            )
            await self._log.append(event, said(request, event))

    async def unknown(self, claimed: str, fault: NotAuthenticated, rute: str, say: Say) -> None:
        """Tell that it was not proved who called by ``rute``; ``claimed`` is the integration that it claimed to be."""
        claimed = claimed.encode(errors="replace").decode()  # as the texts of faults have it
        integrasjon_id = _uuid(claimed)
        grunn = str(fault) if integrasjon_id or not claimed else str(fault).replace(claimed, "?")
        known = self._memory.integrasjon(integrasjon_id) if integrasjon_id else None
        event = AutentiseringFeilet(
            fiks_org_id=known.fiks_org_id if known else ROOT,
            grunn=masked_text(grunn)[:LONGEST],
            rute=rute,
            integrasjon_id=integrasjon_id,
            kaller=_kaller(fault.shown) if isinstance(fault, NotProved) else None,
            arsak=fault.arsak if isinstance(fault, NotProved) else None,
        )
        about = _by(say(event), fault)
        kind = unknown_kind(event, about, claimed, exists=known is not None)
        if self._singly.has_room(self._clock()) or self._unknown.has_room(kind):
            await self._tell(event, about)

    async def denied(
        self,
        principal: Principal | None,
        fault: NotAllowed,
        rute: str,
        say: Say,
        privilegier: tuple[str, ...],
        ressurs_id: UUID | None,
    ) -> None:
        """Tell that who called by ``rute`` has none of the privileges on the resource, or lacks something else."""
        owned = self._memory.ressurs(ressurs_id) if ressurs_id else None
        event = TilgangNektet(
            fiks_org_id=owned.fiks_org_id if owned else ROOT,
            grunn=masked_text(str(fault))[:LONGEST],
            rute=rute,
            kaller=_kaller(principal),
            privilegier=privilegier,
            ressurs_id=ressurs_id,
        )
        about = say(event)
        if self._denied.has_room(kind_of(event, about)):
            await self._tell(event, about)

    async def _not_authenticated(self, request: web.Request, fault: NotAuthenticated) -> None:
        await self.unknown(request.headers.get(ID, ""), fault, _route(request), partial(said, request))

    async def _not_allowed(self, request: web.Request, fault: NotAllowed) -> None:
        principal, demanded = request.get(PRINCIPAL), request.get(DEMANDED)
        say = partial(said, request)
        await self.denied(principal, fault, _route(request), say, _privileges(request), demanded)

    async def _tell(self, event: object, about: Envelope) -> None:
        try:
            await self._log.append(event, about)
        except (Unavailable, NotTaken) as fault:
            AUDIT_MISSED.inc()
            told = {"type": about.type, "actor": about.actor, **msgspec.to_builtins(event)}
            log.error("a refusal is not on the log", told=told, event_id=about.id, fault=str(fault))


AUDITOR = web.AppKey("auditor", Auditor)
"""``app[AUDITOR]``: where handlers find it."""


@web.middleware
async def audited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells of every refusal before it is answered."""
    try:
        return await handler(request)
    except (NotAuthenticated, NotAllowed, NotFound, Rejected) as fault:
        await request.config_dict[AUDITOR].refused(request, fault)
        raise


def _by(about: Envelope, fault: NotAuthenticated) -> Envelope:
    """The envelope with who it was, as far as a token showed."""
    if not isinstance(fault, NotProved):
        return about
    return msgspec.structs.replace(about, **fault.shown.by._replace(actor=fault.shown.person)._asdict())


def _kaller(principal: Principal | None) -> Kaller:
    if principal is None:
        return Kaller()
    return Kaller(
        integrasjon_id=principal.integrasjon_id,
        orgnr=principal.orgnr,
        leverandor=principal.leverandor,
        niva=principal.niva,
    )


def _privileges(request: web.Request) -> tuple[str, ...]:
    demand, principal = demand_of(request.match_info.handler), request.get(PRINCIPAL)
    ways = demand.of(principal.caller) if demand and principal else ()
    return tuple(dict.fromkeys(one for way in ways for one in (way.privilege, way.own) if one is not None))


def _route(request: web.Request) -> str:
    """Method and template: words of ours, never the caller's."""
    return f"{request.match_info.route.method} {template_of(request)}"


def _uuid(claimed: str) -> UUID | None:
    try:
        return UUID(claimed)
    except ValueError:
        return None
