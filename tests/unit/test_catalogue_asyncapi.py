"""The AsyncAPI document is valid, whole, and true to what travels."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from gateway.cli import cli
from schemas.asyncapi import document
from schemas.catalogue import event_types
from schemas.envelope import Envelope
from schemas.registry import newest
from schemas.topics import TOPICS

SCHEMA = Path(__file__).parent.parent / "support" / "asyncapi" / "asyncapi-3.0.0.schema.json"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))


def test_the_document_is_valid_asyncapi(validator: jsonschema.Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(document())] == []


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(cli, ["schemas", "asyncapi"])
    assert (printed.exit_code, json.loads(printed.stdout)) == (0, document())


@pytest.mark.parametrize(
    "path",
    [
        ["channels", "fiks.svarut", "bindings", "kafka", "topicConfiguration", "retention.ms"],
        ["components", "messages", "ForsendelseMottatt", "payload", "schema", "fields"],
        ["operations", "fiks.svarut", "action"],
    ],
)
def test_the_validator_would_see_a_fault(validator: jsonschema.Draft7Validator, path: list[str]) -> None:
    broken = deepcopy(document())
    *way, last = path
    place = broken
    for step in way:
        place = place[step]
    assert last in place
    place[last] = "nonsense"
    assert not validator.is_valid(broken)


def test_every_topic_is_a_channel_and_every_event_type_a_message_of_its_own() -> None:
    made = document()
    assert made["channels"].keys() == TOPICS.keys()
    offered = {name: topic for topic, channel in made["channels"].items() for name in channel["messages"]}
    assert offered == {name: one.topic for name, one in event_types().items()}
    for name, message in made["components"]["messages"].items():
        assert message["payload"]["schema"] == newest()[name].schema


def test_the_headers_are_those_that_travel() -> None:
    least = Envelope(
        type="ForsendelseLest",
        id="1",
        source="/fiks",
        stream="2",
        time=datetime(2026, 1, 2, tzinfo=UTC),
        correlation_id="3",
    )
    most = Envelope(
        **{name: getattr(least, name) for name in ("type", "id", "source", "stream", "time", "correlation_id")},
        causation_id="4",
        actor="a",
        on_behalf_of="b",
        supplier="310993999",
        level=4,
        integration="integrasjon:d",
        legal_basis="c",
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        cause=7,
    )
    headers = document()["components"]["messages"]["ForsendelseLest"]["headers"]
    assert headers["properties"].keys() == {name for name, _ in most.headers()}
    assert set(headers["required"]) == {name for name, _ in least.headers()}
    for envelope in (least, most):
        jsonschema.validate({name: value.decode() for name, value in envelope.headers()}, headers)
