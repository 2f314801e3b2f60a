"""Which look-ups are told, and to whom: data about persons other than the caller, to the organisations it is from."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aiohttp import web

from gateway.audit import AUDITOR
from gateway.auth.memory import MEMORY
from gateway.auth.principal import PRINCIPAL
from schemas.konfigurasjon import ROOT


async def looked_up(
    request: web.Request,
    tjeneste: str,
    hva: str,
    aktorer: Iterable[str],
    *,
    funnet: bool = True,
    owner: UUID | None = None,
) -> None:
    """Tell that the caller looked for data about those of ``aktorer`` who are other persons, before it is shown.

    ``owner`` answers for the look-up; unless it is given, each organisation that the caller sees and in which that
    person holds a right, be it on a type, or else nobody (``ROOT``). Raises Unavailable: then show nothing.
    """
    others = {one for one in aktorer if one.startswith("person:") and one != request[PRINCIPAL].person}
    told: dict[UUID, set[str]] = {}
    for one in others:
        for fiks_org_id in [owner] if owner is not None else _answering(request, one):
            told.setdefault(fiks_org_id, set()).add(one)
    for fiks_org_id, gjelder in told.items():
        await request.app[AUDITOR].lookup(
            request,
            owner=fiks_org_id,
            tjeneste=tjeneste,
            hva=hva,
            gjelder=gjelder,
            utfall="FUNNET" if funnet else "IKKE_FUNNET",
        )


def _answering(request: web.Request, who: str) -> list[UUID]:
    configuration, holder = request.app[MEMORY].configuration, request[PRINCIPAL].holder
    holds = (
        id_
        for id_, one in configuration.virksomheter.items()
        if who in one.rettigheter or configuration.holds_by_type(who, one)
    )
    return [id_ for id_ in holds if configuration.sees(holder, id_)] or [ROOT]
