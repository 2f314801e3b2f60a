"""What follows for a message (contract fiks-io.md 2.4, 2.6, 3), and that the table is the decider's own fold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from itertools import islice
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest
from hypothesis import event as note
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from projections.fiks_io import STEG, TILSTAND, Sendt, advance
from projections.projection import Met, Rows
from schemas.codec import decode, encode
from schemas.fiks_io import (
    MeldingAvvist,
    MeldingBesvart,
    MeldingDestruert,
    MeldingEvent,
    MeldingFeilet,
    MeldingKvittert,
    MeldingLagtTilbake,
    MeldingLevert,
    MeldingSendt,
    MeldingsfristPassert,
    MeldingskontoSlettet,
    MeldingTilbakelevert,
    MeldingUtlopt,
    Returgrunn,
)
from streams.domain.decider import Deadline
from streams.domain.fiks_io import FRIST, OPEN, PAUSES, Melding, Status, evolve, expired, fiks_io, stream_of
from tests.support import given_when_then
from tests.support.events import of
from tests.support.given_when_then import WHEN
from tests.support.simulated_log import SimulatedLog

given = partial(given_when_then.given, fiks_io)
KONTO, ID = UUID(int=1), UUID(int=7)
STREAM = stream_of(KONTO, ID)
END = WHEN + timedelta(days=7)
FIRST, SECOND = UUID(int=31), UUID(int=32)
of_it: dict[str, Any] = {"mottaker_konto_id": KONTO, "melding_id": ID}

sendt = MeldingSendt(
    **of_it,
    avsender_konto_id=UUID(int=2),
    mottaker_org_id=UUID(int=3),
    avsender_org_id=UUID(int=4),
    avsender_navn="Testvik",
    melding_type="no.ks.ping",
    ttl=604_800_000,
    utloper=END,
)
kvittert, avvist, utlopt = MeldingKvittert(**of_it), MeldingAvvist(**of_it), MeldingUtlopt(**of_it)
frist = expired(STREAM, Deadline(FRIST, END))
slettet = MeldingskontoSlettet(**of_it)
besvart = MeldingBesvart(**of_it, svar_konto_id=UUID(int=2), svar_melding_id=UUID(int=8))


def levert(levering: UUID = FIRST) -> MeldingLevert:
    return MeldingLevert(**of_it, levering=levering)


def tilbake(grunn: Returgrunn = Returgrunn.TILBAKE, levering: UUID = FIRST) -> MeldingTilbakelevert:
    return MeldingTilbakelevert(**of_it, levering=levering, grunn=grunn)


def lagt_tilbake(forsok: int, pause: timedelta, when: datetime = WHEN) -> MeldingLagtTilbake:
    return MeldingLagtTilbake(**of_it, forsok=forsok, klar_fra=when + pause)


def test_a_message_waits_until_its_time_has_passed() -> None:
    given().when(sendt).then().runs(Deadline(FRIST, END))
    given(sendt).when(frist, END).then(utlopt).runs()


def test_an_acknowledgement_ends_it_and_what_comes_after_is_void() -> None:
    given(sendt, levert()).when(kvittert).then().runs()
    given(sendt, levert(), kvittert).when(frist, END).then()
    given(sendt, levert(), kvittert).when(tilbake()).then()
    given(sendt, frist, utlopt).when(kvittert).then()
    assert given(sendt, frist, utlopt, kvittert).state.status is Status.UTLOPT


def test_it_does_not_expire_in_somebodys_hands_but_when_it_comes_back() -> None:
    given(sendt, levert()).when(frist, END).then().runs()
    given(sendt, levert(), frist).when(tilbake(Returgrunn.AVBRUTT)).then(utlopt)
    assert given(sendt, levert(), frist, kvittert).state.status is Status.KVITTERT


def test_it_fails_when_its_account_is_deleted_or_once_it_comes_back_then() -> None:
    given(sendt).when(slettet).then(MeldingFeilet(**of_it, forsok=0)).runs()
    given(sendt, levert()).when(slettet).then().runs(Deadline(FRIST, END))
    given(sendt, levert(), slettet).when(tilbake(Returgrunn.AVBRUTT)).then(MeldingFeilet(**of_it, forsok=0))
    given(sendt, levert(), slettet, frist).when(tilbake()).then(MeldingFeilet(**of_it, forsok=1))
    given(sendt, levert(), slettet).when(kvittert).then().runs()
    given(sendt, frist, utlopt).when(slettet).then()


def test_it_rests_longer_after_each_failed_attempt_and_the_third_ends_it() -> None:
    assert PAUSES[0] < PAUSES[1]
    one = lagt_tilbake(1, PAUSES[0])
    given(sendt, levert()).when(tilbake()).then(one)
    two = lagt_tilbake(2, PAUSES[1])
    again = (sendt, levert(), tilbake(), one, levert(SECOND))
    given(*again).when(tilbake(Returgrunn.TAPT, SECOND)).then(two)
    last = (*again, tilbake(Returgrunn.TAPT, SECOND), two, levert(FIRST))
    given(*last).when(tilbake()).then(MeldingFeilet(**of_it, forsok=3)).runs()


@pytest.mark.parametrize(
    ("grunn", "seen"), [(Returgrunn.AVBRUTT, True), (Returgrunn.USETT, False), (Returgrunn.TILBAKE, True)]
)
def test_only_what_can_have_been_seen_is_redelivered(grunn: Returgrunn, seen: bool) -> None:
    assert given(sendt, levert(), tilbake(grunn)).state.sett is seen


@pytest.mark.parametrize("grunn", [Returgrunn.AVBRUTT, Returgrunn.USETT])
def test_what_says_nothing_of_the_receiver_is_no_attempt(grunn: Returgrunn) -> None:
    given(sendt, levert()).when(tilbake(grunn)).then(lagt_tilbake(0, timedelta(0)))


@pytest.mark.parametrize("grunn", [Returgrunn.AVBRUTT, Returgrunn.USETT])
def test_it_does_not_rest_again_after_what_is_no_attempt(grunn: Returgrunn) -> None:
    given(sendt, levert(), tilbake(), lagt_tilbake(1, PAUSES[0]), levert(SECOND)).when(tilbake(grunn, SECOND)).then(
        lagt_tilbake(1, timedelta(0))
    )


def test_a_return_counts_once_and_only_of_who_has_it() -> None:
    back = (sendt, levert(), tilbake(), lagt_tilbake(1, PAUSES[0]))
    given(*back).when(tilbake()).then()
    given(*back, levert(SECOND)).when(tilbake()).then()
    assert given(*back, tilbake(), levert(SECOND), tilbake()).state.forsok == 1


def test_an_answer_changes_nothing() -> None:
    assert given(sendt, besvart).state == given(sendt).state


events = st.one_of(
    *(
        of(kind).map(lambda event: msgspec.structs.replace(event, **of_it))
        for kind in get_args(MeldingEvent)
        if kind not in (MeldingLevert, MeldingTilbakelevert)
    ),
    st.builds(levert, st.sampled_from([FIRST, SECOND])),
    st.builds(tilbake, st.sampled_from(Returgrunn), st.sampled_from([FIRST, SECOND])),
)
facts = st.one_of(
    st.just(kvittert),
    st.just(avvist),
    st.just(frist),
    st.just(slettet),
    st.builds(levert, st.sampled_from([FIRST, SECOND])),
    st.builds(levert, st.sampled_from([FIRST, SECOND])),
    st.builds(tilbake, st.sampled_from(Returgrunn), st.sampled_from([FIRST, SECOND])),
    st.builds(tilbake, st.sampled_from(Returgrunn), st.sampled_from([FIRST, SECOND])),
)


@for_any(st.lists(events, max_size=30))
def test_what_has_ended_stays_so_and_every_repeat_is_void(history: list[Any]) -> None:
    state = Melding()
    for event in history:
        after = evolve(state, event)
        assert evolve(after, event) == after
        assert state.status in (*OPEN, None) or after == state
        assert after.status is not None or after == Melding()
        state = after


@settings(max_examples=300)
@for_any(st.lists(facts, max_size=25), st.lists(st.booleans(), max_size=40))
def test_every_message_ends_once_and_fails_after_three_attempts(happening: list[Any], crashes: list[bool]) -> None:
    log, crash = SimulatedLog(fiks_io), iter(crashes)
    log.happens(sendt)
    for fact in happening:
        log.happens(fact)
        log.work(fiks_io, commit=not next(crash, False))
    state = log.settle(fiks_io).state
    ends = [one.event for one in log.counted() if isinstance(one.event, MeldingUtlopt | MeldingFeilet)]
    note(f"status {state.status}")
    assert len(ends) <= 1
    assert (state.status in (Status.UTLOPT, Status.FEILET)) == bool(ends) or state.status in (
        Status.KVITTERT,
        Status.AVVIST,
    )
    assert state.forsok <= 3
    assert state.status is not Status.TILBAKE


@for_any(st.lists(facts, max_size=25), st.lists(st.booleans(), max_size=40), st.lists(st.integers(1, 9), max_size=9))
def test_the_table_is_the_deciders_own_state_whatever_the_batches(
    happening: list[Any], crashes: list[bool], sizes: list[int]
) -> None:
    log, crash = SimulatedLog(fiks_io), iter(crashes)
    log.happens(sendt)
    for fact in happening:
        log.happens(fact)
        log.work(fiks_io, commit=not next(crash, False))
    journal = log.settle(fiks_io)
    rows, steps, todo, cuts = Rows(), dict[int, bool](), iter(log.records), iter(sizes)
    while batch := list(islice(todo, next(cuts, 7))):
        rows = advance(rows, [Met(_viewed(one.event), one.at) for one in batch])
        steps |= {row[2]: row[7] for row in rows[STEG]}
    [row] = rows[TILSTAND]
    status, *state, last = row[3:12]
    assert Melding(Status(status), *state) == journal.state
    assert last == journal.last
    assert row[:3] == (KONTO, ID, 0)
    assert sorted(steps) == list(range(len(log.records))), "each event is a step"
    assert (
        reduce(evolve, [log.records[at].event for at, effect in sorted(steps.items()) if effect], Melding())
        == journal.state
    )


@pytest.mark.parametrize(
    ("history", "effects"),
    [
        ([sendt, levert(), sendt, levert(SECOND), kvittert, kvittert], [True, True, False, False, True, False]),
        ([sendt, levert(), tilbake(levering=SECOND), tilbake(), frist], [True, True, False, True, True]),
        ([sendt, frist, utlopt, kvittert, frist], [True, True, True, False, False]),
        ([sendt, kvittert, besvart, MeldingDestruert(**of_it)], [True] * 4),
    ],
)
def test_a_step_that_came_too_late_or_again_is_one_without_effect(history: list[Any], effects: list[bool]) -> None:
    log = SimulatedLog(fiks_io)
    for event in history:
        log.happens(event)
    found = advance(Rows(), [Met(_viewed(one.event), one.at) for one in log.records])[STEG]
    assert [effect for *_, effect, _, _ in sorted(found)] == effects


def _viewed(event: Any) -> Any:
    return decode(encode(event), Sendt) if isinstance(event, MeldingSendt) else event


@for_any(st.lists(events, max_size=10))
def test_a_state_can_be_stored(history: list[Any]) -> None:
    state = reduce(evolve, history, Melding())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Melding) == state


def test_a_deadline_says_of_which_message_it_is() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert expired(STREAM, Deadline(FRIST, at)) == MeldingsfristPassert(**of_it, utloper=at)
