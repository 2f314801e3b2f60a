"""The fold of Fiks Protokoll, what follows from a command to it, and who sees what."""

from __future__ import annotations

from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from schemas.fiks_protokoll import (
    FiksProtokollEvent,
    ProtokollForesporselFjernet,
    ProtokollKontoEndret,
    ProtokollKontoSlettet,
    ProtokollSystemEndret,
    ProtokollSystemSlettet,
    ProtokollTilgangFjernet,
    ProtokollTilgangForespurt,
    ProtokollTilgangGitt,
)
from schemas.fiks_protokoll_commands import (
    ChangeProtokollSystem,
    CreateProtokollKonto,
    CreateProtokollSystem,
    DeleteProtokollSystem,
    FiksProtokollCommand,
    GrantTilgang,
    OfSystem,
    RequestTilgang,
)
from schemas.konfigurasjon import Avslagsgrunn, KommandoAvvist
from schemas.konfigurasjon_commands import DeleteIntegrasjon, DeleteKonto
from streams.domain.configuration import Configuration
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_katalog import konto_of as fiks_io_konto_of
from streams.domain.fiks_protokoll import KONFIGURER, Tilgang
from streams.domain.fiks_protokoll_oppslag import between, konto_of, kontoer_of, offers, sees, system_of
from streams.domain.konfigurasjon_commands import FOLLOWS, konfigurasjon
from tests.support.fiks_protokoll import (
    ASKED,
    ASKING,
    EMPTY,
    KONTO,
    NEW,
    PROTOKOLL,
    SENDING,
    SYSTEM,
    aktor_of,
    asked_by,
    given_to,
    integrasjon_of,
    konto,
    system,
)
from tests.support.given_when_then import WHEN, given
from tests.support.konfigurasjon import ADMIN_A, GENESIS, A, B, any_of, fold

HISTORY = (*GENESIS, *PROTOKOLL)
OF_A = tuple(one for one in HISTORY if one.fiks_org_id == A)
ELSEWHERE = UUID(int=0x70)
"""A system of B."""


def decided(command: Any, *more: Any) -> Any:
    [decision] = given(konfigurasjon, *OF_A, *more).when(command).decided
    return decision


def refused(command: Any, grunn: Avslagsgrunn, *more: Any) -> str:
    decision = decided(command, *more)
    assert isinstance(decision, KommandoAvvist) and decision.grunn is grunn, decision
    return decision.melding


def test_a_system_is_a_resource_with_an_integration_that_sends_with_all_its_accounts() -> None:
    now, machine = fold(HISTORY), aktor_of(SYSTEM)
    found = system_of(now, SYSTEM)
    assert found and (found.ressurs.navn, found.ressurs.sti, found.ressurs.type) == (
        "Arkivet",
        (SYSTEM, A),
        "FIKS_PROTOKOLL_SYSTEM",
    )
    assert [one.ressurs.sti for one in kontoer_of(now, found)] == [(KONTO, SYSTEM, A)]
    known = now.integrasjon(integrasjon_of(SYSTEM))
    assert known and (known.autorisert_orgnr, known.passord_hash) == ("310991007", "$hash")
    for privilegium in ("SVARINN.SENDE_MOTTA", "SVARINN.KONFIGURERE", KONFIGURER):
        assert now.may(machine, privilegium, KONTO)
        assert not now.may(machine, privilegium, A) and not now.may(aktor_of(EMPTY), privilegium, KONTO)


def test_who_does_not_configure_its_system_sends_all_the_same_until_it_is_switched_on() -> None:
    quiet = [*GENESIS, system(SYSTEM, konfigureres=False), konto(KONTO, SYSTEM, "arkiv.full")]
    switched = [
        ProtokollSystemEndret(fiks_org_id=A, system_id=SYSTEM, konfigureres_av_integrasjon=on, endret=WHEN)
        for on in (True, False)
    ]
    for history, configures in ((quiet, False), ([*quiet, switched[0]], True), ([*quiet, *switched], False)):
        now, machine = fold(history), aktor_of(SYSTEM)
        assert now.may(machine, "SVARINN.SENDE_MOTTA", KONTO)
        assert now.may(machine, KONFIGURER, KONTO) is now.may(machine, "SVARINN.KONFIGURERE", KONTO) is configures


def test_an_account_is_one_of_fiks_io_too_with_one_in_dokumentlager() -> None:
    now = fold([*HISTORY, konto(NEW, SYSTEM, "klient.full", pem="p")])
    of_fiks_io, stored = fiks_io_konto_of(now, NEW), now.ressurs(dokumentlager_konto_of(NEW))
    assert of_fiks_io and (of_fiks_io.satt.aktiv, of_fiks_io.satt.pem, of_fiks_io.satt.opprettet) == (True, "p", WHEN)
    assert stored and (stored.type, stored.sti) == ("DOKUMENTLAGER_KONTO", (stored.id, A))
    changed = {"navn": "Nytt", "pem": "q", "endret": WHEN, "endret_av": ADMIN_A}
    now.meet(ProtokollKontoEndret(fiks_org_id=A, konto_id=NEW, **changed))
    of_fiks_io = fiks_io_konto_of(now, NEW)
    assert of_fiks_io and (of_fiks_io.ressurs.navn, of_fiks_io.satt.pem) == ("Nytt", "q")
    now.meet(ProtokollKontoSlettet(fiks_org_id=A, konto_id=NEW))
    assert fiks_io_konto_of(now, NEW) is konto_of(now, NEW) is None
    assert now.ressurs(stored.id)


def test_a_system_that_is_deleted_takes_its_integration_with_it() -> None:
    now = fold([*HISTORY, ProtokollSystemSlettet(fiks_org_id=A, system_id=EMPTY)])
    assert system_of(now, EMPTY) is now.integrasjon(integrasjon_of(EMPTY)) is None
    assert not now.may(aktor_of(EMPTY), "SVARINN.SENDE_MOTTA", EMPTY)


def test_a_change_is_of_what_it_names_alone() -> None:
    new = {"navn": "Nytt", "orgnummer": "310992003", "leverandor_navn": "L", "automatisk_godkjenning": True}
    now = fold([*HISTORY, ProtokollSystemEndret(fiks_org_id=A, system_id=SYSTEM, endret=WHEN, **new)])
    before, after = system_of(fold(HISTORY), SYSTEM), system_of(now, SYSTEM)
    assert before and after and (after.ressurs.navn, after.satt.leverandor_navn) == ("Nytt", "L")
    assert (after.satt.beskrivelse, after.satt.eposter) == (before.satt.beskrivelse, before.satt.eposter)
    known = now.integrasjon(integrasjon_of(SYSTEM))
    assert known and (known.autorisert_orgnr, known.navn) == ("310992003", "Arkivet")


BETWEEN = {"fiks_org_id": A, "konto_id": KONTO, "system_id": EMPTY}
ASK, WITHDRAW, GRANT, REVOKE = (
    cls(**BETWEEN)
    for cls in (ProtokollTilgangForespurt, ProtokollForesporselFjernet, ProtokollTilgangGitt, ProtokollTilgangFjernet)
)


@pytest.mark.parametrize(
    ("events", "becomes"),
    [
        ((ASK,), Tilgang.FORESPURT),
        ((ASK, WITHDRAW), None),
        ((ASK, GRANT), Tilgang.GITT),
        ((GRANT, ASK), Tilgang.GITT),
        ((GRANT, WITHDRAW), Tilgang.GITT),
        ((ASK, REVOKE), Tilgang.FORESPURT),
        ((GRANT, REVOKE), None),
        ((GRANT, REVOKE, ASK), Tilgang.FORESPURT),
    ],
    ids=["ask", "withdraw", "grant", "late ask", "late withdrawal", "early revocation", "revoke", "ask again"],
)
def test_what_is_between_a_system_and_an_account(events: tuple[Any, ...], becomes: Tilgang | None) -> None:
    assert fold([*HISTORY, *events]).protokolltilganger(KONTO).get(EMPTY) is becomes


@for_any(st.lists(any_of(FiksProtokollEvent), max_size=12))
def test_whatever_comes_an_account_has_a_resource_and_a_system_its_integration(events: list[Any]) -> None:
    now = fold([*GENESIS, *events])
    for fiks_org_id, one in now.virksomheter.items():
        for id_, satt in one.protokoll.systemer.items():
            assert satt.integrasjon_id in one.integrasjoner
            assert one.ressurser[id_].sti[-1] == fiks_org_id
        for id_ in one.protokoll.kontoer:
            assert one.ressurser[id_].type == "FIKS_IO_KONTO" and one.fiks_io_kontoer[id_]


@for_any(st.lists(any_of(FiksProtokollEvent), max_size=12))
def test_what_is_said_of_nothing_means_nothing(events: list[Any]) -> None:
    made = ("ProtokollSystemOpprettet", "ProtokollKontoOpprettet")
    of_nothing = [one for one in events if type(one).__name__ not in made]
    assert fold([*GENESIS, *of_nothing]).virksomheter == fold(GENESIS).virksomheter | {
        one.fiks_org_id: fold(GENESIS).virksomhet(one.fiks_org_id) for one in of_nothing
    }


# --- Commands --------------------------------------------------------------------------------------------------------


def test_every_command_is_tried() -> None:
    assert ASKED.keys() == set(get_args(FiksProtokollCommand))


FOR_PERSONS = {CreateProtokollSystem, DeleteProtokollSystem}
BY = dict.fromkeys(ASKED, SYSTEM) | {
    command: says["system_id"] for command, says in ASKED.items() if command in get_args(OfSystem)
}
"""Whose integration asks."""


@pytest.mark.parametrize("command", ASKED, ids=lambda command: command.__name__)
def test_the_integration_has_done_what_is_not_for_persons_alone(command: type) -> None:
    asked = command(fiks_org_id=A, av=aktor_of(BY[command]), **ASKED[command])
    allowed = command not in FOR_PERSONS
    assert type(decided(asked)) is (FOLLOWS[command] if allowed else KommandoAvvist)
    switched_off = ProtokollSystemEndret(
        fiks_org_id=A, system_id=BY[command], konfigureres_av_integrasjon=False, endret=WHEN
    )
    refused(asked, Avslagsgrunn.IKKE_TILGANG, switched_off)


@pytest.mark.parametrize("says", [{"orgnummer": "310992003"}, {"konfigureres_av_integrasjon": True}])
def test_an_integration_gives_itself_nothing(says: dict[str, Any]) -> None:
    asked = {"fiks_org_id": A, "system_id": SYSTEM, "endret": WHEN} | says
    refused(ChangeProtokollSystem(av=aktor_of(SYSTEM), **asked), Avslagsgrunn.IKKE_TILGANG)
    assert decided(ChangeProtokollSystem(av=ADMIN_A, **asked)) == ProtokollSystemEndret(**asked)


def test_a_system_of_another_organisation_asks_by_the_word_of_the_gateway_and_no_more_than_asks() -> None:
    asked = {"fiks_org_id": A, "konto_id": KONTO, "system_id": ELSEWHERE}
    stranger = aktor_of(ELSEWHERE)
    assert decided(RequestTilgang(av=stranger, **asked)) == ProtokollTilgangForespurt(**asked)
    refused(GrantTilgang(av=stranger, **asked), Avslagsgrunn.IKKE_TILGANG)
    refused(RequestTilgang(av=stranger, **asked | {"system_id": EMPTY}), Avslagsgrunn.IKKE_TILGANG)


def test_who_grants_at_once_is_not_asked_twice() -> None:
    at_once = ProtokollSystemEndret(fiks_org_id=A, system_id=SYSTEM, automatisk_godkjenning=True, endret=WHEN)
    asked = {"fiks_org_id": A, "konto_id": KONTO, "system_id": ELSEWHERE}
    assert decided(RequestTilgang(av="integrasjon:x", **asked), at_once) == ProtokollTilgangGitt(**asked)


def test_what_is_not_there_and_what_cannot_be() -> None:
    for command, says in ASKED.items():
        if "konto_id" in says and command is not CreateProtokollKonto:
            asked = command(fiks_org_id=A, av=ADMIN_A, som_rot=True, **says | {"konto_id": NEW})
            assert refused(asked, Avslagsgrunn.FINNES_IKKE) == "Kontoen finnes ikke"
    by = {"fiks_org_id": A, "av": ADMIN_A}
    refused(DeleteProtokollSystem(**by, system_id=SYSTEM), Avslagsgrunn.UGYLDIG)
    refused(GrantTilgang(**by, konto_id=KONTO, system_id=SYSTEM), Avslagsgrunn.UGYLDIG)
    refused(DeleteKonto(**by, konto_id=KONTO), Avslagsgrunn.UGYLDIG)
    refused(DeleteIntegrasjon(**by, integrasjon_id=integrasjon_of(SYSTEM)), Avslagsgrunn.UGYLDIG)
    for command, taken in (
        (CreateProtokollSystem, {"system_id": SYSTEM}),
        (CreateProtokollSystem, {"integrasjon_id": integrasjon_of(SYSTEM)}),
        (CreateProtokollKonto, {"konto_id": KONTO}),
    ):
        refused(command(**by, **ASKED[command] | taken), Avslagsgrunn.UGYLDIG)


# --- Who sees what ---------------------------------------------------------------------------------------------------

NEIGHBOUR = (system(ELSEWHERE, B), konto(NEW, ELSEWHERE, "klient.full", fiks_org_id=B))


def seen(now: Configuration, fiks_org_id: UUID, system_id: UUID) -> bool:
    found = system_of(now, system_id)
    assert found is not None
    return sees(now, fiks_org_id, found)


def test_a_new_system_is_seen_in_its_own_organisation_alone_until_it_is_public() -> None:
    now = fold([*HISTORY, *NEIGHBOUR])
    assert seen(now, A, SYSTEM) and not seen(now, B, SYSTEM)
    assert SYSTEM not in {one.ressurs.id for one in offers(now, B)}
    now.meet(ProtokollSystemEndret(fiks_org_id=A, system_id=SYSTEM, offentlig=True, endret=WHEN))
    assert seen(now, B, SYSTEM)
    assert {one.ressurs.id for one in offers(now, B)} == {SYSTEM, ELSEWHERE}


@pytest.mark.parametrize("tie", [asked_by(ELSEWHERE), given_to(ELSEWHERE)], ids=["asks", "may send"])
def test_those_who_have_something_with_each_other_see_each_other(tie: Any) -> None:
    now = fold([*HISTORY, *NEIGHBOUR, tie])
    assert seen(now, A, ELSEWHERE) and seen(now, B, SYSTEM) and not seen(now, B, EMPTY)
    assert ELSEWHERE not in {one.ressurs.id for one in offers(now, A)}


def test_what_a_system_has_is_found_in_whatever_organisation_it_lies() -> None:
    now = fold([*HISTORY, *NEIGHBOUR, given_to(SENDING, NEW, B)])
    assert {one.ressurs.id for one in between(now, SENDING, Tilgang.GITT)} == {KONTO, NEW}
    assert [one.ressurs.id for one in between(now, ASKING, Tilgang.FORESPURT)] == [KONTO]
    now.meet(ProtokollKontoSlettet(fiks_org_id=A, konto_id=KONTO))
    assert [one.ressurs.id for one in between(now, SENDING, Tilgang.GITT)] == [NEW]
