"""Which refusals are told one by one, which are told together by their number, and what is said of those."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from gateway.randomness import new_uuid
from gateway.said import SOURCE
from gateway.tally import Rate, Sum, Tally
from schemas.audit import Arsak, AutentiseringerFeilet, AutentiseringFeilet, Kaller, TilgangerNektet, TilgangNektet
from schemas.envelope import By, Envelope, fact
from schemas.konfigurasjon import ROOT

UNKNOWN_A_SECOND = 100
"""Authentication failures that each process tells one by one within a second; of more, who it was and how many."""
DENIED_OF_A_KIND = 5
"""Refusals of one caller, for one owner, by one route, for one reason, that are told one by one within ``WINDOW``."""
WINDOW = timedelta(seconds=10)
KINDS = 200
"""Kinds of refusals, and of failures, that are told apart within ``WINDOW``; beyond them the caller alone is."""
OTHERS = "andre"
"""The route of those."""
UNKNOWN = "Integrasjonen finnes ikke"
"""The reason that is told of integrations that were made up."""

_PARTICULAR = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{9,}", re.IGNORECASE)
"""What a reason says of the single case: ids and numbers of organisations."""


class Denied(NamedTuple):
    """What refusals have in common that are told by their number."""

    fiks_org_id: UUID
    grunn: str
    rute: str
    kaller: Kaller
    by: By

    def rest(self) -> Denied:
        """What is still told apart when there are too many kinds: who it was, and nothing that a caller can vary."""
        return self._replace(fiks_org_id=ROOT, grunn="", rute=OTHERS, by=self.by._replace(on_behalf_of=None))


class Unknown(NamedTuple):
    """What authentication failures have in common that are told by their number: what was claimed, and what a token
    proved all the same.
    """

    fiks_org_id: UUID
    grunn: str
    integrasjon_id: UUID | None
    kaller: Kaller | None
    arsak: Arsak | None
    by: By

    def rest(self) -> Unknown:
        """What is still told apart when there are too many kinds: what was proved, nothing that a caller can vary."""
        return Unknown(ROOT, "", None, self.kaller, None, self.by._replace(on_behalf_of=None))


def unknown_callers() -> Tally[Unknown]:
    """Counts authentication failures, none of which is told by itself."""
    return Tally(0, WINDOW, KINDS, Unknown.rest)


def told_singly() -> Rate:
    """How many authentication failures are told one by one."""
    return Rate(UNKNOWN_A_SECOND, timedelta(seconds=1))


def denied_callers() -> Tally[Denied]:
    """Counts refusals of those who are known."""
    return Tally(DENIED_OF_A_KIND, WINDOW, KINDS, Denied.rest)


def unknown_kind(event: AutentiseringFeilet, about: Envelope, claimed: str, exists: bool) -> Unknown:
    """The kind of an authentication failure; ``claimed`` is the integration as it was spelt, of which there are many
    ways. Integrations that do not exist are told apart by nothing: whoever makes them up could fill the kinds, and hide
    what is tried on others.
    """
    if claimed and not exists:
        return Unknown(event.fiks_org_id, UNKNOWN, None, event.kaller, event.arsak, about.by)
    grunn = _PARTICULAR.sub("…", event.grunn.replace(claimed, "…") if claimed else event.grunn)
    return Unknown(event.fiks_org_id, grunn, event.integrasjon_id, event.kaller, event.arsak, about.by)


def kind_of(event: TilgangNektet, about: Envelope) -> Denied:
    """The kind of a refusal."""
    grunn = _PARTICULAR.sub("…", event.grunn)
    return Denied(event.fiks_org_id, grunn, event.rute, event.kaller, about.by)


SUMMED: dict[type, type] = {Unknown: AutentiseringerFeilet, Denied: TilgangerNektet}


def summed(counted: Sum[Unknown] | Sum[Denied]) -> tuple[object, Envelope]:
    """What is said of those that were counted: all that they have in common, and how many they were."""
    says = counted.kind._asdict()
    by = says.pop("by")
    event = SUMMED[type(counted.kind)](**says, antall=counted.count, fra=counted.begin, til=counted.end)
    return event, fact(event, time=datetime.now(UTC), id=str(new_uuid()), source=SOURCE, by=by)
