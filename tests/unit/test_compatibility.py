"""Which changes of a schema leave readers behind. The rule of every line: Avro 1.11, Schema Resolution."""

from copy import deepcopy
from typing import Any

import pytest

from schemas.catalogue import event_type
from schemas.compatibility import clashes, faults
from schemas.derive import derive
from schemas.registry import released
from schemas.svarut import ForsendelseMottatt

Json = dict[str, Any]

PART = {"type": "record", "name": "Del", "namespace": "no.fiks.x", "fields": [{"name": "navn", "type": "string"}]}


def record(*fields: Json, **properties: str) -> Json:
    return {"type": "record", "name": "Hendt", "namespace": "no.fiks.x", "fields": list(fields), **properties}


def field(name: str, kind: Any, **more: Any) -> Json:
    return {"name": name, "type": kind, **more}


BOTH_WAYS = {
    "nothing": (record(field("a", "string")), record(field("a", "string"))),
    "an optional field more": (record(), record(field("a", ["null", "string"], default=None))),
    "a list more": (record(), record(field("a", {"type": "array", "items": "string"}, default=[]))),
    "a documented field": (record(field("a", "string")), record(field("a", "string", doc="The letter a"))),
    "fields in another order": (
        record(field("a", "string"), field("b", "long")),
        record(field("b", "long"), field("a", "string")),
    ),
}

ONE_WAY = {
    "a field more, without default": (record(), record(field("a", "string"))),
    "a field that becomes optional": (record(field("a", "string")), record(field("a", ["null", "string"]))),
    "a wider number": (record(field("a", "int")), record(field("a", "long"))),
    "a field more in a list of parts": (
        record(field("a", {"type": "array", "items": deepcopy(PART)})),
        record(field("a", {"type": "array", "items": {**PART, "fields": [*PART["fields"], field("b", "long")]}})),
    ),
}

NO_WAY = {
    "another type": (record(field("a", "string")), record(field("a", "long"))),
    "a renamed field": (record(field("a", "string")), record(field("b", "string"))),
}

OTHER_MEANING = {
    "personal text that becomes open": (
        record(field("a", {"type": "string", "fiks.personal": True})),
        record(field("a", "string")),
    ),
    "personal text in a part that becomes open": (
        record(field("a", ["null", {**PART, "fields": [field("navn", {"type": "string", "fiks.personal": True})]}])),
        record(field("a", ["null", PART])),
    ),
    "a number that becomes a time": (
        record(field("a", "long")),
        record(field("a", {"type": "long", "logicalType": "timestamp-micros"})),
    ),
    "another topic": (record(**{"fiks.topic": "fiks.a"}), record(**{"fiks.topic": "fiks.b"})),
    "another stream": (record(**{"fiks.stream": "a"}), record(**{"fiks.stream": "b"})),
    "a value less": (
        record(field("a", {"type": "array", "items": {"type": "string", "fiks.values": ["A", "B"]}})),
        record(field("a", {"type": "array", "items": {"type": "string", "fiks.values": ["B", "C"]}})),
    ),
    "any text that becomes certain values": (
        record(field("a", "string")),
        record(field("a", {"type": "string", "fiks.values": ["A"]})),
    ),
}

ALLOWED = {
    "text that becomes personal": (
        record(field("a", "string")),
        record(field("a", {"type": "string", "fiks.personal": True})),
    ),
    "text in a part that becomes personal": (
        record(field("a", ["null", PART])),
        record(field("a", ["null", {**PART, "fields": [field("navn", {"type": "string", "fiks.personal": True})]}])),
    ),
    "a value more": (
        record(field("a", {"type": "string", "fiks.values": ["A"]})),
        record(field("a", {"type": "string", "fiks.values": ["A", "B"]})),
    ),
    "certain values that become any text": (
        record(field("a", {"type": "string", "fiks.values": ["A"]})),
        record(field("a", "string")),
    ),
}


@pytest.mark.parametrize(("old", "new"), BOTH_WAYS.values(), ids=BOTH_WAYS)
def test_reads_both_ways(old: Json, new: Json) -> None:
    assert faults(new, old) == faults(old, new) == []
    assert clashes(new, old) == clashes(old, new) == []


@pytest.mark.parametrize(("old", "new"), ONE_WAY.values(), ids=ONE_WAY)
def test_reads_one_way_only(old: Json, new: Json) -> None:
    assert [bool(faults(new, old)), bool(faults(old, new))].count(True) == 1
    assert clashes(new, old)
    assert clashes(old, new)


@pytest.mark.parametrize(("old", "new"), NO_WAY.values(), ids=NO_WAY)
def test_reads_no_way(old: Json, new: Json) -> None:
    assert faults(new, old)
    assert faults(old, new)
    assert clashes(new, old)


@pytest.mark.parametrize(("old", "new"), OTHER_MEANING.values(), ids=OTHER_MEANING)
def test_fits_but_means_something_else(old: Json, new: Json) -> None:
    assert faults(new, old) == faults(old, new) == []
    assert len(clashes(new, old)) == 1


@pytest.mark.parametrize(("old", "new"), ALLOWED.values(), ids=ALLOWED)
def test_may_follow_though_not_the_other_way_round(old: Json, new: Json) -> None:
    assert clashes(new, old) == []
    assert len(clashes(old, new)) == 1


def test_a_fault_says_where() -> None:
    (fault,) = faults(record(field("a", "string"), field("b", "long")), record(field("a", "string")))
    assert fault == "reader field missing default value (b) at /fields/1"


def test_every_released_schema_reads_itself() -> None:
    assert released()
    assert [found for one in released() for found in faults(one.schema, one.schema)] == []


def test_a_fault_is_found_deep_in_a_real_schema() -> None:
    schema = derive(event_type(ForsendelseMottatt))
    changed = deepcopy(schema)
    mottaker = next(one for one in changed["fields"] if one["name"] == "mottaker")
    mottaker["type"]["fields"] = [one for one in mottaker["type"]["fields"] if one["name"] != "navn"]
    (fault,) = faults(schema, changed)
    assert "navn" in fault
