"""`fiks topics`: what the catalogue wants is made, and what the broker has otherwise is told and left."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from click.testing import CliRunner, Result
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from gateway.cli import cli
from schemas.topics import TOPICS
from streams.topics import wanted
from tests.support.eventually import eventually
from tests.support.stack import OwnKafka

GONE, OTHER = "fiks.audit", "fiks.io"


def topics(kafka: OwnKafka, command: str, replication: int = 1) -> Result:
    environment = {"FIKS_KAFKA": kafka.bootstrap, "FIKS_REPLICATION": str(replication)}
    return CliRunner(env=environment).invoke(cli, ["topics", command])


async def without(kafka: OwnKafka, *names: str) -> AdminClient:
    """A client of the broker, which has lost these topics and knows it."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for outcome in admin.delete_topics(list(names), operation_timeout=20).values():
        outcome.result(20)
    await eventually(lambda: partitions(admin).keys().isdisjoint(names))
    return admin


def partitions(admin: AdminClient) -> dict[str, int]:
    """How many each topic has that the broker tells of."""
    return {name: len(one.partitions) for name, one in admin.list_topics(timeout=20).topics.items()}


async def test_what_is_missing_is_told_and_made(own_kafka: OwnKafka) -> None:
    await without(own_kafka, GONE)
    missing = topics(own_kafka, "check")
    assert (missing.exit_code, missing.stderr) == (1, f"{GONE} does not exist; run `fiks topics apply`\n")

    made, again = topics(own_kafka, "apply"), topics(own_kafka, "apply")
    assert [(one.exit_code, one.stdout) for one in (made, again)] == [(0, f"created {GONE}\n"), (0, "")]
    assert topics(own_kafka, "check").exit_code == 0


def test_another_setting_is_told_and_so_are_too_few_replicas(own_kafka: OwnKafka) -> None:
    shorter = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, OTHER, incremental_configs=[shorter])
    admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap})
    admin.incremental_alter_configs([changed])[changed].result(20)
    told = topics(own_kafka, "check")
    wished = TOPICS[OTHER].settings["retention.ms"]
    mends = f"kafka-configs.sh --bootstrap-server {own_kafka.bootstrap} --alter --topic {OTHER} --add-config"
    line = f"{OTHER} has retention.ms=1000, not {wished}; `{mends} retention.ms={wished}`\n"
    assert (told.exit_code, told.stderr) == (1, line)

    fewer = topics(own_kafka, "check", replication=3).stderr.splitlines()
    few = "has 1 replica, not 3; `kafka-reassign-partitions.sh` adds some, before min.insync.replicas is raised"
    assert [line.split()[0] for line in fewer if few in line] == [one.name for one in wanted()]


async def test_other_partitions_are_told_at_once_and_nothing_is_made_beside_them(own_kafka: OwnKafka) -> None:
    admin = await without(own_kafka, GONE, OTHER)
    admin.create_topics([NewTopic(OTHER, 3, 1)], operation_timeout=20)[OTHER].result(20)
    await eventually(lambda: partitions(admin).get(OTHER) == 3)
    wrong = f"{OTHER} has 3 partitions, not {TOPICS[OTHER].partitions}"

    refused = topics(own_kafka, "apply")

    assert (refused.exit_code, wrong in refused.stderr) == (1, True)
    assert GONE not in partitions(admin)
    assert wrong in topics(own_kafka, "check").stderr


@pytest.mark.parametrize("command", [("topics", "check"), ("topics", "apply"), ("dlq", "list", "fiks.svarut")])
async def test_a_broker_that_is_away_is_told_of_in_one_line(command: tuple[str, ...]) -> None:
    """librdkafka has more to say, line by line; as a process, since it says that past everything in Python."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", *command),
        env=os.environ | {"FIKS_KAFKA": "127.0.0.1:9"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    told = "Error: Kafka does not answer: Failed to get metadata: Local: Broker transport failure; "
    assert (process.returncode, said.decode()) == (1, told + "is it running (`fiks status`)?\n")
