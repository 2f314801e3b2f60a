"""`fiks dlq`: what there is and that there is nothing, what was put back, and what is not since it would come again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client import REGISTRY

from gateway.cli import cli
from schemas.codec import encode
from schemas.topics import TOPICS
from streams import dead_letters
from streams.domain.errors import Unavailable
from streams.gauges import Gauges
from tests.support.backbone import Backbone, about, mottatt
from tests.support.eventually import eventually
from tests.support.ports import free_port

TOPIC = "fiks.svarut"


async def dlq(system: Backbone, folder: Path, *arguments: str) -> Result:
    environment = {"FIKS_KAFKA": system.settings.kafka, "FIKS_STATE": str(folder)}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, cli, ["dlq", *arguments])


async def test_no_dead_letters_is_said_and_is_no_line(system: Backbone, tmp_path: Path) -> None:
    while "Kafka does not answer" in (nothing := await dlq(system, tmp_path, "list", TOPIC)).output:
        await asyncio.sleep(0.1)  # the topics are so new that their leaders are not known yet
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", f"{TOPIC} has no dead letters\n")

    where = {"role": "audit", "reason": "Unreadable: x", "topic": TOPIC, "partition": "3", "offset": "7"}
    headers = [(f"fiks_dlq_{name}", value.encode()) for name, value in where.items()]
    await system.log.send(TOPICS[TOPIC].dead_letters, "1", b"x", headers)
    assert (await dlq(system, tmp_path, "list", TOPIC)).output == "3-7\taudit\tUnreadable: x\n"


async def test_a_record_that_is_no_letter_of_ours_stops_nobody(system: Backbone) -> None:
    await system.log.send(TOPICS["fiks.dokumentlager"].dead_letters, "1", b"x", [("hello", b"you")])
    assert dead_letters.read_all(system.settings.kafka, "fiks.dokumentlager") == []


def test_a_broker_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        dead_letters.read_all(f"127.0.0.1:{free_port()}", TOPIC)


@pytest.mark.parametrize(
    ("offset", "changed", "reason"),
    [
        ("8", {"ce_actor": b"a\0b"}, "ce_actor is none, holds a NUL or is longer"),
        ("9", {"ce_time": b"i gaar"}, "ce_time is not a time"),
        ("10", {"ce_subject": b"another"}, "the key is not that of the stream"),
    ],
)
async def test_what_would_come_back_is_not_replayed(
    system: Backbone, tmp_path: Path, offset: str, changed: dict[str, bytes], reason: str
) -> None:
    event = mottatt()
    where = {"role": "audit", "reason": "Unreadable: x", "topic": TOPIC, "partition": "3", "offset": offset}
    headers = dict(about(event).headers()) | changed
    headers |= {f"fiks_dlq_{name}": value.encode() for name, value in where.items()}
    key = str(event.forsendelse_id)
    await system.log.send(TOPICS[TOPIC].dead_letters, key, encode(event), list(headers.items()))

    done = await dlq(system, tmp_path, "replay", TOPIC, f"3-{offset}")

    assert (done.exit_code, "replayed" in done.output) == (1, False)
    assert reason in done.output
    assert [one for one in system.records() if one.key == key.encode()] == []


async def test_a_letter_that_was_replayed_says_so_and_is_replayed_twice_only_when_asked(
    system: Backbone, tmp_path: Path
) -> None:
    event = mottatt()
    where = {"role": "audit", "reason": "Unreadable: x", "topic": TOPIC, "partition": "3", "offset": "11"}
    headers = [*about(event).headers(), *((f"fiks_dlq_{name}", value.encode()) for name, value in where.items())]
    key = str(event.forsendelse_id)
    await system.log.send(TOPICS[TOPIC].dead_letters, key, encode(event), headers)

    def stands() -> list[str]:
        return [f"{one.partition}-{one.offset}" for one in system.records() if one.key == key.encode()]

    assert (await dlq(system, tmp_path, "replay", TOPIC, "3-11")).exit_code == 0
    [first] = stands()
    listed = (await dlq(system, tmp_path, "list", TOPIC)).output.splitlines()
    assert [one for one in listed if one.startswith("3-11\t")] == [f"3-11\taudit\tUnreadable: x\treplayed: {first}"]
    shown = (await dlq(system, tmp_path, "show", TOPIC, "3-11")).output
    assert f"replayed:  {TOPIC} {first.replace('-', '/')}" in shown
    refused = await dlq(system, tmp_path, "replay", TOPIC, "3-11")
    assert (refused.exit_code, f"it stands at {first}" in refused.output) == (1, True)
    assert stands() == [first]
    assert (await dlq(system, tmp_path, "replay", TOPIC, "3-11", "--again")).exit_code == 0
    assert len(stands()) == 2
    async with system.worker() as worker:  # the gauge that the alert looks at: of all that there is, what waits
        gauges = Gauges("decider:svarut", worker.readers[0])
        await eventually(lambda: bool(worker.readers[0].claims))
        waiting = [one for one in dead_letters.read_all(system.settings.kafka, TOPIC) if one.replayed is None]
        await gauges.show()
        assert REGISTRY.get_sample_value("fiks_dlq_size", {"topic": TOPIC}) == len(waiting)
    # A role that meets the record later, in a rebuild, makes nothing undone of it.
    await system.log.send(TOPICS[TOPIC].dead_letters, key, encode(event), headers)
    assert f"replayed: {stands()[1]}" in (await dlq(system, tmp_path, "list", TOPIC)).output
