"""The checker of the chaos runs catches what it is there to catch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from schemas.envelope import Position, Recorded, decided
from schemas.svarut import ForsendelseSendtAltinn, LestMeldt
from streams.domain.decider import Journal, step
from streams.domain.svarut import svarut
from tests.chaos.history import Call, judge
from tests.support.backbone import TOPIC, about, mottatt
from tests.support.given_when_then import WHEN

TYPES = ["ForsendelseMottatt", "ForsendelseAkseptert", "ForsendelseSendtAltinn"]
READ = [*TYPES, "ForsendelseLest"]


OWN = Call("call-0").report
"""The id of the call that reports the first forsendelse as read."""


def run(count: int = 3, reports: Sequence[str] = ()) -> dict[str, Any]:
    """A clean run: so many calls, and what each led to. The first was read, as calls with the ids ``reports`` say."""
    calls, log, statuser, hendelser = [], [], {}, {}
    for number in range(count):
        event = mottatt(ekstern_referanse=f"call-{number}")
        calls.append(Call(f"call-{number}", event.forsendelse_id))
        read = () if number else reports
        log += _stream(event, *(_report(event, one) for one in read), at=10 * number)
        statuser[event.forsendelse_id] = "LEST" if read else "SENDT_ALTINN"
        hendelser[event.forsendelse_id] = list(READ if read else TYPES)
    audited = Counter(tuple(one.at.position) for one in log)
    return {"calls": calls, "log": log, "statuser": statuser, "hendelser": hendelser, "audited": audited}


def _report(of: Any, correlation_id: str) -> Recorded:
    event = LestMeldt(forsendelse_id=of.forsendelse_id, fnr="15819000066", tidspunkt=WHEN)
    return Recorded(event, about(event, correlation_id=correlation_id))


def _stream(event: Any, *reports: Recorded, at: int) -> list[Recorded]:
    """The event, the reports, and all that is decided on each before the next."""
    journal, records = Journal(svarut.initial), []
    for fact in (Recorded(event, about(event)), *reports):
        met = fact
        while True:
            records.append(Recorded(met.event, replace(met.at, position=Position(TOPIC, 0, at))))
            journal, decision = step(svarut, journal, records[-1])
            at += 1
            if decision is None:
                break
            envelope = decided(decision.event, because=decision.because.at, cause=at - 1, source="urn:test")
            met = Recorded(decision.event, envelope)
    return records


def test_a_clean_run_is_clean() -> None:
    assert judge(**run()).clean


def test_an_unanswered_call_may_have_an_effect_or_none() -> None:
    found = run()
    found["calls"][0].answered = None
    found["calls"].append(Call("never arrived"))
    assert judge(**found).clean


def test_a_planted_loss_is_caught() -> None:
    found = run()
    found["calls"].append(Call("lost", uuid4()))
    assert judge(**found).lost == [f"call lost was answered {found['calls'][-1].answered}, which is not on the log"]


def test_a_planted_double_is_caught() -> None:
    found = run()
    again = mottatt(ekstern_referanse="call-0")
    records = _stream(again, at=100)
    found["log"] += records
    found["statuser"][again.forsendelse_id] = "SENDT_ALTINN"
    found["hendelser"][again.forsendelse_id] = list(TYPES)
    found["audited"].update(tuple(one.at.position) for one in records)
    assert judge(**found).doubled == ["call call-0 was received 2 times"]


def test_an_event_that_lies_on_the_log_twice_is_one() -> None:
    """Where the broker dies the producer may send again what was there: id and stream are the same."""
    found = run()
    again = found["log"][0]
    found["log"].append(Recorded(again.event, replace(again.at, position=Position(TOPIC, 0, 100))))
    found["audited"][TOPIC, 0, 100] = 1
    assert judge(**found).clean


def test_a_report_that_was_acknowledged_is_on_the_log() -> None:
    found = run(reports=[OWN])
    found["calls"][0].read = True
    assert judge(**found).clean


def test_an_unanswered_report_may_have_an_effect_or_none() -> None:
    assert judge(**run(reports=[OWN])).clean
    assert judge(**run()).clean


def test_a_planted_loss_of_a_report_is_caught() -> None:
    found = run()
    found["calls"][0].read = True
    assert judge(**found).lost == [f"{OWN} of {first(found)} was acknowledged, and is not on the log"]


def test_the_report_of_another_call_does_not_stand_for_one_that_is_lost() -> None:
    found = run(reports=["another"])
    found["calls"][0].read = True
    assert judge(**found).lost == [f"{OWN} of {first(found)} was acknowledged, and is not on the log"]
    assert judge(**found).other == [f"another of {first(found)} is on the log, and was never called"]


@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_planted_double_of_a_report_is_caught(acknowledged: bool) -> None:
    """Though nothing follows from the second, which the domain takes for a repeat."""
    found = run(reports=[OWN, OWN])
    found["calls"][0].read = acknowledged
    assert judge(**found).doubled == [f"{OWN} of {first(found)} is 2 times on the log"]


def test_a_report_that_lies_on_the_log_twice_is_one() -> None:
    found = run(reports=[OWN])
    [own] = [one for one in found["log"] if isinstance(one.event, LestMeldt)]
    found["log"].append(Recorded(own.event, replace(own.at, position=Position(TOPIC, 0, 100))))
    found["audited"][TOPIC, 0, 100] = 1
    assert judge(**found).clean


def first(found: dict[str, Any]) -> UUID:
    return found["calls"][0].answered


def test_a_row_that_is_missing_or_wrong_is_caught() -> None:
    found = run()
    found["statuser"][first(found)] = "AKSEPTERT"
    assert judge(**found).other
    del found["statuser"][first(found)]
    assert judge(**found).other


@pytest.mark.parametrize(
    ("history", "kind"),
    [(TYPES[:2], "lost"), ([*TYPES, TYPES[-1]], "doubled"), ([TYPES[0], TYPES[2], TYPES[1]], "reordered")],
)
def test_a_history_that_is_not_the_log_s_is_caught(history: list[str], kind: str) -> None:
    found = run()
    found["hendelser"][first(found)] = history
    assert getattr(judge(**found), kind)


@pytest.mark.parametrize(("lines", "kind"), [(0, "lost"), (2, "doubled")])
def test_the_audit_trail_has_each_event_once(lines: int, kind: str) -> None:
    found = run()
    found["audited"][TOPIC, 0, 0] = lines
    assert getattr(judge(**found), kind)


def test_a_fact_that_nothing_was_decided_on_is_caught() -> None:
    found = run()
    found["log"] = found["log"][:-1]
    found["statuser"][found["calls"][-1].answered] = "AKSEPTERT"
    found["hendelser"][found["calls"][-1].answered] = TYPES[:2]
    assert judge(**found).lost


def test_a_repeated_decision_is_no_double() -> None:
    found = run(1)
    last = found["log"][-1]
    assert isinstance(last.event, ForsendelseSendtAltinn)
    repeat = Recorded(last.event, replace(last.at, position=Position(TOPIC, 0, 7)))
    found["log"].append(repeat)
    found["audited"][TOPIC, 0, 7] = 1
    assert judge(**found).clean
