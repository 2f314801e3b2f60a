"""The commands of the log: topics, dead letters."""

from __future__ import annotations

import asyncio
import sys

import click

from infra.settings import Settings
from schemas.envelope import Position
from schemas.topics import TOPICS
from streams import dead_letters
from streams import topics as broker_topics
from streams.log import Log

TOPIC = click.argument("topic", type=click.Choice(sorted(TOPICS)))


@click.group()
def topics() -> None:
    """The topics of the log."""


@topics.command("apply")
def apply_topics() -> None:
    """Create the topics of the catalogue that the broker does not have. One that is there is never changed."""
    settings = Settings()
    for name in broker_topics.apply(settings.kafka, settings.replication):
        click.echo(f"created {name}")


@topics.command("check")
def check_topics() -> None:
    """Compare the broker's topics with the catalogue; exit status 1 where they differ.

    Each line says what mends it. `apply` makes what is missing and changes nothing that is there: kafka-configs.sh
    changes settings and kafka-reassign-partitions.sh adds replicas, both Kafka's own. What a shorter retention has
    deleted by then is gone.
    """
    settings = Settings()
    if faults := broker_topics.check(settings.kafka, settings.replication):
        click.echo("\n".join(faults), err=True)
        sys.exit(1)
    click.echo("all topics are as the catalogue says")


@click.group()
def dlq() -> None:
    """Dead letters: records that could not be read."""


@dlq.command("list")
@TOPIC
def list_letters(topic: str) -> None:
    """The dead letters of TOPIC: number (partition and offset of the record), who could not read it, why, and where one
    that was replayed stands now.
    """
    letters = dead_letters.read_all(Settings().kafka, topic)
    for letter in sorted(letters, key=lambda one: (one.partition, one.offset)):
        done = f"\treplayed: {letter.replayed}" if letter.replayed else ""
        for role, reason in letter.reasons.items():
            click.echo(f"{letter.number}\t{role}\t{reason}{done}")
    if not letters:
        click.echo(f"{topic} has no dead letters", err=True)


@dlq.command("show")
@TOPIC
@click.argument("number")
def show_letter(topic: str, number: str) -> None:
    """One dead letter, its headers included. The value is shown by its size alone: it may hold personal data."""
    letter = asyncio.run(dead_letters.find(Settings().kafka, topic, number))
    click.echo(f"stood at:  {letter.topic} {letter.partition}/{letter.offset}")
    for role, reason in letter.reasons.items():
        click.echo(f"not read by {role}: {reason}")
    if letter.replayed:
        click.echo(f"replayed:  {letter.topic} {letter.replayed.replace('-', '/')}")
    click.echo(f"key:       {letter.key!r}")
    size = "too large to be kept here" if letter.value is None else f"{len(letter.value)} bytes"
    click.echo(f"value:     {size}")
    for name, value in letter.headers:
        click.echo(f"  {name}: {(value or b'').decode(errors='replace')}")


@dlq.command("replay")
@TOPIC
@click.argument("number")
@click.option("--again", is_flag=True, help="also where it was replayed before")
def replay_letter(topic: str, number: str, again: bool) -> None:
    """Append a dead letter to TOPIC again, once this release can read it.

    No status changes by what was met before, and no history tells it twice. But a rebuild reads the letter where it
    first stood, too: `fiks rebuild --check` tells of its lines until the read model is rebuilt.
    """

    async def replay() -> Position:
        settings = Settings()
        letter = await dead_letters.find(settings.kafka, topic, number)
        log = Log(settings.kafka)
        await log.start()
        try:
            return await dead_letters.DeadLetters(log).replay(letter, again=again)
        finally:
            await log.stop()

    at = asyncio.run(replay())
    click.echo(f"replayed {number}: it stands at {at.topic} {at.partition}/{at.offset} now")
