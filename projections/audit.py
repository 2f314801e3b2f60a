"""The audit trail: every event of every topic, from its envelope alone. Nothing is decoded, so nothing is kept back."""

from __future__ import annotations

from projections.projection import Append, Projection, Write, sql_beside
from schemas.envelope import Envelope
from schemas.topics import TOPICS

audit = Projection("audit", logic=2, topics=tuple(TOPICS), sql=sql_beside(__file__), gathered=True)


@audit.on_every_event
def line(at: Envelope) -> tuple[Write]:
    """One line an event, keyed by its position on the log."""
    assert at.position is not None
    row = (
        *at.position,
        at.id,
        at.type,
        at.stream,
        at.time,
        at.correlation_id,
        at.causation_id,
        at.actor,
        at.on_behalf_of,
        at.supplier,
        at.level,
        at.integration,
        at.legal_basis,
        at.source,
    )
    return (Append("audit", row),)
