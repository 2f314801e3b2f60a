"""The topics on the broker: made from the catalogue, and compared with it. An existing topic is never changed."""

from __future__ import annotations

import time
from dataclasses import replace

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]
from confluent_kafka.admin._listoffsets import OffsetSpec

from infra.ends import told_all
from infra.kafka import kafka_settings
from schemas.topics import NOKKEL, TOPICS, Topic
from streams.domain.errors import Rejected, Unavailable

TIMEOUT = 20
Existing = dict[str, list[list[int]]]
"""By the name of a topic, the brokers of each of its partitions."""
CONFIGURE, REASSIGN = "kafka-configs.sh", "kafka-reassign-partitions.sh"
"""What changes a topic that exists, its settings and its replicas: Kafka's own, in its image too (`/opt/kafka/bin`)."""
LEADER_WAIT = 60
"""Seconds that a broker on a busy machine may take to make the files of many partitions."""


def wanted() -> list[Topic]:
    """Every topic of the catalogue, the dead-letter topic beside each, and the topic of the keys."""
    letters = [replace(one, name=one.dead_letters, about=f"Dead letters of {one.name}") for one in TOPICS.values()]
    return [*TOPICS.values(), *letters, NOKKEL]


def apply(bootstrap: str, replication: int) -> list[str]:
    """Create the topics that are missing, and wait until the leader of every partition answers.

    Returns the new ones' names. Raises Rejected, and creates none, where one that is there has other partitions.
    """
    admin = AdminClient(kafka_settings(bootstrap))
    existing = _existing(admin)
    if parted := _parted(existing):
        raise Rejected("\n".join(parted))
    missing = [one for one in wanted() if one.name not in existing]
    asked = [NewTopic(one.name, one.partitions, replication, config=_settings(one, replication)) for one in missing]
    created = []
    for name, outcome in (admin.create_topics(asked, operation_timeout=TIMEOUT) if asked else {}).items():
        try:
            outcome.result(TIMEOUT)
            created.append(name)
        except KafkaException as fault:
            if fault.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was faster
                raise
    _wait_for_leaders(bootstrap)
    return created


def _wait_for_leaders(bootstrap: str) -> None:
    """Wait until the leader of every partition answers: one that the cluster names may not have taken office yet.

    Raises Unavailable when some partition stays without.
    """
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    question = {TopicPartition(one.name, number): latest for one in wanted() for number in range(one.partitions)}
    deadline, pause = time.monotonic() + LEADER_WAIT, 0.05
    while True:
        admin = AdminClient(kafka_settings(bootstrap))  # one that was refused by an earlier leader never asks anew
        try:
            answers = admin.list_offsets(question, request_timeout=TIMEOUT)
            told_all([answer.result(TIMEOUT) for answer in answers.values()])
        except (KafkaException, Unavailable) as fault:
            if time.monotonic() > deadline:
                raise Unavailable(f"some partition has no leader ({fault}); look at the broker's log") from fault
            time.sleep(pause)
            pause = min(2 * pause, 1.0)
        else:
            return


def check(bootstrap: str, replication: int) -> list[str]:
    """What differs between the broker and the catalogue, a line each; nothing when all is as it should be."""
    admin = AdminClient(kafka_settings(bootstrap))
    existing = _existing(admin)
    faults = [f"{one.name} does not exist; run `fiks topics apply`" for one in wanted() if one.name not in existing]
    there = [one for one in wanted() if one.name in existing]
    faults += _parted(existing)
    faults += [
        f"{one.name} has {replicas} {'replica' if replicas == 1 else 'replicas'}, not {replication}; `{REASSIGN}` adds "
        "some, before min.insync.replicas is raised"
        for one in there
        if (replicas := min(map(len, existing[one.name]))) < replication
    ]
    resources = [ConfigResource(ResourceType.TOPIC, one.name) for one in there]
    for resource, outcome in (admin.describe_configs(resources) if resources else {}).items():
        actual = outcome.result(TIMEOUT)
        for key, value in _settings(next(one for one in there if one.name == resource.name), replication).items():
            if actual[key].value != value:
                advice = f"{CONFIGURE} --bootstrap-server {bootstrap} --alter --topic {resource.name}"
                faults.append(
                    f"{resource.name} has {key}={actual[key].value}, not {value}; `{advice} --add-config {key}={value}`"
                )
    return faults


def _parted(existing: Existing) -> list[str]:
    """A line for each topic that has not the partitions of the catalogue."""
    return [
        f"{one.name} has {len(existing[one.name])} partitions, not {one.partitions}; a stream must stay where it is, "
        "so growth is a new generation of the topic"
        for one in wanted()
        if one.name in existing and len(existing[one.name]) != one.partitions
    ]


def _existing(admin: AdminClient) -> Existing:
    try:
        found = admin.list_topics(timeout=TIMEOUT).topics
        return {name: [one.replicas for one in topic.partitions.values()] for name, topic in found.items()}
    except KafkaException as fault:
        raise Unavailable(f"Kafka does not answer: {fault.args[0].str()}; is it running (`fiks status`)?") from fault


def _settings(topic: Topic, replication: int) -> dict[str, str]:
    """With three replicas, two must have an event before it counts."""
    return topic.settings | {"min.insync.replicas": "2" if replication >= 3 else "1"}
