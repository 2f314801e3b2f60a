"""The topics of the log and their settings (DESIGN.md, Events)."""

from __future__ import annotations

from dataclasses import dataclass, field

FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
HOUR = 3_600_000
NEWEST_OF_EACH_KEY = {
    "cleanup.policy": "compact",
    "segment.ms": str(HOUR),  # what was appended last can only be cleaned once its segment is closed
    "max.compaction.lag.ms": str(12 * HOUR),
    "min.cleanable.dirty.ratio": "0.1",
    "file.delete.delay.ms": "60000",
    # A reader that was away for longer would not hear of what was deleted; a tombstone itself holds no secret.
    "delete.retention.ms": str(90 * 24 * HOUR),
}
"""What was overwritten or deleted is out of Kafka's files after segment.ms + max.compaction.lag.ms and the time that it
takes to append one more record (``streams.keys``) and to clean: within a day.
"""
COMMON = {"compression.type": "producer", "message.timestamp.type": "CreateTime", "max.message.bytes": "4194304"}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. The number of partitions never changes in place: a stream must stay where it is."""

    name: str
    about: str
    partitions: int = 12
    settings: dict[str, str] = field(default_factory=lambda: FOR_EVER | COMMON)

    @property
    def dead_letters(self) -> str:
        """The topic of the events that can never be read, with the same number of partitions."""
        return f"{self.name}.dlq"


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("fiks.svarut", "A forsendelse from mottatt to its end; key forsendelseId"),
        Topic("fiks.konfigurasjon", "Organisations, integrations, accounts and privileges; key fiksOrgId"),
        Topic("fiks.dokumentlager", "A document from upload to the destruction of its key; key dokumentId"),
        Topic("fiks.io", "Messages of Fiks IO from sent to their end; key mottakerKontoId"),
        Topic("fiks.audit", "Refusals, and access to data about others; key fiksOrgId"),
    )
}
"""The topics of events, by name. Each has a dead-letter topic beside it."""

NOKKEL = Topic(
    "fiks.nokkel",
    "Wrapped data keys; key: the key's name; a tombstone is erasure",
    settings=NEWEST_OF_EACH_KEY | COMMON,
)
"""No topic of events: it is compacted, has no dead letters, and no event of the catalogue lies on it."""
