"""The Schema Registry API as Confluent's own client uses it, and the shapes of its answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from gateway.auth.demands import silent_routes
from gateway.routes.schema_registry import CONTENT_TYPE, routes
from schemas.catalogue import event_types
from schemas.codec import encode
from schemas.example import example
from schemas.registry import newest, released

SUBJECT = "no.fiks.konfigurasjon.KontoOpprettet"


@pytest.fixture
async def registry() -> AsyncIterator[str]:
    """The address of a registry."""
    app = web.Application()
    routes.add_to(app)
    assert silent_routes(app) == []
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/schema-registry"))


async def get(registry: str, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    async with ClientSession() as session, session.request(method, registry + path, json=body) as answer:
        assert answer.content_type == CONTENT_TYPE
        return answer.status, await answer.json()


@pytest.fixture
async def client(registry: str) -> AsyncIterator[SchemaRegistryClient]:
    """Confluent's client of it."""
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


async def test_confluents_deserializer_reads_an_event_of_every_type(client: SchemaRegistryClient) -> None:
    def read_all() -> list[tuple[str, Any]]:
        read = AvroDeserializer(client)
        return [
            (name, read(encode(example(kind)), SerializationContext(kind.topic, MessageField.VALUE)))
            for name, kind in event_types().items()
        ]

    for name, value in await asyncio.to_thread(read_all):
        kind = event_types()[name]
        assert str(value[kind.stream_field]) == kind.stream(example(kind)).rpartition("/")[2]


async def test_confluents_client_finds_what_is_released(client: SchemaRegistryClient) -> None:
    one = newest()["KontoOpprettet"]
    ask = asyncio.to_thread
    assert sorted(await ask(client.get_subjects)) == sorted({each.subject for each in released()})
    assert await ask(client.get_versions, SUBJECT) == [each.version for each in released() if each.subject == SUBJECT]
    latest = await ask(client.get_latest_version, SUBJECT)
    assert (latest.schema_id, latest.version) == (one.id, one.version)
    assert json.loads(latest.schema.schema_str) == one.schema
    assert (await ask(client.get_version, SUBJECT, 1)).subject == SUBJECT
    found = await ask(client.lookup_schema, SUBJECT, Schema(json.dumps(one.schema, indent=4, sort_keys=True), "AVRO"))
    assert found.schema_id == one.id
    assert await ask(client.get_compatibility) == "BACKWARD_TRANSITIVE"
    assert await ask(client.get_compatibility, SUBJECT) == "BACKWARD_TRANSITIVE"


async def test_confluents_client_understands_each_refusal(client: SchemaRegistryClient) -> None:
    unknown = Schema('{"type": "string"}', "AVRO")
    for code, status, call in (
        (40401, 404, lambda: client.get_versions("no.such")),
        (40401, 404, lambda: client.lookup_schema("no.such", unknown)),
        (40402, 404, lambda: client.get_version(SUBJECT, 99)),
        (40403, 404, lambda: client.get_schema(9999)),
        (40403, 404, lambda: client.lookup_schema(SUBJECT, unknown)),
        (405, 405, lambda: client.register_schema(SUBJECT, unknown)),
        (405, 405, lambda: client.delete_subject(SUBJECT)),
        (405, 405, lambda: client.set_compatibility(SUBJECT, "NONE")),
    ):
        with pytest.raises(SchemaRegistryError) as refused:
            await asyncio.to_thread(call)
        assert (refused.value.error_code, refused.value.http_status_code) == (code, status)


async def test_the_shapes_that_other_clients_ask_for(registry: str) -> None:
    one = newest()["KontoOpprettet"]
    assert await get(registry, "/") == (200, {})
    assert await get(registry, "/schemas/types") == (200, ["AVRO"])
    assert await get(registry, "/mode") == (200, {"mode": "READONLY"})
    assert await get(registry, f"/schemas/ids/{one.id}/subjects") == (200, [SUBJECT])
    assert await get(registry, f"/schemas/ids/{one.id}/versions") == (
        200,
        [{"subject": SUBJECT, "version": one.version}],
    )
    by_id = await get(registry, f"/schemas/ids/{one.id}?fetchMaxId=false&subject=fiks.konfigurasjon-value")
    assert by_id == await get(registry, f"/schemas/ids/{one.id}")
    assert await get(registry, f"/subjects/{SUBJECT}/versions/-1") == await get(
        registry, f"/subjects/{SUBJECT}/versions/latest"
    )


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/schemas/ids/x", 404, 40403),
        ("/schemas/ids/-1", 404, 40403),
        ("/schemas/ids/%D9%A1", 404, 40403),
        (f"/subjects/{SUBJECT}/versions/x", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/0", 404, 40402),
        ("/config/no.such", 404, 40401),
        ("/no/such/path", 404, 404),
    ],
)
async def test_what_is_not_there(registry: str, path: str, status: int, code: int) -> None:
    answered, body = await get(registry, path)
    assert (answered, body["error_code"], type(body["message"])) == (status, code, str)


@pytest.mark.parametrize("body", [None, [], {}, {"schema": 1}, {"schema": "{"}])
async def test_a_lookup_that_asks_for_nothing(registry: str, body: Any) -> None:
    answered, said = await get(registry, f"/subjects/{SUBJECT}", "POST", body)
    assert (answered, said["error_code"]) == (422, 42201)
