"""What a client that is not ours may write to a topic is passed over or set aside, and ends no process."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.auth.memory import Memory
from projections import sweeping
from projections.dokumentlager_slettinger import Destruering, Slettinger
from projections.effects import Effecting
from projections.fiks_io_kvitteringer import Kvitteringer
from projections.fiks_io_nedleggelser import Nedleggelser
from projections.projecting import with_personal, writes_of
from projections.projection import projections
from schemas.codec import encode
from schemas.envelope import REQUIRED, TEXTS, fact
from schemas.errors import NotYetKnown, Unreadable
from schemas.topics import COMMON
from streams.agents import _traceparent
from streams.dead_letters import OURS, DeadLetter, DeadLetters, _letter
from streams.domain.errors import TooLarge
from streams.log import LARGEST
from streams.records import recorded
from tests.support.events import any_event
from tests.support.given_when_then import WHEN
from tests.support.records import Record

NO_VALUES = [(name, None) for name in (*REQUIRED, "traceparent", "cause")]
names = st.sampled_from([*sorted(TEXTS), "ce_time", "ce_level", "cause", *OURS.values()]) | st.text(max_size=9)
any_headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=30)), max_size=9)
NOTHING = cast(Any, None)
EFFECTS: list[Effecting] = [
    made(NOTHING, NOTHING, NOTHING) for made in (Destruering, Slettinger, Kvitteringer, Nedleggelser)
]
REFUSED = (Unreadable, NotYetKnown)


@st.composite
def any_record(draw: st.DrawFn) -> Record:
    """An event of ours, or anything else, with any headers beside or instead of those that it has."""
    event = draw(any_event)
    ours: list[Any] = fact(event, time=WHEN, id="1", source="test").headers()
    headers = draw(st.permutations([*ours, *draw(any_headers)]) | any_headers)
    value = draw(st.just(encode(event)) | st.binary(max_size=30))
    return Record("fiks.io", 0, 0, draw(st.binary(max_size=9)), value, cast(Any, headers))


@given(any_record())
@example(Record("fiks.io", 0, 0, b"", b"", cast(Any, NO_VALUES)))
def test_every_role_reads_it_or_refuses_it(record: Record) -> None:
    _traceparent(cast(Any, record))
    with suppress(*REFUSED):
        recorded(record)
    with suppress(*REFUSED):
        writes_of([[cast(Any, record)]], list(projections().values()))
    with suppress(*REFUSED):
        with_personal([[cast(Any, record)]], list(projections().values()))
    for effect in EFFECTS:
        with suppress(*REFUSED):
            effect._wanted(record)


@given(any_record())
@example(Record("fiks.konfigurasjon", 0, 0, b"", b"", cast(Any, NO_VALUES)))
def test_the_memory_of_a_gateway_passes_it_over_or_waits(record: Record) -> None:
    with suppress(NotYetKnown):
        Memory("127.0.0.1:1")._receive(cast(Any, record))


@given(any_record())
@example(Record("fiks.io", 0, 0, b"", b"", cast(Any, NO_VALUES)))
def test_the_sweeper_reads_its_dead_letter_or_waits(record: Record) -> None:
    letter = DeadLetter("fiks.io", 0, 0, {"projections": "x"}, record.key, record.value, record.headers)
    with pytest.MonkeyPatch.context() as patch, suppress(*sweeping.PASSING):
        patch.setattr(sweeping, "letters", lambda _bootstrap, topic: [letter] if topic == "fiks.io" else [])
        sweeping.named_in_dead_letters("127.0.0.1:1")


class _Message:
    """As confluent-kafka has it."""

    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def headers(self) -> Any:
        return self._headers

    def key(self) -> bytes:
        return b"k"

    value = key


class _Log:
    """Keeps what it is sent, if that is small enough."""

    def __init__(self) -> None:
        self.kept: list[_Message] = []

    async def send(self, _topic: str, key: bytes, value: bytes | None, headers: Any) -> None:
        if sum(len(name) + len(said or b"") for name, said in headers) + len(key) + len(value or b"") > LARGEST:
            raise TooLarge("too large")
        self.kept.append(_Message(headers))


@given(any_headers)
@example([("x", b"x" * LARGEST)])
@example([(OURS["role"], None)])
async def test_it_can_be_set_aside_and_the_letter_read(headers: list[Any]) -> None:
    """A topic takes larger records than we write."""
    assert int(COMMON["max.message.bytes"]) > LARGEST
    log = _Log()
    await DeadLetters(cast(Any, log)).append("role", cast(Any, Record("fiks.io", 3, 17, b"k", b"", headers)), "reason")
    [message] = log.kept
    letter = _letter("fiks.io", cast(Any, message))
    assert letter is not None
    assert (letter.number, dict(letter.reasons)) == ("3-17", {"role": "reason"})


@given(any_headers)
@example([(OURS["topic"], b"fiks.io"), (OURS["partition"], b"x"), (OURS["offset"], b"1")])
@example([(OURS["topic"], b"fiks.io"), (OURS["partition"], b"1"), (OURS["offset"], b"")])
@example([(OURS["topic"], b"fiks.io"), (OURS["partition"], b"1"), (OURS["offset"], None)])
@example([(OURS["topic"], b"another"), (OURS["partition"], b"1"), (OURS["offset"], b"1")])
def test_what_tells_no_place_of_its_topic_is_no_letter(headers: list[Any]) -> None:
    letter = _letter("fiks.io", cast(Any, _Message(headers)))
    assert letter is None or dict(headers)[OURS["topic"]] == b"fiks.io"
