"""What follows for a document (contract dokumentlager.md 5), and by which keys it is exposed (4.2)."""

from datetime import datetime, timedelta
from functools import partial, reduce
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from schemas.dokumentlager import (
    Altinnressurs,
    DokumentDecision,
    DokumentDestruert,
    DokumentEksponert,
    DokumentEndret,
    DokumentendringBegjart,
    DokumentEvent,
    DokumentInfisert,
    DokumentLastetNed,
    DokumentLastetOpp,
    DokumentSlettet,
    DokumentslettingBegjart,
    DokumentUtlopt,
    Eksponering,
    EksponertFor,
    Matrikkelenhet,
    Slettegrunn,
)
from streams.domain.decider import Deadline
from streams.domain.dokumentlager import UTLOP, Dokument, Status, dokumentlager, expired
from streams.domain.eksponering import exposure_of, key_of
from tests.support import given_when_then
from tests.support.events import of
from tests.support.given_when_then import WHEN

given = partial(given_when_then.given, dokumentlager)
ID = UUID(int=7)
SOON, LATER = WHEN + timedelta(hours=1), WHEN + timedelta(days=1)


def opp(til: datetime | None = LATER, **fields) -> DokumentLastetOpp:
    measured = {"ukryptert_storrelse": 1, "kryptert_storrelse": 57, "sha256": "0" * 64, "sikkerhetsniva": 3}
    where = {"fiks_org_id": UUID(int=1), "konto_id": UUID(int=2), "blob": ID.hex, "nokkel_id": f"dokumentlager:{ID}"}
    said = {"dokumentnavn": "a.txt", "mimetype": "text/plain", "tilgjengelig_til": til}
    return DokumentLastetOpp(dokument_id=ID, **(measured | where | said | fields))


def endring(til: datetime | None) -> DokumentendringBegjart:
    return DokumentendringBegjart(dokument_id=ID, av="integrasjon:1", tilgjengelig_til=til)


def endret(til: datetime | None) -> DokumentEndret:
    return DokumentEndret(dokument_id=ID, av="integrasjon:1", tilgjengelig_til=til)


sletting = DokumentslettingBegjart(dokument_id=ID, grunn=Slettegrunn.API, av="integrasjon:1")
slettet = DokumentSlettet(dokument_id=ID, grunn=Slettegrunn.API, av="integrasjon:1")
av_tid = DokumentSlettet(dokument_id=ID, grunn=Slettegrunn.UTLOP)
lastet_ned = DokumentLastetNed(dokument_id=ID, av="integrasjon:1")


def test_a_document_waits_for_its_end_and_one_for_ever_for_nothing() -> None:
    given().when(opp()).then().runs(Deadline(UTLOP, LATER))
    given().when(opp(None)).then().runs()


def test_its_time_passes() -> None:
    given(opp()).when(expired(str(ID), Deadline(UTLOP, LATER)), LATER).then(av_tid).runs()


def test_an_expiry_that_was_changed_meanwhile_is_void() -> None:
    given(opp(), endret(None)).when(DokumentUtlopt(dokument_id=ID, tilgjengelig_til=LATER), LATER).then().runs()


def test_a_change_moves_the_end() -> None:
    given(opp()).when(endring(SOON)).then(endret(SOON)).runs(Deadline(UTLOP, SOON))


def test_a_change_after_the_end_changes_nothing_though_nobody_has_seen_the_end_yet() -> None:
    given(opp()).when(endring(None), LATER).then().runs(Deadline(UTLOP, LATER))


def test_the_first_of_two_deletions_counts() -> None:
    given(opp()).when(sletting).then(slettet).runs()
    given(opp(), slettet).when(sletting).then()
    given(opp(), av_tid).when(sletting).then()


@pytest.mark.parametrize("after", [endring(None), lastet_ned, DokumentUtlopt(dokument_id=ID, tilgjengelig_til=LATER)])
def test_nothing_follows_on_a_deletion(after: DokumentEvent) -> None:
    given(opp(), slettet).when(after).then().runs()


def test_malware_is_told_once_and_such_a_document_can_still_be_deleted() -> None:
    found = opp(skadevare="Eicar")
    infisert = DokumentInfisert(dokument_id=ID, funn="Eicar")
    given().when(found).then(infisert).runs(Deadline(UTLOP, LATER))
    given(found, infisert).when(found).then()
    given(found, infisert).when(sletting).then(slettet)


def test_what_it_is_exposed_to_is_told_once_and_names_no_number() -> None:
    person = EksponertFor(type=Eksponering.PERSON, person="person:ab12", fnr="fiks1:forseglet")
    found = opp(eksponert_for=(person, EXPOSED[1]), sikkerhetsniva=4)
    told = DokumentEksponert(
        dokument_id=ID,
        fiks_org_id=UUID(int=1),
        konto_id=UUID(int=2),
        eksponert_for=(EXPOSED[0], EXPOSED[1]),
        sikkerhetsniva=4,
    )
    given().when(found).then(told).runs(Deadline(UTLOP, LATER))
    given(found, told).when(found).then()
    given(found, told).when(sletting).then(slettet)
    given(found, told, slettet).when(found).then()
    given().when(opp()).then()


def test_malware_is_exposed_to_nobody() -> None:
    infisert = DokumentInfisert(dokument_id=ID, funn="Eicar")
    given().when(opp(skadevare="Eicar", eksponert_for=tuple(EXPOSED))).then(infisert)


def test_what_was_never_uploaded_is_never_deleted() -> None:
    given().when(sletting).then().runs()


@for_any(st.lists(st.sampled_from(get_args(DokumentEvent)).flatmap(of), max_size=8))
def test_any_event_can_be_met_and_met_again(history: list[DokumentEvent]) -> None:
    for met in (history, [*history, *history], [one for event in history for one in (event, event)]):
        state = reduce(dokumentlager.evolve, met, Dokument())
        assert state.is_there or not dokumentlager.deadlines(state)
        for event in met:
            assert isinstance(dokumentlager.react(state, event, WHEN), DokumentDecision | None)


reports = st.sampled_from(
    [endring(SOON), endring(LATER), endring(None), sletting, lastet_ned, DokumentDestruert(dokument_id=ID)]
) | st.sampled_from([SOON, LATER]).map(lambda til: DokumentUtlopt(dokument_id=ID, tilgjengelig_til=til))


@for_any(st.lists(st.tuples(reports, st.sampled_from([WHEN, SOON, LATER])), max_size=8))
def test_it_is_deleted_at_most_once_and_is_then_deleted_for_good(facts: list[tuple[DokumentEvent, datetime]]) -> None:
    history: list[DokumentEvent] = [opp()]
    for fact, time in facts:
        history += [fact, *given(*history).when(fact, time).decided]

    deletions = [at for at, one in enumerate(history) if isinstance(one, DokumentSlettet)]
    assert len(deletions) <= 1
    if deletions:
        assert not any(isinstance(one, DokumentDecision) for one in history[deletions[0] + 1 :])
        assert given(*history, opp()).state.status is Status.SLETTET


EXPOSED = [
    EksponertFor(type=Eksponering.PERSON, person="person:ab12"),
    EksponertFor(type=Eksponering.ORGANISASJON, orgnr="310991007"),
    EksponertFor(type=Eksponering.ORGANISASJON, orgnr="310991007", ressurs_type=Altinnressurs.BYGGESAKER),
    EksponertFor(type=Eksponering.INTEGRASJON, integrasjon_id=UUID(int=9)),
    EksponertFor(type=Eksponering.AUTORISASJON, privilegium="SVARUT.SEND", ressurs_id=UUID(int=9)),
    EksponertFor(
        type=Eksponering.MATRIKKELENHET,
        matrikkelenhet=Matrikkelenhet(kommunenummer="4601", gardsnummer="1", bruksnummer="2"),
    ),
]


@pytest.mark.parametrize("exposed", EXPOSED, ids=lambda one: one.type)
def test_a_key_says_all_of_an_exposure_but_the_number_of_a_person(exposed: EksponertFor) -> None:
    assert exposure_of(key_of(exposed)) == exposed


def test_keys_differ_where_the_exposures_do() -> None:
    assert len({key_of(one) for one in EXPOSED}) == len(EXPOSED)


@pytest.mark.parametrize("kind", Eksponering)
def test_an_exposure_that_lacks_a_field_has_no_key(kind: Eksponering) -> None:
    with pytest.raises(ValueError, match="lacks a field"):
        key_of(EksponertFor(type=kind))
