"""What can be asked about documents and their accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from aiohttp.web import AppKey

from gateway.reading import PATIENCE, Answer, Reading, Rows
from infra.database import Pool
from infra.ends import Ends
from infra.keys import Keys
from projections.dokumentlager import navn_of
from streams.domain.errors import Rejected
from streams.sealing import opened_at

TOPIC, KONTO_TOPIC = "fiks.dokumentlager", "fiks.konfigurasjon"

DOKUMENT = "select * from read.dokumentlager_dokument where dokument_id = $1"
HENDELSER = """
    select line.tidspunkt, downloads.sist, downloads.antall, line.type, line.aktor, line.detalj
    from (
        select *, lead(made) over (order by made) as neste
        from (
            select * from (
                select *, lag(type) over history as type_before, lag(aktor) over history as aktor_before
                from read.dokumentlager_hendelse h where dokument_id = $1
                and not (type = 'DokumentDestruert' and exists (
                    select from read.dokumentlager_hendelse e
                    where (e.dokument_id, e.type) = (h.dokument_id, h.type) and e.made < h.made))
                window history as (order by made)
            ) hendelse
            where type <> 'DokumentLastetNed' or (type, aktor) is distinct from (type_before, aktor_before)
            order by made offset $2 limit $3::bigint + 1
        ) begins
    ) line, lateral (
        select max(tidspunkt) as sist, count(*) as antall from read.dokumentlager_hendelse
        where dokument_id = $1 and made >= line.made and made < coalesce(line.neste, 9223372036854775807)
        and (made = line.made or type = 'DokumentLastetNed')
    ) downloads
    order by line.made limit $3
"""
"""Who destroys a document may say so again, after all else was lost: the first counts. Downloads that nothing else came
between, by the same, are one line: who plays a film asks for thousands of ranges. A line goes on to where the next one
begins, which is why one more is looked for than is shown. Read is what lies before the end of the page, and no more.
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
NESTE = """
    select * from ({treff}) t where {where} and ({etter}::timestamptz is null
        or (opprettet < {etter} or (opprettet = {etter} and dokument_id > {id})))
    order by opprettet desc, dokument_id limit {antall}
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
    select tidspunkt, type, aktor, detalj from read.dokumentlager_konto_hendelse where konto_id = $1
    order by made offset $2 limit $3
"""

CRITERIA: dict[str, str] = {
    "fra": "opprettet >= {}",
    "til": "opprettet <= {}",
    "lest": "lest = {}",
    "slettet": "(status = 'SLETTET') = {}",
    "korrelasjonsid": "korrelasjonsid = {}",
}
"""What can be searched by, and what it means; ``{}`` is the value. Contract 5, search. For
``dokumentnavn`` see ``sok``."""
NAMES_AT_ONCE = 1000
"""That are opened together."""
MOST_NAMES = 100_000
"""That one search opens: clients give up after a minute of silence (contract, trap 1), and no index may tell names. A
keyed one would show which documents are called the same, and find no parts of names.
"""
TOO_MANY = "Søk på dokumentnavn går blant høyst {} dokumenter: avgrens med fra, til eller korrelasjonsid"


class Dokumenter(Reading):
    """The questions of one process about documents. Their names are opened, ERASED where the key is gone, but where it
    is said that they are sealed.
    """

    def __init__(self, pool: Pool, ends: Ends, keys: Keys, patience: float = PATIENCE) -> None:
        super().__init__(pool, ends, "dokumentlager", "decider:dokumentlager", patience)
        self._keys = keys

    async def dokument(self, dokument_id: UUID) -> Answer:
        """The row of a document, none where there is no such document."""
        return await self._named(await self.looked_for(dokument_id))

    async def looked_for(self, dokument_id: UUID) -> Answer:
        """The same, its name still sealed."""
        return await self._read(DOKUMENT, dokument_id, about=[dokument_id], enough=bool)

    async def at_hand(self, dokument_id: UUID) -> Rows:
        """The same rows for whom it does not matter how fresh they are: neither does the log have to answer then."""
        await self._wait_for_own(str(dokument_id))
        return await self._fetch(DOKUMENT, dokument_id) or (await self.looked_for(dokument_id)).rows

    async def hendelser(self, dokument_id: UUID, offset: int, limit: int) -> Answer:
        """``tidspunkt, sist, antall, type, aktor, detalj`` of what has happened, in order; only downloads in a row have
        another ``antall`` than 1.
        """
        return await self._read(HENDELSER, dokument_id, offset, limit, about=[dokument_id], enough=_never)

    async def liste(self, konto_id: UUID, offset: int, limit: int) -> Answer:
        """``dokument_id, dokumentnavn, ukryptert_storrelse`` of what the account has, the newest first."""
        return await self._named(await self._read(LISTE, konto_id, offset, limit, about=None, enough=_never))

    async def sok(self, konto_id: UUID, criteria: dict[str, Any], offset: int, limit: int) -> tuple[int, Answer]:
        """How many documents of the account meet all ``criteria`` (see ``CRITERIA``), and a page, the newest first.

        Names are sealed in the table: a search by ``dokumentnavn`` opens those of all that meet the other criteria.
        Raises Rejected where these are more than ``MOST_NAMES``.
        """
        args: list[Any] = [konto_id]
        conditions = ["konto_id = $1"]
        for name, condition in CRITERIA.items():
            if name in criteria:
                args.append(criteria[name])
                conditions.append(condition.format(f"${len(args)}"))
        words = {"treff": TREFF, "where": " and ".join(conditions)}
        counted = await self._read(ANTALL.format(**words), *args, about=None, enough=_never)
        if (navn := criteria.get("dokumentnavn")) is not None:
            if counted.rows[0]["antall"] > MOST_NAMES:
                raise Rejected(TOO_MANY.format(MOST_NAMES))
            return await self._with_name(navn.lower(), words, args, offset, limit, counted)
        page = SOK.format(**words, fra=f"${len(args) + 1}", antall=f"${len(args) + 2}")
        found = await self._read(page, *args, offset, limit, about=[], enough=_always)
        return counted.rows[0]["antall"], await self._named(found)

    async def _with_name(
        self, navn: str, words: dict[str, str], args: list[Any], offset: int, limit: int, asked: Answer
    ) -> tuple[int, Answer]:
        """The page of those whose name contains ``navn``, and how many they are: some at a time, never all at once."""
        numbers = {name: f"${len(args) + at}" for at, name in enumerate(("etter", "id", "antall"), 1)}
        statement, after = NESTE.format(**words, **numbers), (None, None)
        hits, page = 0, list[Any]()
        while rows := await self._fetch(statement, *args, *after, NAMES_AT_ONCE):
            found = [row for row in await self.named(rows) if navn in row["dokumentnavn"].lower()]
            page += found[max(0, offset - hits) : max(0, offset + limit - hits)]
            hits += len(found)
            after = rows[-1]["opprettet"], rows[-1]["dokument_id"]
        return hits, Answer(page, asked.as_of)

    async def _named(self, found: Answer) -> Answer:
        return Answer(await self.named(found.rows), found.as_of)

    async def named(self, rows: Rows) -> Rows:
        """The rows with their names opened, some at a time so that others get their turn. Raises Unavailable, and
        Unreadable.
        """
        shown: list[dict[str, Any]] = []
        for at in range(0, len(rows), NAMES_AT_ONCE):
            some = rows[at : at + NAMES_AT_ONCE]
            names = await opened_at(self._keys, [navn_of(row) for row in some])
            shown += [{**row, "dokumentnavn": one.dokumentnavn} for row, one in zip(some, names, strict=True)]
            await asyncio.sleep(0)
        return cast("Rows", shown)  # they are read as records are

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

    async def hendelser(self, fiks_org_id: UUID, konto_id: UUID, offset: int, limit: int) -> Answer:
        """``tidspunkt, type, aktor, detalj`` of what has happened to the account, in order."""
        return await self._read(KONTO_HENDELSER, konto_id, offset, limit, about=[fiks_org_id], enough=_never)


def _never(_rows: Sequence[Any]) -> bool:
    """Only the end of the log tells that these are all."""
    return False


def _always(_rows: Sequence[Any]) -> bool:
    return True


DOKUMENTER = AppKey("dokumenter", Dokumenter)
KONTOER = AppKey("kontoer", Kontoer)
"""``app[DOKUMENTER]`` and ``app[KONTOER]``: where handlers find them."""
