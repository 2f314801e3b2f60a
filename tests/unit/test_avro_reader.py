"""Our reader of Avro reads what fastavro reads, of every type that there is for fields of events."""

import io
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_reader import reader

LONGS = st.integers(-(2**63), 2**63 - 1)
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "no.fiks.Alt",
        "fields": [
            {"name": "tekst", "type": "string"},
            {"name": "merket", "type": {"type": "string", "fiks.personal": True}},
            {"name": "tall", "type": "long"},
            {"name": "desimal", "type": "double"},
            {"name": "ja", "type": "boolean"},
            {"name": "innhold", "type": "bytes"},
            {"name": "kanskje", "type": ["null", "string"]},
            {"name": "da", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {
                "name": "deler",
                "type": {
                    "type": "array",
                    "items": {"type": "record", "name": "Del", "fields": [{"name": "navn", "type": "string"}]},
                },
            },
            {"name": "en_del", "type": ["null", "no.fiks.Del"]},
            {"name": "etter_navn", "type": {"type": "map", "values": "no.fiks.Del"}},
        ],
    }
)
parts = st.fixed_dictionaries({"navn": st.text()})
anything = st.fixed_dictionaries(
    {
        "tekst": st.text() | st.text(min_size=64, max_size=200),
        "merket": st.text(),
        "tall": LONGS,
        "desimal": st.floats(allow_nan=False),
        "ja": st.booleans(),
        "innhold": st.binary(),
        "kanskje": st.none() | st.text(),
        "da": st.datetimes(datetime(1, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
        "deler": st.lists(parts),
        "en_del": st.none() | parts,
        "etter_navn": st.dictionaries(st.text(), parts),
    }
)


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


@given(anything, st.binary(max_size=5), st.binary(max_size=5))
def test_it_reads_what_was_written_and_tells_where_it_ends(said: dict[str, Any], before: bytes, after: bytes) -> None:
    data = written(SCHEMA, said)
    assert reader(SCHEMA)(before + data + after, len(before)) == (said, len(before) + len(data))


@given(anything, st.data())
def test_what_is_cut_off_is_refused_or_ends_behind_the_bytes(said: dict[str, Any], data: st.DataObject) -> None:
    whole = written(SCHEMA, said)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        _, end = reader(SCHEMA)(cut, 0)
    except Exception:
        return
    assert end > len(cut)


@given(st.lists(st.lists(st.integers(-3, 300), min_size=1), max_size=4), st.booleans())
def test_blocks_come_one_after_another_and_may_tell_their_size(blocks: list[list[int]], sized: bool) -> None:
    def encoded(block: list[int]) -> bytes:
        body = b"".join(written("long", one) for one in block)
        head = written("long", -len(block)) + written("long", len(body)) if sized else written("long", len(block))
        return head + body

    data = b"".join(map(encoded, blocks)) + b"\0"
    assert reader({"type": "array", "items": "long"})(data, 0) == (
        [one for items in blocks for one in items],
        len(data),
    )


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("long", b"\xff" * 9 + b"\x02"),
        ("long", b"\x80" * 40 + b"\x01"),
        ("string", b"\x01"),
        ("string", b"\x04\xff\xff"),
        ("bytes", b"\x03"),
        ("boolean", b"\x02"),
        (["null", "string"], b"\x04"),
        (["null", "string"], b"\x01"),
        ({"type": "long", "logicalType": "timestamp-micros"}, written("long", 2**62)),
    ],
    ids=[
        "longer than 64 bits",
        "much longer",
        "negative length",
        "no UTF-8",
        "negative size",
        "neither true nor false",
        "no such branch",
        "negative branch",
        "beyond the year 9999",
    ],
)
def test_what_is_no_such_value_is_refused(schema: Any, data: bytes) -> None:
    with pytest.raises((ValueError, LookupError, OverflowError)):
        reader(schema)(data, 0)
