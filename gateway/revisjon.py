"""What can be asked about an organisation's record: who changed what there, who looked up whom, and who was refused.

It is the lines of the audit trail in the organisation's own stream. What happened to a letter, a document or a message
is in the stream of that, and is answered where that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from aiohttp.web import AppKey

from gateway.reading import PATIENCE, Answer, Reading, Rows
from infra.database import Pool
from infra.ends import Ends
from schemas.topics import TOPICS

TJENESTER = {"konfigurasjon": "fiks.konfigurasjon", "audit": "fiks.audit"}
"""The topics whose streams are organisations, by the service that they are of."""


SORTERING = {"DATO_ASC": "asc", "DATO_DESC": "desc", "RELEVANS": "desc"}
"""How hits can be ordered by their time. All are equally relevant, so by relevance the newest come first too."""


@dataclass(frozen=True, slots=True)
class Kriterier:
    """What is searched for: a word of what was done or of its legal basis, from when to when, and in which calls."""

    tjenester: Sequence[str]
    term: str | None = None
    fra: datetime | None = None
    til: datetime | None = None
    requester: Sequence[str] | None = None


class Treff(NamedTuple):
    """How many hits there are of each service, and a page of them."""

    antall: dict[str, int]
    side: Answer


WHERE = """
    from read.audit where stream = $1 and topic = any($2::text[])
    and ($3::text is null or strpos(lower(concat_ws(' ', type, legal_basis)), lower($3)) > 0)
    and ($4::timestamptz is null or time >= $4) and ($5::timestamptz is null or time <= $5)
    and ($6::text[] is null or correlation_id = any($6))
"""
ANTALL = f"select topic, count(*) as antall {WHERE} group by topic"
SIDE = f"""
    select topic, partition, "offset", id, type, time, correlation_id, actor, on_behalf_of,
           supplier, level, integration, legal_basis {WHERE}
    order by time {{order}}, topic, "offset" {{order}} offset $7 limit $8
"""


class Revisjon:
    """The questions of one process about the record."""

    def __init__(self, pool: Pool, bootstrap: str, patience: float = PATIENCE) -> None:
        self._konfigurasjon, self._audit = (
            _Trail(pool, Ends(bootstrap, TOPICS[topic]), "audit", "decider:konfigurasjon", patience)
            for topic in TJENESTER.values()
        )

    async def sok(self, fiks_org_id: UUID, what: Kriterier, sortering: str, fra: int, antall: int) -> Treff:
        """All that the log has now; ``sortering`` is one of ``SORTERING``. Raises Unavailable."""
        await self._konfigurasjon.caught_up(fiks_org_id)
        topics = [topic for name, topic in TJENESTER.items() if name in what.tjenester]
        args = (str(fiks_org_id), topics, what.term, what.fra, what.til, what.requester)
        counted = await self._audit.rows(fiks_org_id, ANTALL, *args)
        page = await self._audit.rows(fiks_org_id, SIDE.format(order=SORTERING[sortering]), *args, fra, antall)
        by_topic = {row["topic"]: row["antall"] for row in counted.rows}
        return Treff({name: by_topic.get(topic, 0) for name, topic in TJENESTER.items()}, page)


class _Trail(Reading):
    """The questions about the part of the trail that is of one topic."""

    async def rows(self, fiks_org_id: UUID, statement: str, *args: object) -> Answer:
        return await self._read(statement, *args, about=[fiks_org_id], enough=_never)


def _never(_rows: Rows) -> bool:
    """Only the end of the log tells that these are all."""
    return False


REVISJON = AppKey("revisjon", Revisjon)
"""``app[REVISJON]``: where handlers find it."""
