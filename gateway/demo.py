"""`fiks demo`: one forsendelse through the whole system, seen at every public interface, before and after a rebuild.

Uses only what anyone may: the REST API, Kafka with the schema registry, the views of PostgreSQL, and `fiks` itself.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from gateway.sample import pdf
from gateway.vendor import Vendor, own_credentials, vendor
from infra.ends import watermarks
from infra.local.commands import down, up
from infra.local.record import Record
from infra.partitions import partition_of
from infra.settings import Settings
from projections import versions
from projections.commands import rebuild
from projections.svarut_status import svarut_status
from schemas.personal import SEALED
from schemas.topics import TOPICS

TOPIC = "fiks.svarut"
FILNAVN = "vedtak på byggesøknad.pdf"
PDF = pdf([[f"Vedtak i sak 2026/1, side {page} av 3", "Søknaden er innvilget."] for page in (1, 2, 3)])
FOLLOWS = ["ForsendelseMottatt", "ForsendelseAkseptert", "ForsendelseKlarForMottak"]
"""What has to happen to a letter for an organisation whose own system fetches it."""
PATIENCE = 60.0
SILENCE = 5.0
"""Seconds of waiting after which it is said for what."""
WIDTH = 120
AUDIT = """
    select topic, partition, "offset", type, time, actor, on_behalf_of from read.audit
    where stream = $1 order by topic, partition, "offset"
"""


@dataclass
class Shown:
    """What has been seen, where, and whether it was right."""

    lines: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def say(self, what: str, where: str, seen: str, right: bool) -> None:
        self.lines.append((what, where, seen, right))
        click.echo(f"ok   {what}" if right else f"NOT  {what}: {seen}")

    @property
    def right(self) -> bool:
        """Whether all of it was, and there is something."""
        return bool(self.lines) and all(line[3] for line in self.lines)

    def show(self) -> None:
        console = Console(width=max(Console().width, WIDTH))
        table = Table("", "What", "Where", Column("Seen", overflow="fold"), title="What happened", show_lines=True)
        for what, where, seen, right in self.lines:
            table.add_row("[green]✓" if right else "[red]✗", what, where, escape(seen))
        console.print(table)


@click.command()
@click.option(
    "--once", is_flag=True, help="Stop everything at the end; exit code 0 only if all that was shown is right."
)
@click.pass_context
def demo(context: click.Context, once: bool) -> None:
    """Send a real forsendelse and show it everywhere it can be seen."""
    shown = Shown()
    try:
        context.invoke(up)
        settings = _settings_of_the_stack()
        id_, before = asyncio.run(_send_and_look(settings, shown))
        asyncio.run(_drop(settings, id_, shown))
        context.invoke(rebuild, names=(svarut_status.name,), processes=1, check=False, cancel=False)
        asyncio.run(_look_again(settings, id_, before, shown))
        shown.show()
    finally:
        if once:
            context.invoke(down)
    if not once:
        _say_how_to_go_on(settings, id_)
    context.exit(0 if shown.right else 1)


def _settings_of_the_stack() -> Settings:
    """From here on in this process, the settings of the stack that runs, whatever was asked for."""
    os.environ.update(Record(Settings().state.absolute()).read()["environment"])
    return Settings()


async def _send_and_look(settings: Settings, shown: Shown) -> tuple[UUID, Any]:
    """Send, and see it on the log, in the API and in the audit trail. Returns its id and what the API says of it."""
    async with vendor(settings) as client:
        status, answer = await client.send(FILNAVN, PDF, f"demo-{uuid4().hex[:8]}")
        show_accepted(status, answer, shown)
        id_ = UUID(answer["id"])
        answers = await _settled(client, id_)
        show_api(answers, shown)
    events = await asyncio.to_thread(_events, settings, id_)
    show_events(events, shown)
    show_audit(await _audit(settings, id_, len(events)), events, shown)
    return id_, answers


def show_accepted(status: int, answer: Any, shown: Shown) -> None:
    """That it was taken."""
    shown.say("accepted", "POST /api/v2/kontoer/…/forsendelser/", f"{status} {json.dumps(answer)}", status == 200)


async def _settled(client: Vendor, id_: UUID) -> list[tuple[int, Any]]:
    """Answers about status and history, once all has happened that follows by itself, or patience is at its end."""
    answers: list[tuple[int, Any]] = []
    async with _waiting("what a worker adds to the history of the letter"):
        while not answers or len(_hendelser(answers)) < len(FOLLOWS):
            await asyncio.sleep(0.05)
            hendelser = await client.hendelser(id_)
            answers = [await client.status(id_), hendelser]  # asked later, so it cannot be older
    return answers


@asynccontextmanager
async def _waiting(what: str) -> AsyncIterator[None]:
    """Until patience is at its end: what came by then is judged. Where it takes long, it is said what is waited for."""
    say = asyncio.get_running_loop().call_later(SILENCE, click.echo, f"     waiting for {what} (fiks status)")
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        click.echo(f"     not come within {PATIENCE:g} s: {what}")
    finally:
        say.cancel()


def _hendelser(answers: list[tuple[int, Any]]) -> list[str]:
    return [f"{one['tidspunkt']} {one['hendelse']}" for one in answers[1][1].get("hendelser", ())]


def show_api(answers: list[tuple[int, Any]], shown: Shown) -> None:
    """The answers about status and history."""
    (status, body), hendelser = answers[0], _hendelser(answers)
    now = [one["status"] for one in body.get("statuser", ())]
    shown.say("status", "POST …/status-sok", f"{status} {now}", now == ["KLAR_FOR_MOTTAK"])
    history = "\n".join(hendelser) or str(answers[1])
    shown.say("history", "GET …/hendelser", history, len(hendelser) == len(FOLLOWS))


def _events(settings: Settings, id_: UUID) -> list[dict[str, Any]]:
    """The events of the forsendelse in log order, read as any subscriber would: Confluent's own client and decoder."""
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    url = f"http://{settings.gateway_host}:{settings.gateway_port}/schema-registry"
    decode, context = (
        AvroDeserializer(SchemaRegistryClient({"url": url})),
        SerializationContext(TOPIC, MessageField.VALUE),
    )
    partition = TopicPartition(TOPIC, partition_of(str(id_), TOPICS[TOPIC].partitions), 0)
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "fiks-demo", "enable.auto.commit": False})
    try:
        _, end = watermarks(consumer, partition)
        consumer.assign([partition])
        found, offset = [], -1
        while offset < end - 1 and (message := consumer.poll(10)) is not None:
            offset, headers = cast(int, message.offset()), cast(list[tuple[str, bytes]], message.headers())
            if message.key() == str(id_).encode():
                type_ = dict(headers)["ce_type"].decode()
                position = (TOPIC, message.partition(), offset)
                found.append({"position": position, "type": type_, "event": decode(message.value(), context)})
        return found
    finally:
        consumer.close()


def show_events(events: list[dict[str, Any]], shown: Shown) -> None:
    """What the log says, and what it does not say in the clear."""
    for one in events:
        said = {name: value for name, value in one["event"].items() if value not in (None, False, [])}
        click.echo(f"     {one['type']} {json.dumps(said, default=str, ensure_ascii=False)}")
    types = [one["type"] for one in events]
    where = f"Kafka {TOPIC}, AvroDeserializer"
    shown.say("events on the log", where, "\n".join(types), types == FOLLOWS)
    documents = events[0]["event"]["dokumenter"] if events else []
    measured = [one["storrelse"] for one in documents]
    texts = [one[name] for one in documents for name in ("filnavn", "sha256")]
    same = measured == [len(PDF)] and all(text.startswith(SEALED) for text in texts)
    shown.say("the document's size, its name and SHA-256 sealed", where, str(measured), same)


async def _audit(settings: Settings, id_: UUID, count: int) -> list[dict[str, Any]]:
    """The lines about it, once there are so many, or patience is at its end."""
    connection = await asyncpg.connect(settings.postgres)
    rows: list[Any] = []
    try:
        async with _waiting("what a worker adds to the audit trail"):
            while len(rows := await connection.fetch(AUDIT, str(id_))) < count:
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return [dict(row) for row in rows]


def show_audit(rows: list[dict[str, Any]], events: list[dict[str, Any]], shown: Shown) -> None:
    """The lines of the audit trail: one for each event, by its position."""
    lines = "\n".join(f"{row['topic']}/{row['partition']}/{row['offset']} {row['type']} {row['actor']}" for row in rows)
    positions = [(row["topic"], row["partition"], row["offset"]) for row in rows]
    same = bool(rows) and positions == [one["position"] for one in events]
    shown.say("lines of the audit trail", "PostgreSQL read.audit", lines, same)


async def _drop(settings: Settings, id_: UUID, shown: Shown) -> None:
    """Drop the live tables of the projection, as a disaster would."""
    connection = await asyncpg.connect(settings.postgres)
    try:
        live = await versions.live(connection, svarut_status)
        assert live is not None
        schema = versions.schema_of(svarut_status.name, live[0])
        await connection.execute(f"drop schema {schema} cascade")
    finally:
        await connection.close()
    async with vendor(settings) as client:
        status, answer = await client.status(id_)
    show_dropped(schema, status, answer, shown)


def show_dropped(schema: str, status: int, answer: Any, shown: Shown) -> None:
    """That nobody is told what is not known any more."""
    shown.say(f"dropped {schema}", "POST …/status-sok", f"{status} {answer.get('message')}", status == 503)


async def _look_again(settings: Settings, id_: UUID, before: Any, shown: Shown) -> None:
    async with vendor(settings) as client:
        after = await _settled(client, id_)
    show_same(before, after, shown)


def show_same(before: Any, after: Any, shown: Shown) -> None:
    """That the rebuild brought back what was answered before."""
    same = after == before
    shown.say("the same after the rebuild", "status and history", "identical" if same else str(after), same)


def _say_how_to_go_on(settings: Settings, id_: UUID) -> None:
    mine = own_credentials(settings)
    base = f"http://{settings.gateway_host}:{settings.gateway_port}"
    curl = (
        'curl -s -H "Authorization: Bearer $(.venv/bin/fiks test-token)" '
        f"-H 'IntegrasjonId: {mine['integrasjonId']}' -H 'IntegrasjonPassord: {mine['integrasjonPassord']}'"
    )
    status = f"{base}/api/v2/kontoer/{mine['kontoId']}/forsendelser/status-sok"
    click.echo(
        f"\nEverything runs on; make down stops it.\n"
        f"  docs             {base}/docs\n"
        f"  schema registry  {base}/schema-registry/subjects\n"
        f"  Kafka            {settings.kafka}\n"
        f"  PostgreSQL       {settings.postgres}\n"
        f"  metrics          {base}/metrics\n"
        f"  health           {base}/readyz\n"
        f"  all the others   .venv/bin/fiks status  (that of analysts, AMQP and TLS, the test issuer, …)\n\n"
        f"{curl} {base}/api/v2/forsendelser/{id_}/hendelser\n\n"
        f"{curl} -d '{json.dumps({'forsendelseIds': [str(id_)]})}' {status}\n\n"
        f"curl -s {base}/schema-registry/subjects"
    )
