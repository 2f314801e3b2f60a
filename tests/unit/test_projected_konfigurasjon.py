"""The configuration as tables: at any time they say what the memory's fold says, whatever came and however often."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections import folding
from projections.konfigurasjon import konfigurasjon, rows_of, said, streams_of
from projections.projection import Met, Row, Rows
from schemas.errors import Unreadable
from schemas.konfigurasjon import IntegrasjonOpprettet, PassordLaget, TjenesteInitialisert
from tests.support.backbone import about
from tests.support.konfigurasjon import (
    ADMIN_A,
    GENESIS,
    MASKIN,
    A,
    B,
    any_configuration_event,
    columns_of,
    fold,
    grant,
    konto,
    met,
    ressurs,
)

COLUMNS = columns_of(konfigurasjon.tables)
assert konfigurasjon.fold
FOLD = konfigurasjon.fold


class Tables:
    """Tables without a database. It counts the rows that are read and written."""

    def __init__(self) -> None:
        self.rows: Rows = {name: set() for name in COLUMNS}
        self.found, self.written = 0, 0

    async def carry(self, events: Sequence[Met]) -> None:
        before = await folding.load(FOLD, events, self._find)
        after = FOLD.advance(before, events)
        for name, rows in self.rows.items():
            had, has = before.get(name, set()), after.get(name, set())
            assert had <= rows
            self.rows[name] = rows - had | has
            self.written += len(had ^ has)

    async def _find(self, name: str, columns: Sequence[str], keys: set[Row]) -> Iterable[Row]:
        at = [COLUMNS[name].index(column) for column in columns]
        found = [row for row in self.rows[name] if tuple(row[number] for number in at) in keys]
        self.found += len(found)
        return found

    def there(self) -> Rows:
        return {name: rows for name, rows in self.rows.items() if rows}


def expected(events: Iterable[Met]) -> Rows:
    """The rows of the memory's fold."""
    memory = fold(())
    for event, at in events:
        assert at.position is not None
        memory.meet(event, at.cause, at.position.offset)
    return {name: rows for name, rows in rows_of(memory.streams()).items() if rows}


def history(events: Iterable[tuple[Any, int | None]]) -> list[Met]:
    return [met(event, offset, cause) for offset, (event, cause) in enumerate(events)]


told = st.tuples(any_configuration_event, st.none() | st.integers(-1, 60))
cuts = st.lists(st.integers(0, 50), max_size=8).map(sorted)


@given(st.lists(told, max_size=40), cuts)
async def test_the_tables_are_what_the_fold_says(events: list[tuple[Any, int | None]], cut: list[int]) -> None:
    """For any history, void decisions among it, in any batches."""
    all_ = history([*((one, None) for one in GENESIS), *events])
    tables = Tables()
    for begin, end in pairwise([0, *cut, len(all_)]):
        if batch := all_[begin:end]:
            await tables.carry(batch)
    last = all_[: max([*cut, len(all_)])]
    assert tables.there() == expected(last)


@given(st.lists(st.tuples(any_configuration_event, st.integers(0, 5)), max_size=25))
async def test_repeats_change_nothing_where_they_change_nothing_in_the_fold(events: list[tuple[Any, int]]) -> None:
    """Each event is a decision because of the record before it, and comes again, at once or later."""
    once: list[Met] = []
    again: list[Met] = []
    offset = 0
    for event, back in events:
        once.append(met(event, offset + 1, offset))
        again += [once[-1], *(met(old.event, offset + 2, old.at.cause) for old in once[-1 - back :])]
        offset += 3
    tables = Tables()
    for one in again:
        await tables.carry([one])
    assert tables.there() == expected(again)


@given(st.lists(told, max_size=30))
def test_rows_hold_all_of_a_stream_but_hashes(events: list[tuple[Any, int | None]]) -> None:
    memory = fold([*GENESIS])
    for offset, (event, cause) in enumerate(events):
        memory.meet(event, cause, offset)
    rows = rows_of(memory.streams())
    assert rows_of(streams_of(rows)) == rows


async def test_a_large_organisation_is_neither_read_nor_rewritten_for_one_event() -> None:
    tables = Tables()
    many = [ressurs(A, number, A) for number in range(100, 300)]
    grants = [grant(A, f"person:{number}", UUID(int=100 + number)) for number in range(200)]
    await tables.carry(history((one, None) for one in (*GENESIS, *many, *grants)))
    tables.found = tables.written = 0
    await tables.carry([met(grant(A, "person:7", UUID(int=150)), 1_000)])
    assert (tables.found, tables.written) == (4, 1)  # the organisation, two resources, what the actor held


async def test_an_account_lies_below_the_service_that_was_made_in_an_earlier_batch() -> None:
    service = TjenesteInitialisert(
        fiks_org_id=B, tjeneste="SVARUT", ressurs_id=UUID(int=7), ressurstype="SVARUT", navn="SvarUt"
    )
    tables = Tables()
    await tables.carry(history([*((one, None) for one in GENESIS), (service, None)]))
    await tables.carry([met(konto(B, 9), 100)])
    assert (B, UUID(int=9), "SVARUT_KONTO", "k", (UUID(int=9), UUID(int=7), B)) in tables.rows["ressurs"]


async def test_no_hash_of_a_password_is_in_any_row() -> None:
    made = IntegrasjonOpprettet(
        fiks_org_id=A, integrasjon_id=MASKIN, autorisert_orgnr="310991007", navn="Fag", passord_hash="$secret-one"
    )
    tables = Tables()
    await tables.carry(history([*((one, None) for one in GENESIS), (made, None)]))
    await tables.carry([met(PassordLaget(fiks_org_id=A, integrasjon_id=MASKIN, passord_hash="$secret-two"), 100)])
    assert tables.rows["integrasjon"]
    assert "$secret" not in repr(tables.rows)


def test_an_event_that_calls_itself_another_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="calls itself KontoOpprettet"):
        said(grant(A, ADMIN_A, A), about(konto(A)))


def test_the_columns_of_the_key_stand_first() -> None:
    for table, columns in COLUMNS.items():
        key = konfigurasjon.tables.split(f"create table {table} (")[1].split("primary key (")[1].split(")")[0]
        assert columns[: len(key.split(", "))] == key.split(", ")
