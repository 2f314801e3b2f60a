"""Who may have an account of Fiks IO changed, and that no two active addresses ever mean the same."""

from __future__ import annotations

from itertools import combinations
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.fiks_io_konto import AdresseAktivert, AdresseOpprettet, AdresseUtvidet, FiksIoKontoEvent
from schemas.fiks_io_konto_commands import (
    AcceptAvsender,
    ActivateAdresse,
    ActivateKonto,
    AdresseCommand,
    ChangeAvsenderfilter,
    ChangeUnikKlientMeldingId,
    CreateAdresse,
    DeactivateAdresse,
    DeactivateKonto,
    DeleteAdresse,
    DescribeAdresse,
    ExtendAdresse,
    FiksIoKontoCommand,
    NarrowAdresse,
    RemoveAvsender,
    RemoveOffentligNokkel,
    SetOffentligNokkel,
)
from schemas.konfigurasjon import (
    ROOT,
    AktorDeaktivert,
    Avslagsgrunn,
    KommandoAvvist,
    KontoOpprettet,
    KontoSlettet,
    PrivilegieTrukketTilbake,
)
from schemas.konfigurasjon_commands import CreateKonto, DeleteKonto
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_konto import KONFIGURERE, clashes
from streams.domain.fiks_io_konto_commands import FOLLOWS, MOST_ADRESSER
from streams.domain.konfigurasjon_commands import konfigurasjon, privilege
from tests.support.given_when_then import WHEN, given
from tests.support.konfigurasjon import ADMIN_A, ADMIN_B, GENESIS, MASKIN, NOBODY, OPERATOR, A, any_of, grant

IO, OTHER, UNKNOWN = UUID(int=0x10), UUID(int=0x11), UUID(int=0x12)
MACHINE = f"integrasjon:{MASKIN}"
CHANGED = {"endret": WHEN, "endret_av": ADMIN_A}
OF_A = (
    *(one for one in GENESIS if one.fiks_org_id == A),
    *(KontoOpprettet(fiks_org_id=A, konto_id=one, tjeneste="FIKS_IO", navn="k") for one in (IO, OTHER)),
    grant(A, MACHINE, IO, KONFIGURERE),
)
SAYS: dict[type, dict[str, Any]] = {
    ActivateKonto: {},
    DeactivateKonto: {},
    SetOffentligNokkel: {"pem": "p"},
    RemoveOffentligNokkel: {},
    AcceptAvsender: {"avsender_konto_id": OTHER},
    RemoveAvsender: {"avsender_konto_id": OTHER},
    ChangeAvsenderfilter: {"aktivert": True},
    ChangeUnikKlientMeldingId: {"aktivert": True},
}


def decided(history: tuple[Any, ...], command: Any) -> Any:
    """The one thing that is decided about a command."""
    decision, *rest = given(konfigurasjon, *history).when(command).decided
    assert not rest
    return decision


def refused(history: tuple[Any, ...], command: Any, grunn: Avslagsgrunn, says: str = "") -> None:
    decision = decided(history, command)
    assert isinstance(decision, KommandoAvvist), decision
    assert decision.grunn is grunn and says in decision.melding


def test_every_command_is_tried_here() -> None:
    assert set(SAYS) == set(get_args(FiksIoKontoCommand))
    assert set(FOLLOWS) == set(get_args(FiksIoKontoCommand)) | set(get_args(AdresseCommand))
    assert {FOLLOWS[one] for one in SAYS} == set(get_args(FiksIoKontoEvent))


@pytest.mark.parametrize("command", SAYS)
def test_an_account_is_changed_by_who_holds_the_privilege_at_that_place_in_the_log(command: type) -> None:
    said = SAYS[command] | CHANGED | {"konto_id": IO}

    def ask(av: str, history: tuple[Any, ...] = OF_A, **more: Any) -> Any:
        return decided(history, command(fiks_org_id=A, av=av, **(said | more)))

    wanted = FOLLOWS[command](fiks_org_id=A, **said)
    for somebody in (ADMIN_A, MACHINE):
        assert ask(somebody) == wanted
    assert ask(OPERATOR, som_rot=True) == wanted
    for nobody in (NOBODY, ADMIN_B, OPERATOR):
        assert ask(nobody).grunn is Avslagsgrunn.IKKE_TILGANG
    assert ask(MACHINE, konto_id=OTHER).grunn is Avslagsgrunn.IKKE_TILGANG
    lost = PrivilegieTrukketTilbake(fiks_org_id=A, aktor=MACHINE, ressurs_id=IO, privilegium=KONFIGURERE)
    assert ask(MACHINE, (*OF_A, lost)).grunn is Avslagsgrunn.IKKE_TILGANG
    off = (*OF_A, AktorDeaktivert(fiks_org_id=A, aktor=OPERATOR))
    assert ask(OPERATOR, off, som_rot=True).grunn is Avslagsgrunn.IKKE_TILGANG
    assert privilege(command) == KONFIGURERE


@pytest.mark.parametrize("command", SAYS)
def test_only_an_account_of_fiks_io_that_exists_is_changed(command: type) -> None:
    said = SAYS[command] | CHANGED
    gone = (*OF_A, KontoSlettet(fiks_org_id=A, konto_id=IO))
    refused(gone, command(fiks_org_id=A, av=ADMIN_A, konto_id=IO, **said), Avslagsgrunn.FINNES_IKKE)
    for other in (UNKNOWN, UUID(int=2)):  # none, and one of SvarUt
        command_of_it = command(fiks_org_id=A, av=OPERATOR, som_rot=True, konto_id=other, **said)
        refused(OF_A, command_of_it, Avslagsgrunn.FINNES_IKKE)


@pytest.mark.parametrize("privilegium", ["ADMIN", KONFIGURERE])
def test_the_account_in_dokumentlager_is_made_by_who_may_configure_the_account_it_belongs_to(privilegium: str) -> None:
    ask = {"fiks_org_id": A, "tjeneste": "DOKUMENTLAGER", "navn": "k"}
    own = (*OF_A, grant(A, NOBODY, IO, privilegium))
    made = decided(own, CreateKonto(av=NOBODY, konto_id=dokumentlager_konto_of(IO), for_konto_id=IO, **ask))
    assert made == KontoOpprettet(konto_id=dokumentlager_konto_of(IO), for_konto_id=IO, **ask)
    refused((*own, made), CreateKonto(av=NOBODY, konto_id=made.konto_id, for_konto_id=IO, **ask), Avslagsgrunn.UGYLDIG)
    for konto_id, for_konto_id, who, grunn in (
        (dokumentlager_konto_of(IO), None, NOBODY, Avslagsgrunn.IKKE_TILGANG),
        (dokumentlager_konto_of(OTHER), OTHER, NOBODY, Avslagsgrunn.IKKE_TILGANG),
        (dokumentlager_konto_of(IO), IO, ADMIN_B, Avslagsgrunn.IKKE_TILGANG),
        (UNKNOWN, IO, NOBODY, Avslagsgrunn.UGYLDIG),
        (dokumentlager_konto_of(UNKNOWN), UNKNOWN, ADMIN_A, Avslagsgrunn.IKKE_TILGANG),
    ):
        refused(own, CreateKonto(av=who, konto_id=konto_id, for_konto_id=for_konto_id, **ask), grunn)


def test_the_account_in_dokumentlager_is_not_closed_while_the_account_lives_that_it_belongs_to() -> None:
    """What is too large for the queue lies there: a sender is answered 202, and the content is deleted as it comes."""
    own = KontoOpprettet(
        fiks_org_id=A, konto_id=dokumentlager_konto_of(IO), tjeneste="DOKUMENTLAGER", navn="k", for_konto_id=IO
    )
    close = DeleteKonto(fiks_org_id=A, av=ADMIN_A, konto_id=own.konto_id, endret=WHEN, endret_av=ADMIN_A)
    refused((*OF_A, own), close, Avslagsgrunn.UGYLDIG)
    gone = KontoSlettet(fiks_org_id=A, konto_id=IO)
    assert isinstance(decided((*OF_A, own, gone), close), KontoSlettet)


# --- Addresses -------------------------------------------------------------------------------------------------------

AN_ADRESSE = AdresseOpprettet(
    fiks_org_id=ROOT,
    adresse_id=UUID(int=1),
    eier_id=A,
    konto_id=IO,
    beskrivelse="b",
    opprettet=WHEN,
    opprettet_av=ADMIN_A,
)
MEANING = {"identifikatorer": ("ORG_NO.1",), "meldingsprotokoller": ("p",), "sikkerhetsnivaer": (3,)}


def adresse(number: int, *, aktiv: bool = True, **meaning: Any) -> tuple[Any, ...]:
    """The history of an address."""
    on = {"fiks_org_id": ROOT, "adresse_id": UUID(int=number)} | CHANGED
    made = (replace(AN_ADRESSE, adresse_id=UUID(int=number)), AdresseUtvidet(**on, **(MEANING | meaning)))
    return (*made, AdresseAktivert(**on)) if aktiv else made


def asked(command: type, number: int, **says: Any) -> Any:
    return command(fiks_org_id=ROOT, av=ADMIN_A, adresse_id=UUID(int=number), **CHANGED, **says)


def test_an_active_address_says_one_of_each_at_least() -> None:
    for missing, value in MEANING.items():
        incomplete = adresse(1, aktiv=False, **{missing: ()})
        refused(incomplete, asked(ActivateAdresse, 1), Avslagsgrunn.UGYLDIG, "minst én")
        refused(adresse(1), asked(NarrowAdresse, 1, **{missing: value}), Avslagsgrunn.UGYLDIG, "minst én")
        less = asked(NarrowAdresse, 1, **{missing: value})
        assert not isinstance(decided(adresse(1, aktiv=False), less), KommandoAvvist)
    assert decided(adresse(1, aktiv=False), asked(ActivateAdresse, 1)) == adresse(1)[-1]


def test_a_second_address_that_means_the_same_is_not_activated() -> None:
    both = (*adresse(1), *adresse(2, aktiv=False))
    refused(both, asked(ActivateAdresse, 2), Avslagsgrunn.UGYLDIG, "En annen aktiv adresse")
    off = (*both, decided(both, asked(DeactivateAdresse, 1)))
    assert isinstance(decided(off, asked(ActivateAdresse, 2)), AdresseAktivert)
    gone = (*both, decided(both, DeleteAdresse(fiks_org_id=ROOT, av=ADMIN_A, adresse_id=UUID(int=1))))
    assert isinstance(decided(gone, asked(ActivateAdresse, 2)), AdresseAktivert)


@pytest.mark.parametrize("kind", MEANING)
def test_an_active_address_does_not_come_to_mean_what_another_does(kind: str) -> None:
    other = {"identifikatorer": ("ORG_NO.2",), "meldingsprotokoller": ("q",), "sikkerhetsnivaer": (4,)}[kind]
    both = (*adresse(1), *adresse(2, **{kind: other}))
    more = asked(ExtendAdresse, 2, **{kind: MEANING[kind]})
    refused(both, more, Avslagsgrunn.UGYLDIG, "En annen aktiv adresse")
    off = (*both, decided(both, asked(DeactivateAdresse, 2)))
    assert isinstance(decided(off, more), AdresseUtvidet)


def test_what_is_no_address_is_not_changed_and_none_is_made_twice() -> None:
    for command, says in (
        (DescribeAdresse, {"beskrivelse": "b"}),
        (ExtendAdresse, MEANING),
        (NarrowAdresse, MEANING),
        (ActivateAdresse, {}),
        (DeactivateAdresse, {}),
    ):
        refused(adresse(1), asked(command, 2, **says), Avslagsgrunn.FINNES_IKKE)
    unknown = DeleteAdresse(fiks_org_id=ROOT, av=ADMIN_A, adresse_id=UUID(int=2))
    refused(adresse(1), unknown, Avslagsgrunn.FINNES_IKKE)
    refused(adresse(1), another(1), Avslagsgrunn.UGYLDIG, "finnes fra før")


def another(number: int) -> CreateAdresse:
    says = {"eier_id": A, "konto_id": IO, "beskrivelse": "b", "opprettet": WHEN, "opprettet_av": ADMIN_A}
    return CreateAdresse(fiks_org_id=ROOT, av=ADMIN_A, adresse_id=UUID(int=number), **says)


def test_nobody_fills_the_stream_of_addresses() -> None:
    many = tuple(one for number in range(MOST_ADRESSER) for one in adresse(number, aktiv=False))
    refused(many, another(MOST_ADRESSER), Avslagsgrunn.UGYLDIG, "høyst 100")
    numbers = tuple(f"ORG_NO.{number}" for number in range(2, MOST_ADRESSER + 1))
    full = (*adresse(1), decided(adresse(1), asked(ExtendAdresse, 1, identifikatorer=numbers)))
    refused(full, asked(ExtendAdresse, 1, identifikatorer=("ORG_NO.0",)), Avslagsgrunn.UGYLDIG, "høyst 100")
    assert isinstance(decided(full, asked(ExtendAdresse, 1, identifikatorer=numbers)), AdresseUtvidet)


def test_addresses_are_decided_on_in_the_stream_of_root_alone() -> None:
    in_a = CreateAdresse(
        fiks_org_id=A,
        av=ADMIN_A,
        adresse_id=UUID(int=1),
        eier_id=A,
        konto_id=IO,
        beskrivelse="b",
        opprettet=WHEN,
        opprettet_av=ADMIN_A,
    )
    refused(OF_A, in_a, Avslagsgrunn.UGYLDIG)


COMMON = {  # what any_of knows
    "identifikatorer": ("ORG_NO.310991007",),
    "meldingsprotokoller": ("no.ks.fiks.arkiv",),
    "sikkerhetsnivaer": (3,),
}
in_root = any_of(AdresseCommand).map(lambda command: replace(command, fiks_org_id=ROOT))
COMPLETE = tuple(one for number in (1, 2, 3) for one in adresse(number, aktiv=False, **COMMON))


@for_any(st.lists(in_root, max_size=40))
def test_whatever_is_asked_no_two_active_addresses_mean_the_same(commands: list[Any]) -> None:
    state = given(konfigurasjon, *COMPLETE).state
    for command in commands:
        state = konfigurasjon.evolve(state, konfigurasjon.react(state, command, WHEN))
        active = [one for one in state.adresser.values() if one.aktiv]
        assert all(one.gyldig for one in active)
        assert not any(clashes([one], other) for one, other in combinations(active, 2))
