"""The checker of messages in the chaos runs catches what it is there to catch."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace as changed

from gateway.fiks_io import Content, dokument_with
from schemas.envelope import Position, Recorded, fact
from schemas.fiks_io import (
    MeldingBesvart,
    MeldingDestruert,
    MeldingFeilet,
    MeldingKvittert,
    MeldingSendt,
    MeldingUtlopt,
)
from streams.domain.fiks_io import Status
from tests.chaos.messages import Act, Handed, Sent, endings, judge_large, judge_messages, never_seen
from tests.support.given_when_then import WHEN
from tests.support.queues import sendt

KONTO = UUID(int=1)


def met(*events: Any) -> list[Recorded]:
    """The events on one partition, in order."""
    about = [fact(event, time=WHEN, id=str(uuid4()), source="test") for event in events]
    return [
        Recorded(event, changed(at, position=Position("fiks.io", 0, number)))
        for number, (event, at) in enumerate(zip(events, about, strict=True))
    ]


def message(**fields: Any) -> MeldingSendt:
    return sendt(KONTO, klient_melding_id=uuid4(), ttl=timedelta(hours=1), **fields)


def end_of(one: MeldingSendt, kind: type[Any], **fields: Any) -> list[Any]:
    of: dict[str, Any] = {"mottaker_konto_id": one.mottaker_konto_id, "melding_id": one.melding_id}
    return [kind(**of, **fields), MeldingDestruert(**of)]


def notice(about: MeldingSendt, kind: str) -> list[Any]:
    made = sendt(about.avsender_konto_id, plattform=True, svar_pa_melding=about.melding_id, melding_type=kind)
    return [made, *end_of(made, MeldingKvittert)]


def run() -> dict[str, Any]:
    """A clean run: one acknowledged, one expired, one failed; both notices were acknowledged."""
    acked, expired, failed = message(), message(), message()
    told = [notice(expired, "no.ks.fiks.kvittering.tidsavbrudd"), notice(failed, "no.ks.fiks.kvittering.serverfeil.v1")]
    events = [
        *(acked, *end_of(acked, MeldingKvittert)),
        *(expired, *end_of(expired, MeldingUtlopt), *told[0]),
        *(failed, *end_of(failed, MeldingFeilet, forsok=3), *told[1]),
    ]
    handed = [Handed(one.melding_id, redelivered=False, act=Act.ACK) for one in (acked, told[0][0], told[1][0])]
    handed += [Handed(failed.melding_id, redelivered=number > 0, act=Act.REQUEUE) for number in range(3)]
    sent = [Sent(one.klient_melding_id or uuid4(), answered=one.melding_id) for one in (acked, expired, failed)]
    return {"sent": sent, "handed": handed, "log": met(*events)}


def judged(**changes: Any) -> Any:
    return judge_messages(**(run() | changes))


def test_a_clean_run_is_clean() -> None:
    assert judged().clean


def test_what_a_run_never_showed_is_told() -> None:
    ended = endings(run()["log"])
    assert ended == {Status.KVITTERT: 1, Status.UTLOPT: 1, Status.FEILET: 1}, "the platform's own do not count"
    assert never_seen(run()["handed"], ended, run()["log"]) == [
        "no message ended as AVVIST",
        "no consumer did nack",
        "no consumer did drop",
        "no message was answered",
    ]
    every = [Handed(UUID(int=1), redelivered=False, act=act) for act in Act]
    log = dialogue()["log"]
    assert never_seen(every, ended | Counter({Status.AVVIST: 1}), log) == ["no message was redelivered"]


def test_a_message_that_is_lost() -> None:
    assert judged(log=[]).lost


def test_a_message_that_never_ends() -> None:
    one = message()
    assert judged(log=met(one), sent=[Sent(one.klient_melding_id or uuid4(), answered=one.melding_id)], handed=[]).lost


def test_a_call_that_was_taken_twice() -> None:
    one = message()
    events = [made for two in (one, changed(one, melding_id=uuid4())) for made in (two, *end_of(two, MeldingKvittert))]
    assert judged(log=met(*events), sent=[Sent(one.klient_melding_id or uuid4())], handed=[]).doubled


def test_a_message_that_was_sent_again_is_the_first_one() -> None:
    one = message()
    log = met(one, changed(one, ttl=1), *end_of(one, MeldingKvittert))
    acted = [Handed(one.melding_id, redelivered=False, act=Act.ACK)]
    assert one.klient_melding_id
    calls = [Sent(one.klient_melding_id, answered=id_) for id_ in (one.melding_id, one.melding_id, None)]
    assert judged(log=log, sent=calls, handed=acted).clean
    assert judged(log=log, sent=[*calls, Sent(one.klient_melding_id, answered=uuid4())], handed=acted).lost


def large() -> dict[str, Any]:
    """A clean run of one whose content goes by Dokumentlager, and of one whose content came that far alone."""
    one = message(dokumentlager_id=UUID(int=2))
    kept, alone = [dokument_with(Content(id_, "blob", 6_000_000, "0" * 64), one) for id_ in (UUID(int=2), UUID(int=3))]
    return {
        "sent": [Sent(one.klient_melding_id or uuid4(), "0" * 64, one.melding_id), Sent(uuid4(), "1" * 64)],
        "log": [one, message()],
        "documents": [kept, alone],
        "contents": {kept.dokument_id: "0" * 64, alone.dokument_id: None},
    }


def test_a_clean_run_of_large_ones_is_clean() -> None:
    assert judge_large(**large()).clean


@pytest.mark.parametrize(("content", "kind"), [(None, "lost"), ("1" * 64, "other")])
def test_a_message_whose_content_is_gone_or_anothers(content: str | None, kind: str) -> None:
    run_ = large()
    run_["contents"] |= {run_["documents"][0].dokument_id: content}
    assert getattr(judge_large(**run_), kind)


def test_a_message_without_the_content_that_came_with_it() -> None:
    run_ = large()
    run_["log"][0] = changed(run_["log"][0], dokumentlager_id=None)
    assert judge_large(**run_).lost


def test_a_document_of_a_message_that_nobody_sent() -> None:
    run_ = large()
    run_["contents"] |= {run_["documents"][1].dokument_id: "2" * 64}
    assert judge_large(**run_).other


@pytest.mark.parametrize("notices", [0, 2])
def test_a_sender_who_is_told_of_an_expiry_not_once(notices: int) -> None:
    one = message()
    told = [event for _ in range(notices) for event in notice(one, "no.ks.fiks.kvittering.tidsavbrudd")]
    verdict = judged(log=met(one, *end_of(one, MeldingUtlopt), *told), sent=[], handed=[])
    assert verdict.doubled if notices else verdict.lost


def test_a_sender_who_is_not_told_of_which_dialogue_a_message_was() -> None:
    one = message()
    told, *rest = notice(one, "no.ks.fiks.kvittering.tidsavbrudd")
    silent = changed(told, headere=())
    events, handed = met(one, *end_of(one, MeldingUtlopt), silent, *rest), [Handed(told.melding_id, False, Act.ACK)]
    assert one.klient_melding_id
    call = Sent(one.klient_melding_id, answered=one.melding_id)
    assert judged(log=events, sent=[call], handed=handed).clean, "it may name none"
    call.in_dialogue = True
    assert judged(log=events, sent=[call], handed=handed).lost
    whole = met(*(told if one.event is silent else one.event for one in events))
    assert judged(log=whole, sent=[call], handed=handed).clean


def dialogue() -> dict[str, Any]:
    """A clean run of a question and its answer."""
    asked = message()
    answer = sendt(asked.avsender_konto_id, avsender_konto_id=KONTO, svar_pa_melding=asked.melding_id)
    noted = {"mottaker_konto_id": KONTO, "melding_id": asked.melding_id, "svar_konto_id": answer.mottaker_konto_id}
    besvart = MeldingBesvart(**noted, svar_melding_id=answer.melding_id)
    events = (asked, *end_of(asked, MeldingKvittert), answer, besvart, *end_of(answer, MeldingKvittert))
    handed = [Handed(one.melding_id, redelivered=False, act=Act.ACK) for one in (asked, answer)]
    return {"sent": [], "handed": handed, "log": met(*events)}


def test_an_answer_is_noted_once_however_often_that_is_said() -> None:
    run_ = dialogue()
    assert judge_messages(**run_).clean
    [besvart] = [one for one in run_["log"] if isinstance(one.event, MeldingBesvart)]
    rest = [one for one in run_["log"] if one is not besvart]
    assert judge_messages(**(run_ | {"log": [*rest, besvart, besvart]})).clean
    again = Recorded(besvart.event, changed(besvart.at, id="another"))
    assert judge_messages(**(run_ | {"log": [*rest, besvart, again]})).doubled
    assert judge_messages(**(run_ | {"log": rest})).lost
    strange = Recorded(changed(besvart.event, svar_melding_id=uuid4()), besvart.at)
    assert judge_messages(**(run_ | {"log": [*run_["log"], strange]})).other


def test_a_failure_that_no_consumer_knows_of() -> None:
    run_ = run()
    assert judge_messages(**(run_ | {"handed": run_["handed"][:-1]})).other


@pytest.mark.parametrize("act", [None, Act.REQUEUE], ids=["never seen", "given back"])
def test_an_end_that_no_consumer_knows_of(act: Act | None) -> None:
    run_ = run()
    first, *rest = run_["handed"]
    seen = [] if act is None else [Handed(first.melding_id, redelivered=False, act=act)]
    assert judge_messages(**(run_ | {"handed": [*seen, *rest]})).other


def test_a_redelivery_that_is_not_called_one() -> None:
    run_ = run()
    silent = [Handed(one.melding_id, redelivered=False, act=one.act) for one in run_["handed"]]
    assert judge_messages(**(run_ | {"handed": silent})).other
