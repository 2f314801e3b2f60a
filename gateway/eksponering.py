"""Whether a caller may have a document: by what it is exposed to, and by the level of login. Contract: 2, 4.2."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aiohttp import web

from gateway.auth.demands import Caller
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import DEMANDED
from gateway.auth.principal import PRINCIPAL
from gateway.fullmakt import FULLMAKTER
from gateway.matrikkel import EIERE, Eier, Eiertype
from schemas.dokumentlager import Altinnressurs, Eksponering, EksponertFor
from streams.domain.eksponering import exposure_of, integration_key, person_key
from streams.domain.errors import NotAllowed

ALTINN = {
    Altinnressurs.BYGGESAKER: "fiks-byggesaker",
    Altinnressurs.FAKTURA: "fiks-faktura",
    Altinnressurs.SKJEMA: "fiks-skjema",
    Altinnressurs.ANDRE_SAKER: "fiks-andre-saker",
}
"""The resource of Altinn 3 that opens each kind of mail. Ours: none is published. POST, and mail of no kind, is opened
by the mail roles, as everything else that comes by mail."""


async def must_be_exposed(request: web.Request, keys: Iterable[str], konto_id: UUID) -> None:
    """Raises NotAllowed when the document of that account which bears these keys is not for the caller.

    Raises Unavailable when a register that has to be asked is away.
    """
    request[DEMANDED] = konto_id
    memory, exposed_to = request.app[MEMORY], frozenset(keys)
    moment = memory.moment
    if await _is_exposed(request, exposed_to):
        return
    if not (await memory.has_moved_on(moment) and _by_privilege(request, exposed_to)):
        raise NotAllowed("Dokumentet er ikke eksponert for den som spør")


def must_be_logged_in_at(request: web.Request, sikkerhetsniva: int) -> None:
    """Raises NotAllowed for a person whose login is below the level of the document."""
    principal = request[PRINCIPAL]
    if principal.pid is not None and (principal.niva or 0) < sikkerhetsniva:
        raise NotAllowed(f"Dokumentet krever innlogging på nivå {sikkerhetsniva}")


async def _is_exposed(request: web.Request, keys: frozenset[str]) -> bool:
    """What is at hand is looked at first: registers are asked only when nothing else lets the caller in."""
    principal = request[PRINCIPAL]
    if principal.caller is Caller.INTEGRATION:
        assert principal.integrasjon_id is not None
        return integration_key(principal.integrasjon_id) in keys or _by_privilege(request, keys)
    if principal.caller in (Caller.MANAGER, Caller.INTEGRATION_PERSON):
        return _by_privilege(request, keys)
    if principal.caller is Caller.CITIZEN:
        assert principal.person is not None
        if person_key(principal.person) in keys or _by_privilege(request, keys):
            return True
    for one in _of(keys, Eksponering.ORGANISASJON):
        if await _has_mail_of(request, one):
            return True
    return await _owns(request, keys)


def _by_privilege(request: web.Request, keys: frozenset[str]) -> bool:
    memory, holders = request.app[MEMORY], request[PRINCIPAL].holders
    return any(
        one.ressurs_id and one.privilegium and all(memory.may(who, one.privilegium, one.ressurs_id) for who in holders)
        for one in _of(keys, Eksponering.AUTORISASJON)
    )


async def _has_mail_of(request: web.Request, exposed: EksponertFor) -> bool:
    """Whether the person may have mail of that kind of the organisation; only of the one that the call is for."""
    pid, orgnr, acts_for = request[PRINCIPAL].pid, exposed.orgnr, request[PRINCIPAL].on_behalf_of
    assert pid is not None and orgnr is not None
    if acts_for not in (None, orgnr):
        return False
    resource = ALTINN.get(exposed.ressurs_type) if exposed.ressurs_type else None
    if resource is None:
        return await request.app[FULLMAKTER].may_act_for(pid, orgnr)
    return (await request.app[FULLMAKTER].for_resources(pid, orgnr, [resource]))[resource]


async def _owns(request: web.Request, keys: frozenset[str]) -> bool:
    """Whether the person owns one of the units now, or an organisation that they may act for does (innsyn.md 4).

    Who calls for an organisation gets what that owns, and not what is their own.
    """
    enheter = [one.matrikkelenhet for one in _of(keys, Eksponering.MATRIKKELENHET) if one.matrikkelenhet]
    if not enheter:
        return False
    pid, acts_for = request[PRINCIPAL].pid, request[PRINCIPAL].on_behalf_of
    assert pid is not None
    eiere = await request.app[EIERE].eiere(enheter)
    if acts_for is not None:
        return Eier(Eiertype.JURIDISK_PERSON, acts_for) in eiere
    if Eier(Eiertype.FYSISK_PERSON, pid) in eiere:
        return True
    for owner in sorted(eiere):
        if owner.type == Eiertype.JURIDISK_PERSON and await request.app[FULLMAKTER].may_act_for(pid, owner.nummer):
            return True
    return False


def _of(keys: frozenset[str], kind: Eksponering) -> list[EksponertFor]:
    return [exposure_of(key) for key in sorted(keys) if key.startswith(f"{kind}/")]
