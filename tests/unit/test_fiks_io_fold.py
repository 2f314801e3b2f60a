"""What is folded of accounts of Fiks IO and their addresses, and what the catalogue makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fiks_io_konto import (
    AdresseAktivert,
    AdresseBeskrevet,
    AdresseEvent,
    AdresseOpprettet,
    AdresseSlettet,
    AdresseUtvidet,
    AvsenderAkseptert,
    AvsenderfilterEndret,
    AvsenderFjernet,
    FiksIoKontoEvent,
    KontoAktivert,
    KontoDeaktivert,
    OffentligNokkelFjernet,
    OffentligNokkelSatt,
    UnikKlientMeldingIdEndret,
)
from schemas.konfigurasjon import (
    ROOT,
    AktorDeaktivert,
    KontoEndret,
    KontoOpprettet,
    KontoSlettet,
    TypePrivilegieTildelt,
)
from streams.domain.configuration import Configuration
from streams.domain.fiks_io_katalog import (
    INGEN_NOKKEL,
    adresser_of,
    found,
    konto_of,
    nokkel_of,
    status_of,
    takes_part,
    usable_nokkel_of,
)
from streams.domain.fiks_io_konto import KONFIGURERE, SENDE_MOTTA, FiksIoKonto, common, extended, narrowed
from tests.support.certificates import END, pem
from tests.support.given_when_then import WHEN
from tests.support.konfigurasjon import ADMIN_A, GENESIS, MASKIN, NOBODY, OPERATOR, A, B, any_of, fold, grant

IO, OTHER, ADRESSE = UUID(int=0x10), UUID(int=0x11), UUID(int=0x20)
LATER = WHEN + timedelta(hours=1)
MACHINE = f"integrasjon:{MASKIN}"
KONTO = KontoOpprettet(fiks_org_id=A, konto_id=IO, tjeneste="FIKS_IO", navn="k", opprettet=WHEN, opprettet_av=ADMIN_A)
OF = {"fiks_org_id": A, "konto_id": IO, "endret": LATER, "endret_av": MACHINE}


def konto_after(*events: Any) -> FiksIoKonto:
    konto = konto_of(fold([*GENESIS, KONTO, *events]), IO)
    assert konto is not None
    return konto.satt


def test_a_new_account_is_not_active_and_takes_from_all() -> None:
    assert konto_after() == FiksIoKonto(opprettet=WHEN, opprettet_av=ADMIN_A)


@pytest.mark.parametrize(
    ("events", "then"),
    [
        ([KontoAktivert(**OF)], {"aktiv": True}),
        ([KontoAktivert(**OF), KontoDeaktivert(**OF)], {"aktiv": False}),
        ([OffentligNokkelSatt(pem="p", **OF)], {"pem": "p"}),
        ([OffentligNokkelSatt(pem="p", **OF), OffentligNokkelFjernet(**OF)], {"pem": None}),
        ([AvsenderAkseptert(avsender_konto_id=OTHER, **OF)], {"avsendere": {OTHER}}),
        (
            [AvsenderAkseptert(avsender_konto_id=OTHER, **OF), AvsenderFjernet(avsender_konto_id=OTHER, **OF)],
            {"avsendere": frozenset()},
        ),
        ([AvsenderfilterEndret(aktivert=True, **OF)], {"avsenderfilter": True}),
        ([UnikKlientMeldingIdEndret(aktivert=True, **OF)], {"unik_klient_melding_id": True}),
        ([KontoEndret(navn="n", **OF)], {}),
    ],
    ids=lambda value: "-".join(type(one).__name__ for one in value) if isinstance(value, list) else "then",
)
def test_each_event_changes_one_thing_and_says_when_and_by_whom(events: list[Any], then: dict[str, Any]) -> None:
    changed = {name: getattr(konto_after(*events), name) for name in FiksIoKonto.__slots__}
    was = {name: getattr(konto_after(), name) for name in FiksIoKonto.__slots__}
    assert changed == was | then | {"endret": LATER, "endret_av": MACHINE}


def test_an_account_of_another_service_or_that_is_deleted_is_none_of_the_catalogue() -> None:
    known = fold([*GENESIS, KONTO, KontoAktivert(**OF), KontoSlettet(fiks_org_id=A, konto_id=IO)])
    assert [konto_of(known, one) for one in (IO, UUID(int=2), UUID(int=99), A)] == [None] * 4
    later = fold([*GENESIS, KONTO, KontoSlettet(fiks_org_id=A, konto_id=IO), KontoAktivert(**OF)])
    assert not later.virksomhet(A).fiks_io_kontoer[IO].aktiv


def test_who_is_active_sends_and_who_has_a_certificate_that_may_be_used_receives() -> None:
    def status(*events: Any, now: Any = WHEN) -> tuple[bool, bool, bool]:
        konto = konto_of(fold([*GENESIS, KONTO, *events]), IO)
        assert konto is not None
        said = status_of(konto, now)
        assert said.gyldig_mottaker is (usable_nokkel_of(konto, now) is not None and konto.satt.aktiv)
        return said.gyldig_avsender, said.gyldig_mottaker, said.melding is not None

    nokkel = OffentligNokkelSatt(pem=pem(), **OF)
    assert status() == status(nokkel) == (False, False, True)
    assert status(KontoAktivert(**OF)) == (True, False, True)
    assert status(KontoAktivert(**OF), nokkel) == (True, True, False)
    assert status(KontoAktivert(**OF), nokkel, now=END + timedelta(seconds=1)) == (True, False, True)


def test_a_certificate_that_cannot_be_read_any_more_is_none() -> None:
    konto = konto_of(fold([*GENESIS, KONTO, KontoAktivert(**OF), OffentligNokkelSatt(pem="p", **OF)]), IO)
    assert konto is not None
    assert (nokkel_of(konto), status_of(konto, WHEN)) == (None, (True, False, INGEN_NOKKEL))


def test_a_new_name_that_does_not_say_when_leaves_what_is_known_of_that() -> None:
    renamed = KontoEndret(fiks_org_id=A, konto_id=IO, navn="n")
    assert konto_after(KontoAktivert(**OF), renamed) == konto_after(KontoAktivert(**OF))


# --- Addresses -------------------------------------------------------------------------------------------------------

ADR = {"fiks_org_id": ROOT, "adresse_id": ADRESSE}
BY = {"endret": LATER, "endret_av": MACHINE}
NEW = AdresseOpprettet(**ADR, eier_id=A, konto_id=IO, beskrivelse="b", opprettet=WHEN, opprettet_av=ADMIN_A)
MEANING = AdresseUtvidet(
    **ADR, identifikatorer=("ORG_NO.1", "ORG_NO.2"), meldingsprotokoller=("p",), sikkerhetsnivaer=(3, 4), **BY
)
ACTIVE = (NEW, MEANING, AdresseAktivert(**ADR, **BY))


def with_adresse(*events: Any) -> Configuration:
    return fold([*GENESIS, KONTO, *events])


def test_an_active_address_is_found_by_each_that_it_means_and_nothing_else() -> None:
    def who(configuration: Configuration, *what: Any) -> UUID | None:
        one = found(configuration, *what)
        return one and one.konto_id

    known = with_adresse(*ACTIVE)
    assert {who(known, number, "p", niva) for number in ("ORG_NO.1", "ORG_NO.2") for niva in (3, 4)} == {IO}
    for what in (("ORG_NO.3", "p", 3), ("ORG_NO.1", "q", 3), ("ORG_NO.1", "p", 2), ("NAVENHET_ID.1", "p", 3)):
        assert who(known, *what) is None
    assert who(with_adresse(*ACTIVE[:2]), "ORG_NO.1", "p", 3) is None
    gone = with_adresse(*ACTIVE, KontoSlettet(fiks_org_id=A, konto_id=IO))
    assert who(gone, "ORG_NO.1", "p", 3) is None and adresser_of(gone) == []


def test_what_is_said_of_an_address_that_does_not_exist_is_void() -> None:
    for one in (MEANING, *ACTIVE[2:], AdresseBeskrevet(**ADR, beskrivelse="x", **BY), AdresseSlettet(**ADR)):
        assert not with_adresse(one).virksomhet(ROOT).adresser
    assert not with_adresse(*ACTIVE, AdresseSlettet(**ADR)).virksomhet(ROOT).adresser


sets = st.tuples(
    st.frozensets(st.sampled_from(["a", "b", "c"])),
    st.frozensets(st.sampled_from(["p", "q"])),
    st.frozensets(st.integers(1, 4)),
)


@given(sets, sets)
def test_what_two_have_in_common_is_the_same_from_both_sides(one: Any, other: Any) -> None:
    base = with_adresse(NEW).virksomhet(ROOT).adresser[ADRESSE]
    a, b = extended(base, *one), extended(base, *other)
    assert (
        common(a, b) == common(b, a) == narrowed(a, *(mine - theirs for mine, theirs in zip(one, other, strict=True)))
    )
    assert extended(common(a, b), *one) == a


@given(st.lists(any_of(FiksIoKontoEvent | AdresseEvent), max_size=25))
def test_any_history_folds_and_an_event_that_comes_twice_changes_nothing(history: list[Any]) -> None:
    def states(events: Iterable[Any]) -> Any:
        return fold([*GENESIS, KONTO, *events]).virksomheter

    assert states(history) == states(two for one in history for two in (one, one))


# --- Who has use for the catalogue -----------------------------------------------------------------------------------


@pytest.mark.parametrize("privilegium", [SENDE_MOTTA, KONFIGURERE, "ADMIN"])
def test_whoever_may_something_in_fiks_io_anywhere_takes_part(privilegium: str) -> None:
    assert takes_part(fold([*GENESIS, grant(B, MACHINE, UUID(int=3), privilegium)]), MACHINE)
    by_type = TypePrivilegieTildelt(
        fiks_org_id=ROOT, aktor=MACHINE, ressurstype="FIKS_IO_KONTO", privilegium=privilegium
    )
    assert takes_part(fold([*GENESIS, by_type]), MACHINE)


def test_others_do_not() -> None:
    known = fold([*GENESIS, grant(A, MACHINE, A, "SVARUT.SEND"), AktorDeaktivert(fiks_org_id=A, aktor=ADMIN_A)])
    assert [takes_part(known, one) for one in (MACHINE, NOBODY, ADMIN_A, OPERATOR)] == [False, False, False, True]
