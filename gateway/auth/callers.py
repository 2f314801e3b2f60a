"""Who calls: makes a Principal of what a call shows, as a kind that its route is open to. Contract: auth.md 1.

A machine is told from a person by the issuer of the token (trap 4). It asks for no privilege.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from gateway.auth.claims import AccessToken, MachineToken, NotNow, invalid
from gateway.auth.demands import Caller, Demand
from gateway.auth.integrations import ID, PASSORD, Integrations
from gateway.auth.persons import Persons
from gateway.auth.ports import Authority
from gateway.auth.principal import NotProved, Principal
from gateway.auth.tokens import Tokens
from schemas.errors import Unreadable
from streams.domain.errors import NotAllowed
from streams.domain.konfigurasjon import Integrasjon

ORGNR = re.compile(r"[0-9]{9}", re.ASCII)
ON_BEHALF_OF = ("OnBehalfOf", "ON_BEHALF_OF")
"""The headers that name an organisation; the query parameter ``onBehalfOf`` goes before them."""
WHO = ("Authorization", ID, PASSORD, *ON_BEHALF_OF)
NO_MACHINE = "her må en person være logget inn, et token fra Maskinporten er ikke nok"
NO_LOGIN = "her må en integrasjon ha et token fra Maskinporten, en innlogging er ikke nok"
PERSONS = {Caller.CITIZEN, Caller.FOR_ORGANISATION, Caller.MANAGER, Caller.INTEGRATION_PERSON}


class Callers:
    """Identifies the callers of a gateway."""

    def __init__(self, tokens: Tokens, integrations: Integrations, persons: Persons, authority: Authority) -> None:
        self._tokens, self._integrations = tokens, integrations
        self._persons, self._authority = persons, authority

    async def identify(self, request: web.Request, demand: Demand) -> Principal:
        """Who makes the request. Raises NotAuthenticated, NotAllowed, Unreadable and Unavailable."""
        _require_unambiguous(request)
        try:
            token = await self._tokens.verify(_bearer(request.headers))
        except NotNow as fault:
            raise NotProved(str(fault), self._shown_by(fault.token)) from fault
        shown, machine = self._shown_by(token), isinstance(token, MachineToken)
        return await (self._machine if machine else self._person)(request, demand, shown)

    async def require_authority(self, principal: Principal) -> None:
        """Demand that a person who wants to act for an organisation may do so. Raises NotAllowed and Unavailable."""
        pid, named = principal.pid, principal.on_behalf_of
        if pid is not None and named is not None and not await self._authority.may_act_for(pid, named):
            raise NotAllowed(f"Den som er logget inn, kan ikke handle på vegne av {named}")

    async def _machine(self, request: web.Request, demand: Demand, shown: Principal) -> Principal:
        if not demand.of(Caller.INTEGRATION):
            raise NotProved(str(invalid(NO_MACHINE)), shown)
        return proved(shown, await self._integrations.prove(request.headers, shown))

    async def _person(self, request: web.Request, demand: Demand, shown: Principal) -> Principal:
        if not (offered := {way.caller for way in demand.ways} & PERSONS):
            raise NotProved(str(invalid(NO_LOGIN)), shown)
        named = _organisation_named(request)
        caller = _kind_of_person(request, offered, named)
        person = replace(shown, caller=caller, on_behalf_of=named)
        if caller is Caller.INTEGRATION_PERSON and demand.of(caller):
            return proved(person, await self._integrations.prove(request.headers, person))
        return person

    def _shown_by(self, token: AccessToken) -> Principal:
        """What a token proves by itself."""
        if isinstance(token, MachineToken):
            return shown_by(token)
        return Principal(
            Caller.CITIZEN,
            pid=token.pid,
            person=self._persons.actor(token.pid),
            niva=token.niva,
            orgnr=token.consumer,
            leverandor=token.supplier,
        )


def shown_by(token: MachineToken) -> Principal:
    """What a token of Maskinporten proves by itself: the organisations, and no integration yet."""
    return Principal(Caller.INTEGRATION, orgnr=token.consumer, leverandor=token.supplier)


def proved(shown: Principal, integrasjon: Integrasjon) -> Principal:
    """Who calls, now that the integration is proved too."""
    return replace(shown, integrasjon_id=integrasjon.id, fiks_org_id=integrasjon.fiks_org_id)


def _kind_of_person(request: web.Request, offered: set[Caller], named: str | None) -> Caller:
    """As what a person calls, by what else the call shows, on a route that is open to the kinds ``offered``; the door
    refuses a kind that it is not open to. Raises Unreadable.
    """
    if named is not None and Caller.FOR_ORGANISATION not in offered:
        return Caller.FOR_ORGANISATION
    if ID in request.headers or offered == {Caller.INTEGRATION_PERSON}:
        return Caller.INTEGRATION_PERSON
    if named is not None:
        return Caller.FOR_ORGANISATION
    if alone := offered & {Caller.CITIZEN, Caller.MANAGER}:
        return alone.pop()
    raise Unreadable("Oppgi hvilken organisasjon det gjelder: onBehalfOf=<organisasjonsnummer>")


def _organisation_named(request: web.Request) -> str | None:
    """The orgnr that a person wants to act for. Raises Unreadable when it is none."""
    headers = (request.headers.get(name) for name in ON_BEHALF_OF)
    named = next((value for value in (request.query.get("onBehalfOf"), *headers) if value is not None), None)
    if named is not None and not ORGNR.fullmatch(named):
        raise Unreadable("onBehalfOf må være et organisasjonsnummer på ni siffer")
    return named


def _require_unambiguous(request: web.Request) -> None:
    """Raises Unreadable where it is said twice, and differently, who calls: whoever stands before us may have looked
    at the other.
    """
    for name in WHO:
        if len(set(request.headers.getall(name, ()))) > 1:
            raise Unreadable(f"Headeren {name} er oppgitt flere ganger, med ulike verdier")


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise invalid("kallet har ikke noe token i Authorization: Bearer")
    return token.strip()
