"""The codec over the whole catalogue: what is written is read, by other releases too, and nothing else passes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from schemas import codec, registry
from schemas.catalogue import PERSONAL, EventType, event_type, part
from schemas.codec import PREFIX, decode, encode
from schemas.derive import derive, fields_of
from schemas.envelope import Envelope, Position, fault_in, read_envelope
from schemas.errors import NotYetKnown, Unreadable
from schemas.personal import map_personal
from schemas.registry import Released
from streams.records import envelope_of
from tests.support.events import any_event
from tests.support.records import Record

OLDER, NEWER = 100_000, 200_000
"""Added to a schema id: the same schema before its optional fields came, and with a field that we do not know."""

schema_ids = st.sampled_from(sorted(registry.by_id()))


@pytest.fixture(scope="module", autouse=True)
def _other_releases() -> Iterator[None]:
    """Let the codec know, of each schema, an older and a newer version."""
    known = {
        one.id + shift: Released(one.id + shift, one.subject, one.version, change(one.schema))
        for one in registry.released()
        for shift, change in ((0, lambda schema: schema), (OLDER, _older), (NEWER, _newer))
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "by_id", lambda: known)
        yield
    codec._reader.cache_clear()
    codec._parsed.cache_clear()


def _older(schema: Any) -> Any:
    return _changed_records(schema, lambda its: [field for field in its if "default" not in field])


def _newer(schema: Any) -> Any:
    news = [{"name": "nyhet", "type": "string", "default": "noe nytt"}]
    return _changed_records(schema, lambda its: [*news, *its, *({**one, "name": "mer"} for one in news)])


def _changed_records(schema: Any, change: Any) -> Any:
    if isinstance(schema, list):
        return [_changed_records(one, change) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _changed_records(schema[key], change) for key in ("type", "items", "values") if key in schema}
    if schema["type"] == "record":
        inner["fields"] = [_changed_records(field, change) for field in change(schema["fields"])]
    return {**schema, **inner}


def _written_with(shift: int, event: object) -> bytes:
    schema_id = registry.newest()[event_type(event).name].id + shift
    out = io.BytesIO(PREFIX.pack(0, schema_id))
    out.seek(PREFIX.size)
    datum = msgspec.to_builtins(event, builtin_types=(datetime, bytes))
    fastavro.schemaless_writer(out, codec._parsed(schema_id), datum, disable_tuple_notation=True)
    return out.getvalue()


def _without_what_is_optional(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_without_what_is_optional(one) for one in value)
    if not isinstance(value, msgspec.Struct):
        return value
    required = [field.name for field, _ in fields_of(type(value)) if field.required]
    return type(value)(**{name: _without_what_is_optional(getattr(value, name)) for name in required})


@given(any_event)
def test_what_is_written_is_read(event):
    assert decode(encode(event)) == event


@given(any_event)
def test_what_an_older_release_wrote_is_read_with_defaults(event):
    assert decode(_written_with(OLDER, event)) == _without_what_is_optional(event)


@part
class Newest:
    """A view whose fields came later than any schema."""

    kom_sist: int = 7


@given(any_event)
def test_a_view_that_is_newer_than_what_was_written_has_its_defaults(event):
    assert decode(encode(event), Newest) == Newest()


@given(any_event)
def test_what_a_newer_release_wrote_is_read_without_what_is_new(event):
    written = _written_with(NEWER, event)
    assert b"noe nytt" in written
    assert decode(written) == event


def test_a_new_value_of_an_enumeration_is_a_new_schema_for_which_an_older_release_waits():
    def schema(*values: str) -> Any:
        kind = StrEnum("Kind", values)
        return derive(EventType(msgspec.defstruct("Said", [("kind", kind)], module=__name__), "topic", "kind"))

    assert schema("A") != schema("A", "B")
    assert fastavro.parse_schema(schema("A"))["fields"][0]["type"]["type"] == "string"


@given(any_event, st.data())
def test_what_is_cut_short_is_unreadable(event, data):
    written = encode(event)
    with pytest.raises(Unreadable):
        decode(written[: data.draw(st.integers(0, len(written) - 1))])


@given(any_event, st.binary(min_size=1, max_size=9))
def test_what_is_too_long_is_unreadable(event, more):
    with pytest.raises(Unreadable):
        decode(encode(event) + more)


@given(st.binary(max_size=40) | st.builds(lambda one, body: PREFIX.pack(0, one) + body, schema_ids, st.binary()))
def test_garbage_is_unreadable_or_not_yet_known_and_nothing_else(garbage):
    _read_or_refused(garbage)


@given(any_event, st.data())
def test_a_damaged_byte_is_read_as_something_or_refused_and_nothing_else(event, data):
    written = bytearray(encode(event))
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    _read_or_refused(bytes(written))


def _read_or_refused(value: bytes) -> None:
    try:
        event = decode(value)
    except (Unreadable, NotYetKnown):
        return
    assert decode(encode(event)) == event


def test_a_tombstone_is_unreadable():
    with pytest.raises(Unreadable):
        decode(None)


@given(st.integers(300_000, 2**32 - 1), st.binary(max_size=20))
def test_a_schema_that_only_a_newer_release_has_is_waited_for(schema_id, body):
    with pytest.raises(NotYetKnown):
        decode(PREFIX.pack(0, schema_id) + body)


# --- Personal text ----------------------------------------------------------------------------------------------------


def _sealed(text: str, _path: str = "") -> str:
    return f"sealed:{text}"


@given(any_event)
def test_every_personal_text_is_changed_and_nothing_else(event):
    """Held against the schema that goes out to the world, since that is where others see what is personal."""
    schema = derive(event_type(event))
    expected = _sealed_by_schema(schema, msgspec.to_builtins(event), dict(_records(schema)))
    assert msgspec.to_builtins(map_personal(event, _sealed)) == expected


@given(any_event)
def test_what_was_changed_on_the_way_out_is_changed_back_on_the_way_in(event):
    sealed = decode(encode(map_personal(event, _sealed)))
    assert map_personal(sealed, lambda text, _path: text.removeprefix("sealed:")) == event


def _sealed_by_schema(schema: Any, datum: Any, records: dict[str, Any]) -> Any:
    if datum is None:
        return None
    if isinstance(schema, list):
        return _sealed_by_schema(schema[1], datum, records)
    if isinstance(schema, str):
        return _sealed_by_schema(records[schema], datum, records) if schema in records else datum
    if schema["type"] == "record":
        return {one["name"]: _sealed_by_schema(one["type"], datum[one["name"]], records) for one in schema["fields"]}
    if schema["type"] == "array":
        return tuple(_sealed_by_schema(schema["items"], one, records) for one in datum)
    return _sealed(datum) if PERSONAL in schema else datum


def _records(schema: Any) -> Iterator[tuple[str, Any]]:
    """The records that are defined in a schema, by full name."""
    for one in schema if isinstance(schema, list) else [schema]:
        if isinstance(one, dict):
            if one.get("type") == "record":
                yield f"{one['namespace']}.{one['name']}", one
            for inner in (*one.get("fields", ()), one.get("items"), one.get("type")):
                yield from _records(inner)


# --- Envelope ---------------------------------------------------------------------------------------------------------

POSITION = Position("fiks.svarut", 3, 14)
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
OPTIONAL = {"causation_id", "legal_basis", "traceparent", "actor", "on_behalf_of", "supplier", "integration"}
times = st.datetimes(timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))))

envelopes = st.builds(
    Envelope,
    **{one.name: st.none() | texts if one.name in OPTIONAL else texts for one in fields(Envelope)}
    | {
        "time": times,
        "level": st.sampled_from([None, 3, 4]),
        "cause": st.none() | st.integers(0, 2**63 - 1),
        "position": st.just(POSITION),
    },
)


@given(envelopes)
def test_an_envelope_is_read_as_it_was_written(envelope):
    headers = envelope.headers()
    assert len({name for name, _ in headers}) == len(headers)
    assert read_envelope(headers, POSITION) == envelope


@given(envelopes, st.data())
def test_headers_of_something_else_are_refused(envelope, data):
    headers = dict(envelope.headers())
    name = data.draw(st.sampled_from(sorted(headers)))
    headers |= {name: data.draw(st.binary(max_size=30))}
    dropped = data.draw(st.sampled_from(sorted(headers)))
    del headers[dropped]
    try:
        read = read_envelope(headers.items(), POSITION)
    except (KeyError, ValueError, OverflowError):
        assert fault_in(headers.items()).split()[0] in {name, dropped}
        return
    assert read.position == POSITION
    assert dropped not in {"ce_type", "ce_id", "ce_source", "ce_subject", "ce_time", "ce_correlationid"}


ABOUT = Envelope(
    type="T", id="1", source="s", stream="2", time=datetime(2026, 1, 1, tzinfo=UTC), correlation_id="3", cause=4
)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ce_id", ..., "ce_id is missing"),
        ("ce_correlationid", ..., "ce_correlationid is missing"),
        ("ce_time", b"i gaar", "ce_time is not a time"),
        ("ce_time", b"0001-01-01T00:00:00+01:00", "ce_time is not a time"),
        ("cause", b"x", "cause is not an offset"),
        ("cause", b"9223372036854775808", "cause is not an offset"),
        ("cause", b"-1", "cause is not an offset"),
        ("ce_actor", b"\xff", "ce_actor is not UTF-8"),
        ("ce_actor", b"a\0", "ce_actor is none, holds a NUL or is longer than 1024 bytes"),
        ("traceparent", b"x" * 1025, "traceparent is none, holds a NUL or is longer than 1024 bytes"),
        ("another", None, "another is none, holds a NUL or is longer than 1024 bytes"),
    ],
)
def test_which_header_is_wrong_is_said(name: str, value: Any, reason: str) -> None:
    headers = dict(ABOUT.headers()) | {name: value}
    headers = {one: content for one, content in headers.items() if content is not ...}
    record = Record("fiks.svarut", 3, 14, b"2", b"", list(headers.items()))

    with pytest.raises(Unreadable) as refused:
        envelope_of(record)

    assert str(refused.value) == f"the headers are not those of an event: {reason}"


def test_headers_of_others_may_hold_what_they_like() -> None:
    assert read_envelope([*ABOUT.headers(), ("another", b"\xff")], POSITION) == msgspec.structs.replace(
        ABOUT, position=POSITION
    )
