"""What follows for a forsendelse, against the transitions of the contract (svarut.md 6.2 and 8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import pairwise, product
from typing import get_args

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from schemas.catalogue import event_types
from schemas.codec import decode, encode
from schemas.personal import map_personal
from schemas.svarut import (
    Adresse,
    AltinnFeilet,
    AltinnKvittert,
    DokumenterNedlastet,
    Feil,
    Feilkode,
    ForsendelseAkseptert,
    ForsendelseAvvist,
    ForsendelseFeiletUnderMottak,
    ForsendelseIkkeLevert,
    ForsendelseKlarForMottak,
    ForsendelseLest,
    ForsendelseLevertAltinn,
    ForsendelseMottatt,
    ForsendelseSendtAltinn,
    ForsendelseSendtDigitalt,
    ForsendelseSendtNhnMottaker,
    ForsendelseSendtPrint,
    ForsendelseSendtSdp,
    ForsendelseSlettet,
    FristUtlopt,
    Grensesnitt,
    LestMeldt,
    MottakFeilet,
    MottakKvittert,
    NhnKvittert,
    PrintKvittert,
    SdpFeilet,
    SdpKvittert,
    Slettetype,
    SlettingBegjart,
    StansBegjart,
    SvarUtDecision,
    SvarUtEvent,
)
from streams.domain.decider import Deadline
from streams.domain.svarut import LESEFRIST, Forsendelse, svarut
from streams.domain.svarut_status import ENDED, STATUS_OF, Status, StatusV2, may_follow, status_v2
from tests.support import given_when_then
from tests.support.events import FORSENDELSE, SYSTEM, any_svarut_event, histories, mottatt, receptions, reports, values
from tests.support.given_when_then import WHEN

given = partial(given_when_then.given, svarut)
FRIST = datetime(2026, 3, 13, 1, 30, tzinfo=UTC)
"""40 hours after ``WHEN``: Wednesday 10:30 in Oslo to Friday 02:30."""

DUE = Deadline(LESEFRIST, FRIST)


def said(cls, **rest):
    return cls(forsendelse_id=FORSENDELSE, **rest)


akseptert = said(ForsendelseAkseptert)
klar = said(ForsendelseKlarForMottak, mottakersystem_id=SYSTEM)
i_altinn = said(ForsendelseSendtAltinn, lesefrist=FRIST)
i_postkassen = said(ForsendelseSendtSdp)
til_print = said(ForsendelseSendtPrint)
til_manuell_print = said(ForsendelseSendtPrint, manuell=True)
lest = said(LestMeldt, fnr="26867396532", tidspunkt=WHEN)
ble_lest = said(ForsendelseLest, tidspunkt=WHEN)
utlopt = said(FristUtlopt, frist=LESEFRIST, forfall=FRIST)
stans = said(StansBegjart)
slett = said(SlettingBegjart, slettetype=Slettetype.ALLE)
for_godt = said(MottakFeilet, mottakersystem_id=SYSTEM, permanent=True)
for_na = said(MottakFeilet, mottakersystem_id=SYSTEM, permanent=False)

kun_digital = mottatt(kun_digital_levering=True)
uten_id = Adresse(navn="Kari Nordmann")
ufullstendig = (Feil(kode=Feilkode.UFULLSTENDIG_OPPLASTING),)
ugyldig = (Feil(kode=Feilkode.UGYLDIG_PDF, sted="1"), *ufullstendig)


# --- Reception and choice of channel ----------------------------------------------------------------------------------


def test_a_valid_letter_is_accepted_and_sent_to_altinn_with_40_hours_to_read_it():
    given().when(mottatt()).then(akseptert, i_altinn).runs(DUE)


def test_faults_refuse_it():
    given().when(mottatt(feil=ugyldig)).then(said(ForsendelseAvvist, feil=ugyldig)).runs()


def test_a_technical_fault_alone_is_a_status_of_its_own_in_v3_only():
    v3 = mottatt(grensesnitt=Grensesnitt.REST_V3_PERSON, feil=ufullstendig)
    given().when(v3).then(said(ForsendelseFeiletUnderMottak, feil=ufullstendig))
    given().when(mottatt(feil=ufullstendig)).then(said(ForsendelseAvvist, feil=ufullstendig))
    both = mottatt(grensesnitt=Grensesnitt.REST_V3_PERSON, feil=ugyldig)
    given().when(both).then(said(ForsendelseAvvist, feil=ugyldig))


@pytest.mark.parametrize(
    ("measured", "sent"),
    [
        ({"grensesnitt": Grensesnitt.REST_V3_PRINT}, til_print),
        ({"mottaker": uten_id}, til_print),
        ({"mottaker": uten_id, "mottakersystem_id": SYSTEM}, til_print),
        ({"mottaker": uten_id, "manuell_utskrift": True}, til_manuell_print),
        ({"mottaker": uten_id, "kun_digital_levering": True}, said(ForsendelseIkkeLevert)),
        ({"grensesnitt": Grensesnitt.REST_V3_NHN}, said(ForsendelseSendtNhnMottaker)),
        ({"mottakersystem_id": SYSTEM}, klar),
        ({"reservert": True}, til_print),
        ({"reservert": True, "digital_postkasse": True}, til_print),
        ({"reservert": True, "kun_digital_levering": True}, said(ForsendelseIkkeLevert)),
        ({"digital_postkasse": True}, i_postkassen),
        ({}, i_altinn),
        ({"kun_digital_levering": True}, i_altinn),
    ],
)
def test_the_channel_is_chosen_by_what_was_measured(measured, sent):
    given().when(mottatt(**measured)).then(akseptert, sent)


# --- SvarInn ----------------------------------------------------------------------------------------------------------

hentes = mottatt(mottakersystem_id=SYSTEM)


def test_a_receipt_from_the_mottakersystem_means_read():
    given(hentes, akseptert, klar).when(said(MottakKvittert, mottakersystem_id=SYSTEM)).then(ble_lest)


def test_a_mottakersystem_may_fail_and_try_again():
    given(hentes, akseptert, klar).when(for_na).then().runs()


@pytest.mark.parametrize("letter", [hentes, mottatt(mottakersystem_id=SYSTEM, kun_digital_levering=True)])
def test_a_mottakersystem_that_gives_up_leaves_it_to_altinn_from_then_on(letter):
    later = datetime(2026, 3, 16, 9, 30, tzinfo=UTC)
    frist = datetime(2026, 3, 18, 1, 30, tzinfo=UTC)
    came = given(letter, akseptert, klar).when(for_godt, later).then(said(ForsendelseSendtAltinn, lesefrist=frist))
    came.runs(Deadline(LESEFRIST, frist))


# --- Altinn and the reading deadline ----------------------------------------------------------------------------------


def test_altinn_confirms_and_the_deadline_runs_on():
    given(mottatt(), akseptert, i_altinn).when(said(AltinnKvittert)).then(said(ForsendelseLevertAltinn)).runs(DUE)


@pytest.mark.parametrize("read", [lest, said(DokumenterNedlastet)])
@pytest.mark.parametrize("before", [(i_altinn,), (i_altinn, said(ForsendelseLevertAltinn))])
def test_reading_ends_the_deadline(read, before):
    given(mottatt(), akseptert, *before).when(read).then(ble_lest).runs()


def test_unread_goes_to_print():
    given(mottatt(), akseptert, i_altinn).when(utlopt).then(til_print).runs()
    given(mottatt(manuell_utskrift=True), akseptert, i_altinn).when(utlopt).then(til_manuell_print)


def test_unread_and_digital_only_is_never_printed():
    given(kun_digital, akseptert, i_altinn).when(utlopt).then(said(ForsendelseSendtDigitalt)).runs()


def test_unread_stays_where_it_is_when_the_account_forwards_nothing():
    given(mottatt(videresendes_ulest=False), akseptert, i_altinn).when(utlopt).then().runs()


def test_the_first_on_the_log_counts():
    given(mottatt(), akseptert, i_altinn, lest, ble_lest).when(utlopt).then()
    given(mottatt(), akseptert, i_altinn, utlopt, til_print).when(lest).then()


def test_a_deadline_that_does_not_run_changes_nothing():
    for frist, forfall in [(LESEFRIST, WHEN), ("svarfrist", FRIST)]:
        given(mottatt(), akseptert, i_altinn).when(said(FristUtlopt, frist=frist, forfall=forfall)).then().runs(DUE)


def test_the_due_time_is_the_one_that_was_decided():
    later = said(ForsendelseSendtAltinn, lesefrist=datetime(2027, 1, 1, tzinfo=UTC))
    given(mottatt(), akseptert, later).when(for_na).then().runs(Deadline(LESEFRIST, later.lesefrist))


@pytest.mark.parametrize(("hours", "counted"), [(-(2**62), 0), (2**62, 365 * 24)])
def test_no_setting_of_an_account_makes_a_letter_undecidable(hours, counted):
    came = given().when(mottatt(lesefrist_timer=hours))
    came.then(*given().when(mottatt(lesefrist_timer=counted)).decided)


def test_an_account_may_leave_no_time_to_read():
    given().when(mottatt(lesefrist_timer=0)).then(akseptert, said(ForsendelseSendtAltinn, lesefrist=WHEN))


@pytest.mark.parametrize(
    ("letter", "sent", "failed"),
    [({}, i_altinn, said(AltinnFeilet)), ({"digital_postkasse": True}, i_postkassen, said(SdpFeilet))],
)
def test_a_digital_channel_that_fails_leads_to_print_unless_digital_only(letter, sent, failed):
    given(mottatt(**letter), akseptert, sent).when(failed).then(til_print)
    digital_only = mottatt(**letter, kun_digital_levering=True)
    given(digital_only, akseptert, sent).when(failed).then(said(ForsendelseIkkeLevert))


# --- Print, stop, deletion --------------------------------------------------------------------------------------------


def test_what_waits_for_manual_print_leaves_the_queue_when_it_is_read():
    given(mottatt(), akseptert, i_altinn, utlopt, til_manuell_print).when(lest).then(ble_lest)


def test_a_digital_delivery_cannot_be_recalled():
    for sent in (i_postkassen, klar):
        given(mottatt(digital_postkasse=True, mottakersystem_id=SYSTEM), akseptert, sent).when(stans).then()
    given(mottatt(), akseptert, i_altinn, ble_lest).when(stans).then()


def test_all_is_deleted_only_when_it_has_ended_and_all_was_asked_for():
    ended = given(mottatt(), akseptert, i_altinn, ble_lest)
    ended.when(slett).then(said(ForsendelseSlettet))
    ended.when(said(SlettingBegjart, slettetype=Slettetype.ORIGINALDOKUMENTER)).then()
    given(mottatt(), akseptert, i_altinn).when(slett).then()


# --- Every transition of the contract, and no other -------------------------------------------------------------------

S = Status
UNREAD = (S.SENDT_ALTINN, S.LEVERT_ALTINN)

TRANSITIONS = {
    (None, ForsendelseMottatt, S.MOTTATT),
    (S.MOTTATT, ForsendelseMottatt, S.AKSEPTERT),
    (S.MOTTATT, ForsendelseMottatt, S.AVVIST),
    (S.MOTTATT, ForsendelseMottatt, S.FEILET_UNDER_MOTTAK),
    (S.AKSEPTERT, ForsendelseAkseptert, S.KLAR_FOR_MOTTAK),
    (S.AKSEPTERT, ForsendelseAkseptert, S.SENDT_SDP),
    (S.AKSEPTERT, ForsendelseAkseptert, S.SENDT_ALTINN),
    (S.AKSEPTERT, ForsendelseAkseptert, S.SENDT_PRINT),
    (S.AKSEPTERT, ForsendelseAkseptert, S.SENDT_NHN_MOTTAKER),
    (S.AKSEPTERT, ForsendelseAkseptert, S.IKKE_LEVERT),
    (S.KLAR_FOR_MOTTAK, MottakKvittert, S.LEST),
    (S.KLAR_FOR_MOTTAK, MottakFeilet, S.SENDT_ALTINN),
    (S.SENDT_SDP, SdpKvittert, S.LEVERT_SDP),
    (S.SENDT_SDP, SdpFeilet, S.SENDT_PRINT),
    (S.SENDT_ALTINN, AltinnKvittert, S.LEVERT_ALTINN),
    *((before, read, S.LEST) for before in UNREAD for read in (LestMeldt, DokumenterNedlastet)),
    *((before, FristUtlopt, after) for before in UNREAD for after in (S.SENDT_PRINT, S.SENDT_DIGITALT)),
    (S.SENDT_PRINT, PrintKvittert, S.PRINTET),
    (S.SENDT_PRINT, LestMeldt, S.LEST),
    (S.SENDT_PRINT, DokumenterNedlastet, S.LEST),
    *((before, StansBegjart, S.MANUELT_HANDTERT) for before in (*UNREAD, S.SENDT_PRINT)),
    (S.SENDT_NHN_MOTTAKER, NhnKvittert, S.LEVERT_NHN_MOTTAKER),
    *((before, SlettingBegjart, S.SLETTET) for before in ENDED),
    # Not rows of 6.2, but said elsewhere: `lest` ends it as read wherever it waits (6.2, last paragraph, and 3.2);
    # a digital channel that fails falls back to print unless digital only (8, rule 6), which is IKKE_LEVERT (6.1).
    (S.KLAR_FOR_MOTTAK, LestMeldt, S.LEST),
    (S.SENDT_ALTINN, AltinnFeilet, S.SENDT_PRINT),
    (S.SENDT_ALTINN, AltinnFeilet, S.IKKE_LEVERT),
    (S.SENDT_SDP, SdpFeilet, S.IKKE_LEVERT),
}


def _reports(forsendelse: Forsendelse) -> list[SvarUtEvent]:
    plain = (DokumenterNedlastet, AltinnKvittert, AltinnFeilet, SdpKvittert, SdpFeilet, NhnKvittert, PrintKvittert)
    running = [svarut.expired(str(FORSENDELSE), one) for one in svarut.deadlines(forsendelse)]
    receipt = said(MottakKvittert, mottakersystem_id=SYSTEM)
    originals = said(SlettingBegjart, slettetype=Slettetype.ORIGINALDOKUMENTER)
    return [*map(said, plain), receipt, for_na, for_godt, lest, stans, slett, originals, utlopt, *running]


def _every_reception() -> list[ForsendelseMottatt]:
    choices = {
        "grensesnitt": list(Grensesnitt),
        "mottaker": [uten_id, mottatt().mottaker],
        "kun_digital_levering": [False, True],
        "mottakersystem_id": [None, SYSTEM],
        "reservert": [False, True],
        "digital_postkasse": [False, True],
        "videresendes_ulest": [False, True],
        "manuell_utskrift": [False, True],
        "feil": [(), ugyldig, ufullstendig],
    }
    return [mottatt(**dict(zip(choices, chosen, strict=True))) for chosen in product(*choices.values())]


def _every_transition() -> set[tuple[Status | None, type, Status | None]]:
    """All that can happen, by letting everything happen everywhere."""
    todo: list[tuple[Forsendelse, SvarUtEvent]] = [(svarut.initial, one) for one in _every_reception()]
    found, seen = set(), set()
    while todo:
        before, event = todo.pop()
        forsendelse = svarut.evolve(before, event)
        if isinstance(event, ForsendelseMottatt):
            found.add((before.status, ForsendelseMottatt, forsendelse.status))
        if (decision := svarut.react(forsendelse, event, WHEN)) is not None:
            found.add((forsendelse.status, type(event), svarut.evolve(forsendelse, decision).status))
            todo.append((forsendelse, decision))
        elif forsendelse not in seen:
            seen.add(forsendelse)
            todo += [(forsendelse, one) for one in _reports(forsendelse)]
    return found


def test_every_transition_of_the_contract_can_happen_and_no_other():
    assert _every_transition() == TRANSITIONS


def test_the_table_of_what_may_follow_is_that_of_the_transitions():
    allowed = {(a, b) for a, b in product((None, *Status), Status) if may_follow(a, b)}
    assert allowed == {(before, after) for before, _, after in TRANSITIONS}


def test_every_event_of_the_topic_is_dealt_with():
    assert set(get_args(SvarUtEvent)) == {one.cls for one in event_types().values() if one.topic == svarut.topic}
    assert set(STATUS_OF) == set(get_args(SvarUtDecision))
    assert sorted(STATUS_OF.values()) == sorted(set(Status) - {Status.MOTTATT})


# --- Any sequence of events -------------------------------------------------------------------------------------------


def fold(*events: SvarUtEvent) -> Forsendelse:
    return reduce(svarut.evolve, events, svarut.initial)


@settings(max_examples=200)
@for_any(st.lists(any_svarut_event | receptions | reports, max_size=8), values(datetime))
def test_no_sequence_of_events_leads_astray(events, time):
    forsendelse = svarut.initial
    for event in events:
        before, forsendelse = forsendelse, svarut.evolve(forsendelse, event)
        decision = svarut.react(forsendelse, event, time)
        assert forsendelse.status is before.status or may_follow(before.status, forsendelse.status)
        if decision is not None:
            assert decision.forsendelse_id == event.forsendelse_id
            assert may_follow(forsendelse.status, STATUS_OF[type(decision)])
            assert decode(encode(decision)) == decision
        assert all(svarut.expired(str(event.forsendelse_id), one) for one in svarut.deadlines(forsendelse))


@for_any(receptions, st.sampled_from(Status), any_svarut_event | reports | st.just(utlopt))
def test_whatever_another_release_decided_only_what_may_follow_is_decided(letter, status, event):
    forsendelse = replace(fold(letter), status=status, lesefrist=FRIST)
    decision = svarut.react(svarut.evolve(forsendelse, event), event, WHEN)
    if decision is not None:
        assert may_follow(svarut.evolve(forsendelse, event).status, STATUS_OF[type(decision)])


@for_any(histories())
def test_each_event_met_twice_at_once_changes_nothing(history):
    assert fold(*(event for event in history for _ in range(2))) == fold(*history)


@for_any(histories(), st.integers(1, 3))
def test_a_whole_history_met_again_changes_nothing(history, times):
    assert fold(*history * (1 + times)) == fold(*history)


@for_any(histories(), st.data())
def test_an_event_met_again_late_changes_nothing(history, data):
    late = data.draw(st.integers(0, len(history) - 1))
    repeated = data.draw(st.sampled_from(history[: late + 1]))
    before = fold(*history[: late + 1])
    assert svarut.evolve(before, repeated) == before
    assert fold(*history[: late + 1], repeated, *history[late + 1 :]) == fold(*history)


@for_any(histories(), st.data())
def test_an_event_that_something_was_decided_on_leads_to_nothing_when_met_again(history, data):
    """One that came too early and meant nothing may come again when it does."""
    decided_on = [one for one, next_ in pairwise(history) if isinstance(next_, SvarUtDecision)]
    given(*history).when(data.draw(st.sampled_from(decided_on))).then()


@for_any(histories())
def test_nothing_depends_on_what_is_personal(history):
    sealed = [map_personal(event, lambda text, _: f"sealed {len(text)}") for event in history]
    assert fold(*sealed) == fold(*history)
    for number, event in enumerate(sealed):
        assert svarut.react(fold(*sealed[: number + 1]), event, WHEN) == svarut.react(
            fold(*history[: number + 1]), history[number], WHEN
        )


@for_any(receptions)
def test_the_state_holds_nothing_personal(letter):
    forsendelse = fold(letter)
    assert letter.mottaker.navn not in {getattr(forsendelse, name) for name in forsendelse.__slots__}
    assert fold(map_personal(letter, lambda text, _: text.upper())) == forsendelse


# --- Names for older clients ------------------------------------------------------------------------------------------


def test_v2_knows_thirteen_statuses_and_each_of_ours_is_one_of_them():
    assert len(StatusV2) == 13
    assert {status_v2(status) for status in Status} == set(StatusV2)
    same = [status for status in Status if status_v2(status).value == status.value]
    assert len(same) == 12
    assert status_v2(Status.SENDT_ALTINN) is status_v2(Status.LEVERT_ALTINN) is StatusV2.VARSLET
    assert status_v2(Status.FEILET_UNDER_MOTTAK) is StatusV2.AVVIST
