"""The configuration as tables: at any time they say what the memory's fold says, whatever came and however often."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projections import folding
from projections.konfigurasjon import NO_HASH, STEG, konfigurasjon, rows_of, said, streams_of
from projections.projection import Met, Row, Rows
from schemas.errors import Unreadable
from schemas.fiks_io_konto import (
    AdresseBeskrevet,
    AdresseInnskrenket,
    AdresseOpprettet,
    AdresseSlettet,
    AdresseUtvidet,
    AvsenderAkseptert,
    KontoAktivert,
    OffentligNokkelSatt,
)
from schemas.konfigurasjon import (
    ROOT,
    AktorDeaktivert,
    GlobalIntegrasjonEndret,
    IntegrasjonOpprettet,
    IntegrasjonSlettet,
    KontoEndret,
    KontoOpprettet,
    KontoSlettet,
    KontoTagFjernet,
    KontoTagget,
    OrganisasjonEndret,
    PassordLaget,
    PrivilegieTrukketTilbake,
    RessursFrakoblet,
    RessursTilknyttet,
    TjenesteInitialisert,
    TypePrivilegieTildelt,
    TypePrivilegieTrukketTilbake,
)
from streams.domain.configuration import Stream
from streams.domain.konfigurasjon import Virksomhet
from tests.support.backbone import about
from tests.support.given_when_then import WHEN
from tests.support.konfigurasjon import (
    ADMIN_A,
    ADMIN_B,
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
INTEGRASJON = f"integrasjon:{MASKIN}"
IO = UUID(int=0x10)
BY = {"endret": WHEN, "endret_av": INTEGRASJON}


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
        """All rows but the steps."""
        return {name: rows for name, rows in self.rows.items() if rows and name != STEG}

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps in the order of each stream, by column."""
        return [dict(zip(COLUMNS[STEG], row, strict=True)) for row in sorted(self.rows[STEG], key=lambda row: row[:3])]


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


@given(st.lists(told, max_size=40), st.integers(1, 12))
async def test_the_tables_are_what_the_fold_says(events: list[tuple[Any, int | None]], size: int) -> None:
    """For any history, void decisions among it, in batches of any size."""
    all_ = history([*((one, None) for one in GENESIS), *events])
    tables = Tables()
    for begin in range(0, len(all_), size):
        await tables.carry(all_[begin : begin + size])
    assert tables.there() == expected(all_)


CREATED = IntegrasjonOpprettet(
    fiks_org_id=A, integrasjon_id=MASKIN, autorisert_orgnr="310991007", navn="Fag", passord_hash="$secret-one"
)
TOUCHY = [
    *GENESIS,
    IntegrasjonOpprettet(
        fiks_org_id=A, integrasjon_id=MASKIN, autorisert_orgnr="310991007", navn="n", passord_hash="h"
    ),
    grant(A, INTEGRASJON, UUID(int=1)),
    RessursTilknyttet(fiks_org_id=A, integrasjon_id=MASKIN, ressurs_id=UUID(int=1)),
    TjenesteInitialisert(fiks_org_id=A, tjeneste="SVARUT", ressurs_id=UUID(int=4), ressurstype="SVARUT", navn="t"),
    TjenesteInitialisert(fiks_org_id=A, tjeneste="SVARUT", ressurs_id=UUID(int=5), ressurstype="SVARUT", navn="t"),
    konto(A, 6),
    KontoTagget(fiks_org_id=A, konto_id=UUID(int=6), tag="en"),
    KontoTagget(fiks_org_id=A, konto_id=UUID(int=6), tag="to"),
    KontoTagFjernet(fiks_org_id=A, konto_id=UUID(int=6), tag="en"),
    KontoSlettet(fiks_org_id=A, konto_id=UUID(int=6)),
    KontoEndret(fiks_org_id=A, konto_id=UUID(int=6), navn="Nytt navn"),
    ressurs(A, 7, UUID(int=2)),
    ressurs(A, 7, A),
    RessursTilknyttet(fiks_org_id=A, integrasjon_id=MASKIN, ressurs_id=UUID(int=2)),
    AktorDeaktivert(fiks_org_id=A, aktor=ADMIN_A),
    grant(A, ADMIN_A, UUID(int=1)),
    GlobalIntegrasjonEndret(fiks_org_id=ROOT, integrasjon_id=MASKIN, er_global=True),
    GlobalIntegrasjonEndret(fiks_org_id=ROOT, integrasjon_id=MASKIN, kode="k"),
    TypePrivilegieTildelt(fiks_org_id=ROOT, aktor=ADMIN_B, ressurstype="SVARUT", privilegium="P"),
    TypePrivilegieTildelt(fiks_org_id=ROOT, aktor=ADMIN_B, ressurstype="SVARUT", privilegium="Q"),
    TypePrivilegieTrukketTilbake(fiks_org_id=ROOT, aktor=ADMIN_B, ressurstype="SVARUT", privilegium="P"),
    RessursFrakoblet(fiks_org_id=A, integrasjon_id=MASKIN, ressurs_id=UUID(int=1)),
    grant(B, ADMIN_A, B),
    PrivilegieTrukketTilbake(fiks_org_id=B, aktor=ADMIN_B, ressurs_id=B, privilegium="ADMIN"),
    IntegrasjonSlettet(fiks_org_id=A, integrasjon_id=MASKIN),
    OrganisasjonEndret(fiks_org_id=A, navn="Nytt navn"),
    KontoOpprettet(fiks_org_id=A, konto_id=IO, tjeneste="FIKS_IO", navn="io", opprettet=WHEN, opprettet_av=ADMIN_A),
    KontoAktivert(fiks_org_id=A, konto_id=IO, **BY),
    OffentligNokkelSatt(fiks_org_id=A, konto_id=IO, pem="p", **BY),
    AvsenderAkseptert(fiks_org_id=A, konto_id=IO, avsender_konto_id=UUID(int=9), **BY),
    KontoEndret(fiks_org_id=A, konto_id=IO, navn="Nytt navn", endret=WHEN, endret_av=ADMIN_B),
    AdresseUtvidet(fiks_org_id=ROOT, adresse_id=IO, identifikatorer=("x",), **BY),
    AdresseOpprettet(
        fiks_org_id=ROOT, adresse_id=IO, eier_id=A, konto_id=IO, beskrivelse="b", opprettet=WHEN, opprettet_av=ADMIN_A
    ),
    AdresseUtvidet(fiks_org_id=ROOT, adresse_id=IO, identifikatorer=("x", "a"), sikkerhetsnivaer=(4, 3), **BY),
    AdresseInnskrenket(fiks_org_id=ROOT, adresse_id=IO, identifikatorer=("x",), **BY),
    AdresseSlettet(fiks_org_id=ROOT, adresse_id=IO),
    AdresseBeskrevet(fiks_org_id=ROOT, adresse_id=IO, beskrivelse="b", **BY),
    KontoSlettet(fiks_org_id=A, konto_id=IO),
    KontoAktivert(fiks_org_id=A, konto_id=IO, **BY),
]
"""Each of the later ones means something else where an earlier one is not known."""


async def test_each_event_finds_what_it_depends_on() -> None:
    all_ = history((one, None) for one in TOUCHY)
    tables = Tables()
    for number, one in enumerate(all_, 1):
        await tables.carry([one])
        assert tables.there() == expected(all_[:number])


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


def _comparable(stream: Stream) -> Stream:
    """Without hashes, and without what says nothing."""
    state = stream.virksomhet
    machines = {id_: dataclasses.replace(one, passord_hash=NO_HASH) for id_, one in state.integrasjoner.items()}
    attached = {id_: on for id_, on in state.tilknyttet.items() if on}
    return stream._replace(virksomhet=replace(state, integrasjoner=machines, tilknyttet=attached))


@given(st.lists(told, max_size=30))
def test_rows_hold_all_of_a_stream_but_hashes(events: list[tuple[Any, int | None]]) -> None:
    memory = fold([*GENESIS])
    for offset, (event, cause) in enumerate(events):
        memory.meet(event, cause, offset)
    read = {one.fiks_org_id: one for one in streams_of(rows_of(memory.streams()))}
    for stream in memory.streams():
        assert read.get(stream.fiks_org_id, Stream(stream.fiks_org_id, Virksomhet(), -1)) == _comparable(stream)


@given(st.lists(told, max_size=40), st.integers(1, 12))
async def test_the_steps_add_up_to_who_may_what(events: list[tuple[Any, int | None]], size: int) -> None:
    """In whatever batches they were made; each changes something, and void decisions change nothing."""
    all_, tables = history([*((one, None) for one in GENESIS), *events]), Tables()
    for begin in range(0, len(all_), size):
        await tables.carry(all_[begin : begin + size])
    rights: dict[str, set[Row]] = {"rettighet": set(), "typerettighet": set(), "inaktiv_aktor": set()}
    for one in tables.steps:
        org, aktor, change = one["fiks_org_id"], one["aktor"], one["endring"]
        if change in ("AV", "PA"):
            held, right = rights["inaktiv_aktor"], (org, aktor)
        else:
            name, on = ("rettighet", "ressurs_id") if one["ressurs_id"] else ("typerettighet", "ressurstype")
            held, right = rights[name], (org, aktor, one[on], one["privilegium"])
        assert (right in held) is (change in ("TATT", "PA"))
        held ^= {right}
    assert rights == {name: tables.rows[f"konfigurasjon_{name}"] for name in rights}


async def test_a_step_says_who_got_what_when_and_because_of_what() -> None:
    tables = Tables()
    event, at = met(grant(A, INTEGRASJON, UUID(int=1), "SVARUT.SEND"), 20, 19)
    await tables.carry([*history((one, None) for one in GENESIS), Met(event, replace(at, causation_id="asked"))])
    await tables.carry([met(event, 22, 21), met(AktorDeaktivert(fiks_org_id=A, aktor=INTEGRASJON), 24, 23)])
    own = {"fiks_org_id": A, "partisjon": 0, "aktor": INTEGRASJON, "tidspunkt": WHEN, "ressurstype": None}
    right = {"privilegium": "SVARUT.SEND", "ressurs_id": UUID(int=1)}
    given = {
        "plass": 20,
        "nr": 0,
        "arsak": "asked",
        "hendelse_id": "20",
        "type": "PrivilegieTildelt",
        "endring": "GITT",
    }
    off = {"plass": 24, "arsak": None, "hendelse_id": "24", "type": "AktorDeaktivert"}
    assert [one for one in tables.steps if one["aktor"] == INTEGRASJON] == [
        own | right | given,
        own | right | off | {"nr": 0, "endring": "TATT"},
        own | off | {"nr": 1, "endring": "AV", "privilegium": None, "ressurs_id": None},
    ]


async def test_a_large_organisation_is_neither_read_nor_rewritten_for_one_event() -> None:
    tables = Tables()
    many = [ressurs(A, number, A) for number in range(100, 300)]
    grants = [grant(A, f"person:{number}", UUID(int=100 + number)) for number in range(200)]
    await tables.carry(history((one, None) for one in (*GENESIS, *many, *grants)))
    tables.found = tables.written = 0
    await tables.carry([met(grant(A, "person:7", UUID(int=150)), 1_000)])
    assert (tables.found, tables.written) == (4, 2)  # the organisation, two resources, what the actor held; its step


async def test_an_account_lies_below_the_service_that_was_made_in_an_earlier_batch() -> None:
    service = TjenesteInitialisert(
        fiks_org_id=B, tjeneste="SVARUT", ressurs_id=UUID(int=7), ressurstype="SVARUT", navn="SvarUt"
    )
    tables = Tables()
    await tables.carry(history([*((one, None) for one in GENESIS), (service, None)]))
    await tables.carry([met(konto(B, 9), 100)])
    assert (B, UUID(int=9), "SVARUT_KONTO", "k", (UUID(int=9), UUID(int=7), B)) in tables.rows["konfigurasjon_ressurs"]


async def test_no_hash_of_a_password_is_in_any_row() -> None:
    tables = Tables()
    await tables.carry(history([*((one, None) for one in GENESIS), (CREATED, None)]))
    await tables.carry([met(PassordLaget(fiks_org_id=A, integrasjon_id=MASKIN, passord_hash="$secret-two"), 100)])
    assert tables.rows["konfigurasjon_integrasjon"]
    assert "$secret" not in repr(tables.rows)


def test_an_event_that_calls_itself_another_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="calls itself KontoOpprettet"):
        said(grant(A, ADMIN_A, A), about(konto(A)))


def test_the_columns_of_the_key_stand_first() -> None:
    for table, columns in COLUMNS.items():
        key = konfigurasjon.tables.split(f"create table {table} (")[1].split("primary key (")[1].split(")")[0]
        assert columns[: len(key.split(", "))] == key.split(", ")
