"""The topics of the log and their settings (DESIGN.md, Events)."""

from __future__ import annotations

from dataclasses import dataclass, field

FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
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
        Topic("fiks.audit", "Refusals, and access to data about others; key fiksOrgId"),
    )
}
"""The topics of events, by name. Each has a dead-letter topic beside it."""
