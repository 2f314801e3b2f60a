"""A stranger reads the log: stock clients, given the address of a broker and of the schema registry, nothing else.

One event of every type of the catalogue lies on a real Kafka, in the bytes and headers that the product writes.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from gateway.routes import docs, schema_registry
from schemas.asyncapi import document
from schemas.catalogue import event_types
from schemas.codec import encode
from schemas.envelope import By, Envelope, fact
from schemas.example import example

GO = Path(__file__).parent / "go"


@dataclass(frozen=True)
class Written:
    """A topic of the test's own and what lies on it."""

    bootstrap: str
    topic: str
    events: list[tuple[Any, Envelope]]


@pytest_asyncio.fixture(scope="module")
async def written(kafka: str) -> Written:
    topic = f"stranger-{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka})
    await asyncio.to_thread(admin.create_topics([NewTopic(topic, num_partitions=3)])[topic].result)
    events = [(event, _envelope(event)) for event in map(example, event_types().values())]
    producer = Producer({"bootstrap.servers": kafka})
    for event, about in events:
        producer.produce(topic, encode(event), about.stream, headers=dict[str, str | bytes | None](about.headers()))
    assert await asyncio.to_thread(producer.flush, 60) == 0
    return Written(kafka, topic, events)


def _envelope(event: object) -> Envelope:
    time = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    return fact(event, time=time, id=str(uuid4()), source="/stranger", by=By("Bodø kommune"))


@pytest_asyncio.fixture(scope="module")
async def gateway() -> AsyncIterator[str]:
    """The address of what the gateway tells anyone who asks about the log."""
    app = web.Application()
    schema_registry.routes.add_to(app)
    docs.routes.add_to(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_what_there_is_to_read_is_told(gateway: str) -> None:
    async with ClientSession() as session, session.get(f"{gateway}/asyncapi.json") as answer:
        assert (answer.status, await answer.json()) == (200, document())


async def test_confluents_own_deserializer_reads_every_event_type(written: Written, gateway: str) -> None:
    with SchemaRegistryClient({"url": f"{gateway}/schema-registry"}) as client:
        read = await asyncio.to_thread(_read_with_confluent, written, client)
    assert read == {about.id: (about.stream, _plain(event)) for event, about in written.events}


def _read_with_confluent(written: Written, client: SchemaRegistryClient) -> dict[str, tuple[str, Any]]:
    settings = {"bootstrap.servers": written.bootstrap, "group.id": written.topic, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([written.topic])
    deserialize = AvroDeserializer(client)
    read: dict[str, tuple[str, Any]] = {}
    while len(read) < len(written.events):
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None
        headers: dict[str, Any] = dict(message.headers() or [])
        context = SerializationContext(written.topic, MessageField.VALUE, headers)
        event = deserialize(message.value(), context)
        read[headers["ce_id"].decode()] = ((message.key() or b"").decode(), _plain(event))
    consumer.close()
    return read


def _plain(event: Any) -> Any:
    """As JSON has it, where times are texts with their offset."""
    return json.loads(msgspec.json.encode(event))


async def test_a_go_client_reads_every_event_type(written: Written, gateway: str, tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("there is no Go on this machine (`go`), so nobody can read in Go")
    await _run("go", "build", "-o", str(tmp_path / "stranger"), ".", cwd=GO)
    where = [f"-bootstrap={written.bootstrap}", f"-registry={gateway}/schema-registry", f"-topic={written.topic}"]
    output = await _run(str(tmp_path / "stranger"), *where, f"-count={len(written.events)}", cwd=GO)
    read = [json.loads(line) for line in output.splitlines()]
    expected = [
        {
            "key": about.stream,
            "headers": {name: value.decode() for name, value in about.headers()},
            "event": _plain(event),
        }
        for event, about in written.events
    ]
    assert sorted(read, key=_id) == sorted(expected, key=_id)


def _id(line: dict[str, Any]) -> str:
    found: str = line["headers"]["ce_id"]
    return found


async def _run(*command: str, cwd: Path) -> bytes:
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output
