"""What can be asked about documents and their accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aiohttp.web import AppKey

from gateway.reading import PATIENCE, Answer, Reading, Rows
from infra.database import Pool
from infra.ends import Ends

TOPIC, KONTO_TOPIC = "fiks.dokumentlager", "fiks.konfigurasjon"

DOKUMENT = "select * from read.dokumentlager_dokument where dokument_id = $1"
HENDELSER = """
    select tidspunkt, type, aktor, detalj from read.dokumentlager_hendelse where dokument_id = $1 order by made
"""
LISTE = """
    select dokument_id, dokumentnavn, ukryptert_storrelse from read.dokumentlager_dokument
    where konto_id = $1 and status <> 'SLETTET' order by opprettet desc, dokument_id offset $2 limit $3
"""
TREFF = """
    select *, exists (select from read.dokumentlager_hendelse h
                      where h.dokument_id = d.dokument_id and h.type = 'DokumentLastetNed') as lest
    from read.dokumentlager_dokument d
"""
SOK = "select * from ({treff}) t where {where} order by opprettet desc, dokument_id offset {fra} limit {antall}"
ANTALL = "select count(*) as antall from ({treff}) t where {where}"
STATISTIKK = """
    select fiks_org_id, konto_id, count(*) as antall,
           count(*) filter (where status <> 'SLETTET') as levende,
           coalesce(sum(kryptert_storrelse) filter (where status <> 'SLETTET'), 0)::bigint as storrelse,
           coalesce(sum(ukryptert_storrelse) filter (where status <> 'SLETTET'), 0)::bigint as ukryptert
    from read.dokumentlager_dokument
    where ($1::uuid is null or fiks_org_id = $1) and ($2::uuid is null or konto_id = $2) group by 1, 2
"""
KONTO_HENDELSER = """
    select tidspunkt, type, aktor, detalj from read.dokumentlager_konto_hendelse where konto_id = $1 order by made
"""

CRITERIA: dict[str, str] = {
    "fra": "opprettet >= {}",
    "til": "opprettet <= {}",
    "dokumentnavn": "position(lower({}) in lower(dokumentnavn)) > 0",
    "lest": "lest = {}",
    "slettet": "(status = 'SLETTET') = {}",
    "korrelasjonsid": "korrelasjonsid = {}",
}
"""What can be searched by, and what it means; ``{}`` is the value. Contract 5, search."""


class Dokumenter(Reading):
    """The questions of one process about documents."""

    def __init__(self, pool: Pool, ends: Ends, patience: float = PATIENCE) -> None:
        super().__init__(pool, ends, "dokumentlager", "decider:dokumentlager", patience)

    async def dokument(self, dokument_id: UUID) -> Answer:
        """The row of a document, none where there is no such document."""
        return await self._read(DOKUMENT, dokument_id, about=[dokument_id], enough=bool)

    async def at_hand(self, dokument_id: UUID) -> Rows:
        """The same rows for whom it does not matter how fresh they are: neither does the log have to answer then."""
        await self._wait_for_own(str(dokument_id))
        return await self._fetch(DOKUMENT, dokument_id) or (await self.dokument(dokument_id)).rows

    async def hendelser(self, dokument_id: UUID) -> Answer:
        """``tidspunkt, type, aktor, detalj`` of what has happened, in order."""
        return await self._read(HENDELSER, dokument_id, about=[dokument_id], enough=_never)

    async def liste(self, konto_id: UUID, offset: int, limit: int) -> Answer:
        """``dokument_id, dokumentnavn, ukryptert_storrelse`` of what the account has, the newest first."""
        return await self._read(LISTE, konto_id, offset, limit, about=None, enough=_never)

    async def sok(self, konto_id: UUID, criteria: dict[str, Any], offset: int, limit: int) -> tuple[int, Answer]:
        """How many documents of the account meet all ``criteria`` (see ``CRITERIA``), and a page, the newest first."""
        args: list[Any] = [konto_id]
        conditions = ["konto_id = $1"]
        for name, value in criteria.items():
            args.append(value)
            conditions.append(CRITERIA[name].format(f"${len(args)}"))
        words = {"treff": TREFF, "where": " and ".join(conditions)}
        counted = await self._read(ANTALL.format(**words), *args, about=None, enough=_never)
        page = SOK.format(**words, fra=f"${len(args) + 1}", antall=f"${len(args) + 2}")
        return counted.rows[0]["antall"], await self._read(page, *args, offset, limit, about=[], enough=_always)

    async def statistikk(self, fiks_org_id: UUID | None = None, konto_id: UUID | None = None) -> Answer:
        """``fiks_org_id, konto_id, antall, levende, storrelse, ukryptert`` of each account that ever had a document."""
        return await self._read(STATISTIKK, fiks_org_id, konto_id, about=None, enough=_never)

    async def grenser(self) -> tuple[int, ...]:
        """The next offset of each partition of the topic. Raises Unavailable."""
        ends = await self._ends.now()
        return tuple(ends[partition] for partition in sorted(ends))


class Kontoer(Reading):
    """The questions of one process about what has happened to accounts."""

    def __init__(self, pool: Pool, ends: Ends, patience: float = PATIENCE) -> None:
        super().__init__(pool, ends, "dokumentlager", "decider:konfigurasjon", patience)

    async def hendelser(self, fiks_org_id: UUID, konto_id: UUID) -> Answer:
        """``tidspunkt, type, aktor, detalj`` of what has happened to the account, in order."""
        return await self._read(KONTO_HENDELSER, konto_id, about=[fiks_org_id], enough=_never)


def _never(_rows: Sequence[Any]) -> bool:
    """Only the end of the log tells that these are all."""
    return False


def _always(_rows: Sequence[Any]) -> bool:
    return True


DOKUMENTER = AppKey("dokumenter", Dokumenter)
KONTOER = AppKey("kontoer", Kontoer)
"""``app[DOKUMENTER]`` and ``app[KONTOER]``: where handlers find them."""
