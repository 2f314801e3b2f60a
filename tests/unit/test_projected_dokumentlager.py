"""The row of a document is what the decider's own fold says, whichever release decided what, in whatever batches."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.projecting import writes_of
from projections.projection import projections
from projections.tables import NO_ROW, fold
from schemas.codec import encode
from schemas.dokumentlager import (
    DokumentEksponert,
    DokumentendringBegjart,
    DokumentEvent,
    DokumentLastetNed,
    DokumentLastetOpp,
    DokumentslettingBegjart,
    DokumentUtlopt,
    Eksponering,
    EksponertFor,
    Slettegrunn,
)
from schemas.envelope import Recorded
from streams.domain.dokumentlager import Dokument, dokumentlager, react
from tests.support.given_when_then import WHEN
from tests.support.records import Record
from tests.support.simulated_log import SimulatedLog

ID = UUID(int=7)
DOKUMENTER = projections()["dokumentlager"]
TIMES = [None, *(WHEN.replace(day=day) for day in (11, 12, 13))]
EXPOSED = EksponertFor(type=Eksponering.PERSON, person="person:ab12")


def _otherwise(dokument: Dokument, met: DokumentEvent, time: datetime) -> Any:
    """An older release, which does not say to whom a document is exposed."""
    decided = react(dokument, met, time)
    return None if isinstance(decided, DokumentEksponert) else decided


RELEASES = [dokumentlager, replace(dokumentlager, react=_otherwise)]

uploads = st.builds(
    lambda til, found: DokumentLastetOpp(
        dokument_id=ID,
        fiks_org_id=UUID(int=1),
        konto_id=UUID(int=2),
        blob=ID.hex,
        nokkel_id=f"dokumentlager:{ID}",
        dokumentnavn="fiks1::forseglet",
        mimetype="text/plain",
        sikkerhetsniva=3,
        ukryptert_storrelse=1,
        kryptert_storrelse=57,
        sha256="0" * 64,
        tilgjengelig_til=til,
        eksponert_for=(EXPOSED,),
        skadevare=found,
    ),
    st.sampled_from(TIMES),
    st.sampled_from([None, None, None, "Eicar"]),
)
reports = st.one_of(
    st.builds(
        DokumentendringBegjart, dokument_id=st.just(ID), av=st.just("a"), tilgjengelig_til=st.sampled_from(TIMES)
    ),
    st.builds(DokumentslettingBegjart, dokument_id=st.just(ID), grunn=st.sampled_from(Slettegrunn)),
    st.builds(DokumentUtlopt, dokument_id=st.just(ID), tilgjengelig_til=st.sampled_from(TIMES[1:])),
    st.just(DokumentLastetNed(dokument_id=ID, av="a")),
)
works = st.tuples(st.sampled_from(RELEASES), st.integers(1, 5), st.sampled_from([0, 0, 1, 3, 9]), st.booleans())


def played(first: DokumentLastetOpp, happening: list[Any]) -> SimulatedLog:
    log = SimulatedLog(dokumentlager)
    log.happens(first)
    for one in happening:
        if isinstance(one, tuple):
            release, batch, behind, commit = one
            log.work(release, batch=batch, behind=behind, commit=commit)
        else:
            log.happens(one)
    return log


def record_of(one: Recorded) -> Record:
    assert one.at.position is not None
    return Record(
        "fiks.dokumentlager", 0, one.at.position.offset, str(ID).encode(), encode(one.event), one.at.headers()
    )


@settings(max_examples=300)
@given(uploads, st.lists(works | reports | uploads, max_size=30), st.integers(1, 7))
def test_the_row_is_that_of_the_decider_whichever_release_decided(
    first: DokumentLastetOpp, happening: list[Any], size: int
) -> None:
    log = played(first, happening)
    journal = log.settle(dokumentlager)
    records = [record_of(one) for one in log.records]
    mark, row = NO_ROW, dict[str, Any]()
    for at in range(0, len(records), size):
        batch = writes_of([records[at : at + size]], [DOKUMENTER])["dokumentlager"]
        for writes in batch.rows["dokumentlager_dokument"].values():
            mark, values = fold(mark, writes)
            row |= values
    state = journal.state
    assert row["status"] == state.status
    assert not state.is_there or row["tilgjengelig_til"] == state.tilgjengelig_til
    assert row["dokumentnavn"] == ("fiks1::forseglet" if state.is_there else "(slettet)")
    assert mark == journal.last
