"""What can be said of who asked and who was refused. Contract: auth.md 8. Persons are keyed hashes, never numbers.

Who it was is ``ce_actor``, for whom ``ce_onbehalfof``, when ``ce_time``, by which law ``ce_legalbasis``; how they came
in ``ce_supplier``, ``ce_level`` and ``ce_integration``, as on every event that a caller brings about. The call is
``ce_correlationid``, which the caller was given as ``X-Request-Id``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.catalogue import event, part


@part
class Kaller:
    """Who called, beside the actor: the integration, the organisation of its token, who called for that organisation
    (supplier), and the level of login (3 or 4) of a person.
    """

    integrasjon_id: UUID | None = None
    orgnr: str | None = None
    leverandor: str | None = None
    niva: int | None = None


class Arsak(StrEnum):
    """Why an integration was not proved, which its caller is never told."""

    UKJENT_INTEGRASJON = "UKJENT_INTEGRASJON"
    ANNEN_ORGANISASJON = "ANNEN_ORGANISASJON"
    FEIL_PASSORD = "FEIL_PASSORD"


@event(topic="fiks.audit", stream="fiks_org_id")
class AutentiseringFeilet:
    """It was not proved who called (401). ``integrasjon_id`` is what the caller claimed, where that was a UUID;
    ``fiks_org_id`` owns that integration, or is 0 where there is none. ``rute`` is method and template of the path.
    ``kaller`` is what the token proved by itself, where there was one that holds; a person is ``ce_actor`` then.
    """

    fiks_org_id: UUID
    grunn: str
    rute: str
    integrasjon_id: UUID | None = None
    kaller: Kaller | None = None
    arsak: Arsak | None = None


@event(topic="fiks.audit", stream="fiks_org_id")
class AutentiseringerFeilet:
    """So many more failures as ``AutentiseringFeilet`` than are told one by one: of one reason, one claimed integration
    and what was proved all the same, from ``fra`` to ``til``, in one gateway process. Where one process met too many
    kinds at once, only what was proved is told apart, and ``grunn`` is empty.
    """

    fiks_org_id: UUID
    antall: int
    grunn: str = ""
    integrasjon_id: UUID | None = None
    kaller: Kaller | None = None
    arsak: Arsak | None = None
    fra: datetime | None = None
    til: datetime | None = None


@event(topic="fiks.audit", stream="fiks_org_id")
class TilgangNektet:
    """Who called is known but has no access (403, or a 404 that hides it). ``privilegier`` would each have been enough,
    on ``ressurs_id``; none where the route demands something else. ``fiks_org_id`` owns the resource, or is 0.
    """

    fiks_org_id: UUID
    grunn: str
    rute: str
    kaller: Kaller
    privilegier: tuple[str, ...] = ()
    ressurs_id: UUID | None = None


@event(topic="fiks.audit", stream="fiks_org_id")
class TilgangerNektet:
    """So many more refusals as ``TilgangNektet`` than are told one by one: of one caller, by one route, for one reason
    (without the ids in it), from ``fra`` to ``til``, in one gateway process. Where one process met too many kinds at
    once, ``rute`` is ``andre`` and ``grunn`` empty; who it was is told always, but not for whom.
    """

    fiks_org_id: UUID
    grunn: str
    rute: str
    kaller: Kaller
    antall: int
    fra: datetime
    til: datetime


@event(topic="fiks.audit", stream="fiks_org_id")
class OppslagGjort:
    """Somebody was shown, or looked for, data about others. ``gjelder`` is whom it is about: ``person:<hash>`` or an
    orgnr. ``hva`` is the kind of data, ``tjeneste`` the service, ``utfall`` what came of it. ``fiks_org_id`` answers
    for the look-up.
    """

    fiks_org_id: UUID
    tjeneste: str
    hva: str
    gjelder: tuple[str, ...]
    utfall: str
    kaller: Kaller
