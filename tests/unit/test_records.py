"""What a record must be to be an event: whoever may write to a topic may write anything."""

from __future__ import annotations

from uuid import UUID

import pytest

from projections.projecting import writes_of
from projections.projection import projections
from projections.svarut_status import Mottatt
from schemas.catalogue import part
from schemas.codec import MAGIC, PREFIX, decode, encode
from schemas.errors import NotYetKnown, Unreadable
from schemas.registry import by_id
from schemas.svarut import ForsendelseAkseptert
from streams.records import envelope_of, event_of, recorded
from tests.support.backbone import TOPIC, about, mottatt
from tests.support.records import Record

EVENT = mottatt()
ABOUT = about(EVENT)
ANOTHER = encode(ForsendelseAkseptert(forsendelse_id=EVENT.forsendelse_id))
OTHERS = [id_ for id_, schema in by_id().items() if schema.name != ABOUT.type]


def record(value: bytes = encode(EVENT), topic: str = TOPIC) -> Record:
    """A record with the headers of a letter."""
    return Record(topic, 0, 7, ABOUT.stream.encode(), value, ABOUT.headers())


def test_an_event_is_read_as_what_it_is() -> None:
    assert recorded(record()).event == EVENT


@pytest.mark.parametrize("topic", ["fiks.io", "fiks.konfigurasjon"])
def test_an_event_on_a_topic_that_is_not_its_own_is_none(topic: str) -> None:
    """Who decides there knows no such event, and would stop at it for ever."""
    with pytest.raises(Unreadable, match=rf"an event of the type {ABOUT.type} lies on {TOPIC} alone"):
        envelope_of(record(topic=topic))


def test_a_value_of_another_type_than_the_headers_say_is_none() -> None:
    with pytest.raises(Unreadable, match=f"is of ForsendelseAkseptert, but the headers say {ABOUT.type}"):
        recorded(record(ANOTHER))


@pytest.mark.parametrize("view", [None, Mottatt])
def test_an_event_of_another_stream_than_the_headers_say_is_none(view: type | None) -> None:
    """Whoever may write to the topic could else decide about a letter from a stream, and a partition, of his own."""
    read = record(encode(mottatt()))
    with pytest.raises(Unreadable, match="the ForsendelseMottatt is of another stream than its headers name"):
        event_of(read, envelope_of(read), view)


def test_a_view_that_does_not_tell_its_stream_is_read() -> None:
    @part
    class Konto:
        konto_id: UUID

    assert event_of(record(), envelope_of(record()), Konto) == Konto(konto_id=EVENT.konto_id)


@pytest.mark.parametrize("schema_id", OTHERS)
def test_no_schema_of_another_type_stops_who_reads_a_part_of_the_event(schema_id: int) -> None:
    """It may have none of the fields that are looked at."""
    value = PREFIX.pack(MAGIC, schema_id) + b"\0" * 50
    with pytest.raises(Unreadable):
        decode(value, Mottatt, ABOUT.type)
    with pytest.raises(Unreadable):
        writes_of([[record(value)]], list(projections().values()))


def test_a_schema_of_a_newer_release_is_waited_for_whatever_its_type() -> None:
    with pytest.raises(NotYetKnown):
        decode(PREFIX.pack(MAGIC, max(by_id()) + 1), Mottatt, ABOUT.type)


def test_what_no_release_wrote_is_unreadable_to_the_first_that_gives_its_schema_to_another_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = max(by_id()) + 1000
    value = PREFIX.pack(MAGIC, unknown) + b"no event"
    with pytest.raises(NotYetKnown):
        recorded(record(value))
    monkeypatch.setattr("schemas.codec.by_id", lambda: by_id() | {unknown: by_id()[OTHERS[0]]})
    with pytest.raises(Unreadable, match="but the headers say"):
        recorded(record(value))
