"""`fiks dlq list` tells what there is, and that there is nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result
from confluent_kafka import KafkaException

from schemas.topics import TOPICS
from streams.commands import dlq
from tests.support.backbone import Backbone

TOPIC = "fiks.svarut"


async def listed(system: Backbone, folder: Path) -> Result:
    environment = {"FIKS_KAFKA": system.settings.kafka, "FIKS_STATE": str(folder)}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, dlq, ["list", TOPIC])


async def test_no_dead_letters_is_said_and_is_no_line(system: Backbone, tmp_path: Path) -> None:
    while isinstance((nothing := await listed(system, tmp_path)).exception, KafkaException):
        await asyncio.sleep(0.1)  # the topics are so new that their leaders are not known yet
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", f"{TOPIC} has no dead letters\n")

    where = {"role": "audit", "reason": "Unreadable: x", "topic": TOPIC, "partition": "3", "offset": "7"}
    headers = [(f"fiks_dlq_{name}", value.encode()) for name, value in where.items()]
    await system.log.send(TOPICS[TOPIC].dead_letters, "1", b"x", headers)
    assert (await listed(system, tmp_path)).output == "3-7\taudit\tUnreadable: x\n"
