"""The AsyncAPI 3.0 document of the log, generated from the catalogue and the released schemas.

Says what a subscriber meets: topics, event types, headers, keys. Knows no address: those are the deployment's.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import msgspec

from schemas.catalogue import EventType, event_types
from schemas.example import example
from schemas.registry import newest
from schemas.topics import TOPICS, Topic

Json = dict[str, Any]

AVRO_FORMAT = "application/vnd.apache.avro;version=1.9.0"
BINDING = "0.5.0"
"""Version of AsyncAPI's Kafka bindings."""

TEXT: Json = {"type": "string"}
ID: Json = {"type": "string", "minLength": 1}
TIME: Json = {"type": "string", "format": "date-time"}

REQUIRED_HEADERS: dict[str, Json] = {
    "content-type": {"const": "application/avro"},
    "ce_specversion": {"const": "1.0"},
    "ce_id": ID | {"description": "The event's id. A repeated event has the same id."},
    "ce_source": TEXT | {"format": "uri-reference", "description": "What appended the event."},
    "ce_time": TIME | {"description": "When it happened; a decision has the time of its cause."},
    "ce_subject": ID | {"description": "The stream's id; the record's key is all of it up to a slash."},
    "ce_correlationid": ID | {"description": "The same for all that followed from one call."},
}
OPTIONAL_HEADERS: dict[str, Json] = {
    "ce_causationid": ID | {"description": "The id of the event that this one followed from."},
    "ce_actor": TEXT | {"description": "Who did it."},
    "ce_onbehalfof": TEXT | {"description": "On whose behalf it was done."},
    "ce_supplier": TEXT | {"description": "Orgnr of the supplier that really called, where the token was delegated."},
    "ce_level": {"enum": ["3", "4"], "description": "The level at which the person who did it had logged in."},
    "ce_integration": TEXT | {"description": "The integration through which the person who did it called."},
    "ce_legalbasis": TEXT | {"description": "Lovhjemmel: the legal basis of the access."},
    "traceparent": TEXT | {"description": "W3C Trace Context."},
    "cause": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "Only on decisions: the offset, in this partition, of the record that led to it. "
        "Of two decisions of a stream with the same cause, only the first counts.",
    },
}


def document() -> Json:
    """The AsyncAPI document, as a JSON value."""
    types = list(event_types().values())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fiks backbone",
            "version": version("fiks-backbone"),
            "description": "Every action is one event on the log: Avro in Confluent wire format (a zero byte, "
            "four bytes of schema id, Avro binary) with a CloudEvents envelope in the Kafka headers.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/avro",
        "channels": {topic.name: _channel(topic, types) for topic in TOPICS.values()},
        "operations": {topic.name: _operation(topic) for topic in TOPICS.values()},
        "components": {"messages": {one.name: _message(one) for one in types}},
    }


def _channel(topic: Topic, types: list[EventType]) -> Json:
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {
            one.name: {"$ref": f"#/components/messages/{one.name}"} for one in types if one.topic == topic.name
        },
        "bindings": {"kafka": _channel_binding(topic)},
    }


def _channel_binding(topic: Topic) -> Json:
    settings = topic.settings
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {
            "cleanup.policy": settings["cleanup.policy"].split(","),
            "retention.ms": int(settings["retention.ms"]),
            "retention.bytes": int(settings["retention.bytes"]),
            "max.message.bytes": int(settings["max.message.bytes"]),
        },
        "bindingVersion": BINDING,
    }


def _operation(topic: Topic) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"The backbone appends to {topic.name}; any number of subscribers read it.",
    }


def _message(event_type: EventType) -> Json:
    released = newest()[event_type.name].schema
    return {
        "name": event_type.name,
        "title": event_type.name,
        "summary": released.get("doc", event_type.name),
        "contentType": "application/avro",
        "headers": _headers(event_type),
        "payload": {"schemaFormat": AVRO_FORMAT, "schema": released},
        "examples": [{"payload": json.loads(msgspec.json.encode(example(event_type)))}],
        "bindings": {"kafka": _message_binding(event_type)},
    }


def _headers(event_type: EventType) -> Json:
    return {
        "type": "object",
        "required": ["ce_type", *REQUIRED_HEADERS],
        "properties": {"ce_type": {"const": event_type.name}, **REQUIRED_HEADERS, **OPTIONAL_HEADERS},
    }


def _message_binding(event_type: EventType) -> Json:
    return {
        "key": TEXT | {"description": f"The event's {event_type.within or event_type.stream_field}, as text"},
        "schemaIdLocation": "payload",
        "schemaIdPayloadEncoding": "confluent",
        "schemaLookupStrategy": "RecordNameStrategy",
        "bindingVersion": BINDING,
    }
