"""Any event of the catalogue, made from its class, and histories of a forsendelse as they can stand on the log."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin
from uuid import UUID

import msgspec
from hypothesis import strategies as st

import schemas  # noqa: F401  registers every event type
from schemas.catalogue import event_types
from schemas.derive import fields_of, is_personal, optional_of
from schemas.svarut import (
    Adresse,
    Feil,
    Feilkode,
    ForsendelseMottatt,
    Grensesnitt,
    LestMeldt,
    MottakFeilet,
    MottakKvittert,
    Slettetype,
    SlettingBegjart,
    SvarUtEvent,
    SvarUtFact,
)
from streams.domain.svarut import expired, svarut
from tests.support.given_when_then import WHEN, given

T = TypeVar("T")

FORSENDELSE = UUID("5b1f6a52-6a0c-4c55-9a53-7a53d1f2a001")
SYSTEM = UUID("5b1f6a52-6a0c-4c55-9a53-7a53d1f2a002")

VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bytes: st.binary(max_size=20),
    UUID: st.uuids(),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
}


@cache
def of(cls: type[T]) -> st.SearchStrategy[T]:
    """Any event or part of a class: each field takes any value of its type."""
    return st.builds(cls, **{field.name: values(annotation) for field, annotation in fields_of(cls)})


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type may have."""
    if (inner := optional_of(annotation)) is not None:
        return st.none() | values(inner)
    if is_personal(annotation):
        return VALUES[str]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        return st.lists(values(args[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(VALUES[str], values(args[1]), max_size=2)
    if issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    return of(annotation) if issubclass(annotation, msgspec.Struct) else VALUES[annotation]


any_event: st.SearchStrategy[Any] = st.sampled_from(
    [one.cls for one in sorted(event_types().values(), key=lambda one: one.name)]
).flatmap(of)
"""Any event of any type."""


def mottatt(**measured: Any) -> ForsendelseMottatt:
    """A forsendelse to a person who can be reached by Altinn and on paper, changed by what is given."""
    return ForsendelseMottatt(
        **{
            "forsendelse_id": FORSENDELSE,
            "fiks_org_id": UUID(int=1),
            "konto_id": UUID(int=2),
            "integrasjon_id": UUID(int=3),
            "grensesnitt": Grensesnitt.REST_V2,
            "tittel": "Vedtak",
            "mottaker": Adresse(navn="Kari Nordmann", digital_id="26867396532"),
            **measured,
        }
    )


seldom = st.sampled_from([False, False, False, True])

receptions: st.SearchStrategy[ForsendelseMottatt] = st.builds(
    mottatt,
    grensesnitt=st.just(Grensesnitt.REST_V2) | st.sampled_from(Grensesnitt),
    mottaker=seldom.map(lambda on_paper: Adresse(navn="A", digital_id=None if on_paper else "26867396532")),
    kun_digital_levering=seldom,
    mottakersystem_id=seldom.map(lambda matched: SYSTEM if matched else None),
    reservert=seldom,
    digital_postkasse=seldom,
    lesefrist_timer=st.sampled_from([40, 0, 1]),
    videresendes_ulest=seldom.map(lambda kept: not kept),
    manuell_utskrift=st.booleans(),
    taushetsbelagt_post=seldom,
    feil=st.sampled_from(
        [*[()] * 8, (Feil(kode=Feilkode.UGYLDIG_PDF),), (Feil(kode=Feilkode.UFULLSTENDIG_OPPLASTING),)]
    ),
)
"""Forsendelser that differ in everything that decides what becomes of them; most of them are valid."""

_DETAILS: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    LestMeldt: {"fnr": st.just("26867396532"), "tidspunkt": st.just(WHEN)},
    MottakKvittert: {"mottakersystem_id": st.just(SYSTEM)},
    MottakFeilet: {"mottakersystem_id": st.just(SYSTEM), "permanent": st.booleans()},
    SlettingBegjart: {"slettetype": st.sampled_from(Slettetype)},
}
_REPORTS = [cls for cls in get_args(SvarUtFact) if cls is not ForsendelseMottatt and cls.__name__ != "FristUtlopt"]

reports: st.SearchStrategy[SvarUtFact] = st.sampled_from(_REPORTS).flatmap(
    lambda cls: st.builds(cls, forsendelse_id=st.just(FORSENDELSE), **_DETAILS.get(cls, {}))
)
"""What receivers, suppliers and callers may tell about the forsendelse ``FORSENDELSE`` once it is received."""

any_svarut_event: st.SearchStrategy[SvarUtEvent] = st.sampled_from(get_args(SvarUtEvent)).flatmap(of)
"""Any event of a forsendelse, with any content; hardly ever one that makes sense."""


@st.composite
def histories(draw: st.DrawFn) -> list[SvarUtEvent]:
    """The events of a forsendelse from its reception on, facts and what was decided because of each."""
    history: list[SvarUtEvent] = []
    for fact in (draw(receptions), *draw(st.lists(st.none() | reports, max_size=6))):
        before = given(svarut, *history)
        running = svarut.deadlines(before.state)
        if met := fact or (expired(str(FORSENDELSE), running[0]) if running else None):
            history += [met, *before.when(met).decided]
    return history
