"""Deciding on a simulated log: however its records come to lie, the same follows from the same facts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import event, given, settings
from hypothesis import strategies as st

from schemas.svarut import (
    AltinnKvittert,
    ForsendelseAkseptert,
    ForsendelseAvvist,
    ForsendelseLest,
    ForsendelseLevertAltinn,
    ForsendelseMottatt,
    ForsendelseSendtAltinn,
    ForsendelseSendtPrint,
    ForsendelseSendtSdp,
    FristUtlopt,
    LestMeldt,
    StansBegjart,
    SvarUtEvent,
)
from streams.domain.decider import Decider, Journal
from streams.domain.svarut import Forsendelse, react, svarut
from streams.domain.svarut_status import STATUS_OF, Status, may_follow
from tests.support.events import FORSENDELSE, WHEN, mottatt, receptions, reports
from tests.support.simulated_log import SimulatedLog, one_at_a_time, read

lest = LestMeldt(forsendelse_id=FORSENDELSE, fnr="26867396532", tidspunkt=WHEN)
stans = StansBegjart(forsendelse_id=FORSENDELSE)


def _otherwise(forsendelse: Forsendelse, met: SvarUtEvent, time: datetime) -> Any:
    """Another release: it decides something else, nothing where we decide, and something where we do not."""
    match met, forsendelse.status:
        case ForsendelseMottatt(taushetsbelagt_post=True), Status.MOTTATT:
            return ForsendelseAvvist(forsendelse_id=FORSENDELSE, feil=())
        case ForsendelseAkseptert(), Status.AKSEPTERT if forsendelse.lesefrist_timer != 40:
            return ForsendelseSendtSdp(forsendelse_id=FORSENDELSE)
        case LestMeldt() | FristUtlopt(), _:
            return None
        case StansBegjart(), Status.KLAR_FOR_MOTTAK | Status.LEVERT_ALTINN:
            return ForsendelseLest(forsendelse_id=FORSENDELSE, tidspunkt=time)
        case _:
            return react(forsendelse, met, time)


other = replace(svarut, react=_otherwise)


@dataclass(frozen=True)
class Work:
    """A worker of one of the releases does some work."""

    release: int
    batch: int
    behind: int
    commit: bool


@dataclass(frozen=True)
class Repeat:
    """A fact is appended once more, under its own id."""

    which: int


@dataclass(frozen=True)
class Expire:
    """What has run out is appended, by whoever owns the partition."""


works = st.builds(Work, st.integers(0, 1), st.integers(1, 5), st.sampled_from([0, 0, 1, 3, 9]), st.booleans())
happenings = st.lists(
    st.one_of(works, works, reports, reports, receptions, st.builds(Repeat, st.integers(0, 9)), st.just(Expire())),
    max_size=40,
)


def _played(first: ForsendelseMottatt, happening: list[Any], releases: list[Decider[Any]]) -> SimulatedLog:
    log = SimulatedLog(svarut)
    log.happens(first)
    for one in happening:
        match one:
            case Work():
                log.work(releases[one.release], batch=one.batch, behind=one.behind, commit=one.commit)
            case Repeat():
                repeated = log.facts()[one.which % len(log.facts())]
                log.happens(repeated.event, repeated.at.id)
            case Expire():
                for deadline in svarut.deadlines(log.checkpoints[-1][1].state):
                    log.happens(svarut.expired(str(FORSENDELSE), deadline))
            case _:
                log.happens(one)
    return log


@settings(max_examples=400)
@given(receptions, happenings)
def test_whenever_decisions_are_read_back_they_are_those_of_one_fact_at_a_time(first, happening):
    log = _played(first, happening, [svarut, svarut])
    journal = log.settle(svarut)
    state, decisions = one_at_a_time(svarut, log.facts())
    event(f"status {state.status}")
    assert [one.event for one in log.counted()] == decisions
    assert journal == Journal(state, journal.last, correlation=log.records[0].at.correlation_id)


@settings(max_examples=400)
@given(receptions, happenings, st.sampled_from([svarut, other]))
def test_releases_that_decide_otherwise_agree_on_what_counts(first, happening, last):
    log = _played(first, happening, [svarut, other])
    journal = log.settle(last)
    counted = [one.at.position.offset for one in log.counted()]
    event(f"releases differ: {len(log.records) - len(log.facts()) > len(counted)}")
    assert journal.backlog == ()
    assert journal.last == max(counted, default=-1)
    in_order = [one.event for one in log.records if one.at.cause is None or one.at.position.offset in counted]
    assert journal.state == reduce(svarut.evolve, in_order, svarut.initial)
    for release in (svarut, other):
        assert read(release, log.records).state == journal.state


@given(receptions, happenings)
def test_what_counts_is_a_chain_of_statuses_that_may_follow_each_other(first, happening):
    log = _played(first, happening, [svarut, other])
    journal = log.settle(svarut)
    chain = [Status.MOTTATT, *(STATUS_OF[type(one.event)] for one in log.counted())]
    assert all(may_follow(before, after) for before, after in pairwise(chain))
    assert journal.state.status is chain[-1]


@given(receptions, happenings)
def test_a_journal_can_be_stored(first, happening):
    state = _played(first, happening, [svarut, other]).settle(svarut).state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Forsendelse) == state
    assert msgspec.json.decode(msgspec.json.encode(state), type=Forsendelse) == state


def test_a_fact_that_comes_while_a_decision_is_under_way_waits_its_turn():
    log = SimulatedLog(svarut)
    log.happens(mottatt())
    log.happens(lest)
    log.settle(svarut)
    assert [type(one.event) for one in log.records] == [
        ForsendelseMottatt,
        LestMeldt,
        ForsendelseAkseptert,
        ForsendelseSendtAltinn,
        ForsendelseLest,
    ]


def test_each_fact_is_decided_on_once():
    tireless = replace(svarut, react=lambda _, met, __: said_again if isinstance(met, AltinnKvittert) else None)
    said_again = ForsendelseLevertAltinn(forsendelse_id=FORSENDELSE)
    log = SimulatedLog(svarut)
    for _ in range(3):
        log.happens(AltinnKvittert(forsendelse_id=FORSENDELSE))
    log.settle(tireless)
    assert [one.event for one in log.counted()] == [said_again] * 3
    assert len({one.at.id for one in log.counted()}) == 3


def test_a_crash_between_append_and_commit_repeats_the_decision_under_its_id_and_it_counts_once():
    log = SimulatedLog(svarut)
    log.happens(mottatt())
    log.work(svarut, commit=False)
    journal = log.settle(svarut)
    first, again = [one for one in log.records if isinstance(one.event, ForsendelseAkseptert)]
    assert (first.at.id, first.at.cause) == (again.at.id, again.at.cause)
    assert [type(one.event) for one in log.counted()] == [ForsendelseAkseptert, ForsendelseSendtAltinn]
    assert journal.state.status is Status.SENDT_ALTINN


def _deaf(forsendelse: Forsendelse, met: SvarUtEvent, time: datetime) -> Any:
    return None if isinstance(met, StansBegjart) else react(forsendelse, met, time)


def _eager(forsendelse: Forsendelse, met: SvarUtEvent, time: datetime) -> Any:
    if isinstance(met, StansBegjart) and forsendelse.status is Status.SENDT_ALTINN:
        return ForsendelseSendtPrint(forsendelse_id=FORSENDELSE, manuell=True)
    return react(forsendelse, met, time)


deaf, eager = replace(svarut, react=_deaf), replace(svarut, react=_eager)
"""Two releases: in a stop, the one sees nothing to decide, the other does."""


def _stopped_and_read() -> SimulatedLog:
    log = SimulatedLog(svarut)
    log.happens(mottatt())
    log.settle(svarut)
    log.happens(stans)
    log.happens(lest)
    return log


def test_a_decision_counts_where_we_see_nothing_to_decide_and_what_it_overtook_is_asked_about_again():
    log = _stopped_and_read()
    log.work(eager, commit=False)
    log.work(deaf, batch=2)
    because_of_stop, because_of_lest = log.records[-2:]
    journal = log.settle(deaf)
    assert because_of_stop in log.counted()
    assert because_of_lest not in log.counted()
    assert [type(one.event) for one in log.counted()][-2:] == [ForsendelseSendtPrint, ForsendelseLest]
    assert journal.state.status is Status.LEST


def test_a_decision_of_a_worker_that_did_not_know_the_last_one_is_void():
    log = _stopped_and_read()
    log.work(deaf, batch=2)
    log.work(eager, behind=1)
    because_of_lest, because_of_stop = log.records[-2:]
    journal = log.settle(eager)
    assert because_of_lest == log.counted()[-1]
    assert because_of_stop not in log.counted()
    assert journal.state.status is Status.LEST
