"""Who may have what done: every command against every kind of asker, and races settled by the order of the log."""

from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st

from gateway.tjenester import RESSURSTYPER, TJENESTER
from schemas.catalogue import event_type
from schemas.derive import fields_of
from schemas.konfigurasjon import (
    ROOT,
    AktorDeaktivert,
    Avslagsgrunn,
    IntegrasjonOpprettet,
    IntegrasjonSlettet,
    KommandoAvvist,
    KontoSlettet,
    KontoTagget,
    OrganisasjonsnummerTildelt,
    Organisasjonstype,
    PrivilegieTildelt,
    PrivilegieTrukketTilbake,
    TjenesteInitialisert,
)
from schemas.konfigurasjon_commands import (
    ActivateAktor,
    AttachRessurs,
    ChangeFaktura,
    ChangeGlobalIntegrasjon,
    ChangeIntegrasjon,
    ChangeOrganisasjon,
    ChangePerson,
    ClaimOrganisasjonsnummer,
    Command,
    ConfigureTjeneste,
    CreateIntegrasjon,
    CreateKonto,
    CreateOrganisasjon,
    CreatePerson,
    CreateRessurs,
    DeactivateAktor,
    DeleteIntegrasjon,
    DeleteKonto,
    DetachRessurs,
    GrantPrivilegium,
    GrantTypePrivilegium,
    InitialiseTjeneste,
    MakePassord,
    RenameKonto,
    RenameRessurs,
    RevokePrivilegium,
    RevokeTypePrivilegium,
    TagKonto,
    UntagKonto,
)
from streams.domain import fiks_io_konto_commands
from streams.domain.configuration import Configuration
from streams.domain.konfigurasjon import ORGANISASJON
from streams.domain.konfigurasjon_commands import FOLLOWS, LIES_BELOW, konfigurasjon
from tests.support.fiks_protokoll import ASKED, PROTOKOLL
from tests.support.given_when_then import given
from tests.support.konfigurasjon import (
    ADMIN_A,
    ADMIN_B,
    GENESIS,
    MASKIN,
    NOBODY,
    OPERATOR,
    A,
    B,
    any_command,
    any_configuration_event,
    grant,
)
from tests.support.simulated_log import SimulatedLog, read

SERVICE, ACCOUNT, NEW = UUID(int=1), UUID(int=2), UUID(int=50)
HELPER, DEPUTY = "person:service-admin", "person:deputy"
INTEGRASJON = IntegrasjonOpprettet(
    fiks_org_id=A, integrasjon_id=MASKIN, autorisert_orgnr="310991007", navn="i", passord_hash="h"
)
OF_A = (
    *(one for one in GENESIS if one.fiks_org_id == A),
    INTEGRASJON,
    TjenesteInitialisert(fiks_org_id=A, tjeneste="FIKS_IO", ressurs_id=UUID(int=40), ressurstype="FIKS_IO", navn="io"),
    grant(A, HELPER, SERVICE),
    grant(A, DEPUTY, A),
    *PROTOKOLL,
)
OF_ROOT = tuple(one for one in GENESIS if one.fiks_org_id == ROOT)

FAKTURA = {"orgnr": "1", "navn": "n", "juridisk_navn": "n", "referanse": "r", "postnummer": "0001", "poststed": "Oslo"}
RIGHT = {"aktor": NOBODY, "privilegium": "SVARUT.SEND"}
IO = {"tjeneste": "FIKS_IO"}
ON = {"integrasjon_id": MASKIN}
# The command, what it says, and whether the administrator of the service SERVICE may have it done.
OF_ORGANISATION: list[tuple[type, dict[str, Any], bool]] = [
    (ChangeOrganisasjon, {"navn": "Nyvik"}, False),
    (ChangeFaktura, FAKTURA, False),
    (InitialiseTjeneste, {"tjeneste": "SMS", "ressurs_id": NEW, "ressurstype": "SMS", "navn": "SMS"}, False),
    (ConfigureTjeneste, IO, False),
    (CreateRessurs, {"ressurs_id": NEW, "forelder_id": A, "type": "INNSYN", "navn": "r"}, False),
    (CreateRessurs, {"ressurs_id": NEW, "forelder_id": SERVICE, "type": "SVARUT_KONTO", "navn": "r"}, True),
    (RenameRessurs, {"ressurs_id": ACCOUNT, "navn": "r"}, True),
    (CreateIntegrasjon, {"integrasjon_id": NEW, "autorisert_orgnr": "1", "navn": "i", "passord_hash": "h"}, False),
    (ChangeIntegrasjon, ON | {"navn": "ny"}, False),
    (DeleteIntegrasjon, ON, False),
    (MakePassord, ON | {"passord_hash": "ny"}, False),
    (AttachRessurs, ON | {"ressurs_id": ACCOUNT}, True),
    (DetachRessurs, ON | {"ressurs_id": ACCOUNT}, True),
    (GrantPrivilegium, RIGHT | {"ressurs_id": A}, False),
    (GrantPrivilegium, RIGHT | {"ressurs_id": SERVICE}, True),
    (GrantPrivilegium, RIGHT | {"ressurs_id": ACCOUNT, "privilegium": "ADMIN"}, True),
    (RevokePrivilegium, {"aktor": DEPUTY, "privilegium": "ADMIN", "ressurs_id": A}, False),
    (RevokePrivilegium, RIGHT | {"ressurs_id": ACCOUNT}, True),
    (ActivateAktor, {"aktor": NOBODY}, False),
    (DeactivateAktor, {"aktor": NOBODY}, False),
    (CreatePerson, {"aktor": NOBODY, "opplysninger_id": NEW}, True),
    (ChangePerson, {"aktor": NOBODY, "opplysninger_id": NEW}, False),
    (ChangePerson, {"aktor": HELPER, "opplysninger_id": NEW}, True),
    (CreateKonto, {"konto_id": NEW, "tjeneste": "SMS", "navn": "k"}, False),
    (RenameKonto, {"konto_id": ACCOUNT, "navn": "k"}, True),
    (TagKonto, {"konto_id": ACCOUNT, "tag": "t"}, True),
    (UntagKonto, {"konto_id": ACCOUNT, "tag": "t"}, True),
    (DeleteKonto, {"konto_id": ACCOUNT}, True),
    *((command, says, False) for command, says in ASKED.items()),
]
OF_ROOT_ALONE: list[tuple[type, dict[str, Any]]] = [
    (ClaimOrganisasjonsnummer, {"eier_id": A, "orgnr": "310991007"}),
    (ChangeGlobalIntegrasjon, ON | {"kode": "GLOBAL.EN", "er_global": True}),
    (GrantTypePrivilegium, RIGHT | {"ressurstype": "SVARUT"}),
    (RevokeTypePrivilegium, RIGHT | {"ressurstype": "SVARUT"}),
    (GrantPrivilegium, RIGHT | {"ressurs_id": ROOT}),
    (RevokePrivilegium, RIGHT | {"ressurs_id": ROOT}),
    (CreatePerson, {"aktor": NOBODY, "opplysninger_id": NEW}),
    (ChangePerson, {"aktor": NOBODY, "opplysninger_id": NEW}),
]


def decided(history: tuple[Any, ...], command: Any) -> Any:
    """The one thing that is decided about a command."""
    decision, *rest = given(konfigurasjon, *history).when(command).decided
    assert not rest
    return decision


def refused(history: tuple[Any, ...], command: Any, grunn: Avslagsgrunn) -> None:
    decision = decided(history, command)
    assert isinstance(decision, KommandoAvvist), decision
    assert decision.grunn is grunn
    assert decision.fiks_org_id == command.fiks_org_id


def test_every_command_is_tried_here() -> None:
    tried = {cls for cls, *_ in (*OF_ORGANISATION, *OF_ROOT_ALONE)} | {CreateOrganisasjon}
    tried |= set(fiks_io_konto_commands.FOLLOWS)  # in test_fiks_io_konto_commands.py
    assert tried == set(get_args(Command)) == set(FOLLOWS)


@pytest.mark.parametrize(("command", "event"), FOLLOWS.items())
def test_a_command_has_the_fields_of_its_event_and_who_asks(command: type, event: type) -> None:
    asked = {field.name: kind for field, kind in fields_of(command)}
    assert {name: asked[name] for name in asked.keys() - {"av", "som_rot"}} == {f.name: k for f, k in fields_of(event)}
    assert (asked["av"], asked["som_rot"]) == (str, bool)
    assert event_type(command).topic == konfigurasjon.topic


@pytest.mark.parametrize(("command", "says", "service_admin_may"), OF_ORGANISATION)
def test_who_may_have_it_done_in_an_organisation(command: type, says: dict[str, Any], service_admin_may: bool) -> None:
    def ask(av: str, som_rot: bool = False, history: tuple[Any, ...] = OF_A) -> Any:
        return decided(history, command(fiks_org_id=A, av=av, som_rot=som_rot, **says))

    wanted = FOLLOWS[command](fiks_org_id=A, **says)
    assert ask(ADMIN_A) == wanted
    assert ask(OPERATOR, som_rot=True) == wanted
    assert isinstance(ask(HELPER), type(wanted) if service_admin_may else KommandoAvvist)
    for nobody in (NOBODY, ADMIN_B, OPERATOR, f"integrasjon:{MASKIN}"):
        assert ask(nobody).grunn is Avslagsgrunn.IKKE_TILGANG
    lost = (*OF_A, PrivilegieTrukketTilbake(fiks_org_id=A, aktor=ADMIN_A, ressurs_id=A, privilegium="ADMIN"))
    assert ask(ADMIN_A, history=lost).grunn is Avslagsgrunn.IKKE_TILGANG
    off = (*OF_A, AktorDeaktivert(fiks_org_id=A, aktor=ADMIN_A), AktorDeaktivert(fiks_org_id=A, aktor=OPERATOR))
    assert ask(ADMIN_A, history=off).grunn is Avslagsgrunn.IKKE_TILGANG
    assert ask(OPERATOR, som_rot=True, history=off).grunn is Avslagsgrunn.IKKE_TILGANG


@pytest.mark.parametrize(("command", "says"), OF_ROOT_ALONE)
def test_what_spans_organisations_is_decided_by_roots_own_stream(command: type, says: dict[str, Any]) -> None:
    wanted = FOLLOWS[command](fiks_org_id=ROOT, **says)
    assert decided(OF_ROOT, command(fiks_org_id=ROOT, av=OPERATOR, **says)) == wanted
    for claims in (False, True):  # what the gateway saw does not count here: the stream itself tells
        refused(OF_ROOT, command(fiks_org_id=ROOT, av=ADMIN_A, som_rot=claims, **says), Avslagsgrunn.IKKE_TILGANG)
    lost = (*OF_ROOT, PrivilegieTrukketTilbake(fiks_org_id=ROOT, aktor=OPERATOR, ressurs_id=ROOT, privilegium="ADMIN"))
    refused(lost, command(fiks_org_id=ROOT, av=OPERATOR, **says), Avslagsgrunn.IKKE_TILGANG)


@pytest.mark.parametrize(("command", "says"), OF_ROOT_ALONE[:4])
def test_what_spans_organisations_is_not_done_in_one(command: type, says: dict[str, Any]) -> None:
    refused(OF_A, command(fiks_org_id=A, av=ADMIN_A, som_rot=True, **says), Avslagsgrunn.UGYLDIG)


def test_an_organisation_begins_with_its_creation_by_root() -> None:
    create = {"fiks_org_id": A, "av": OPERATOR, "navn": "Testvik", "type": Organisasjonstype.KOMMUNE}
    assert decided((), CreateOrganisasjon(som_rot=True, **create)).navn == "Testvik"
    refused((), CreateOrganisasjon(**create), Avslagsgrunn.IKKE_TILGANG)
    refused(OF_A, CreateOrganisasjon(som_rot=True, **create), Avslagsgrunn.UGYLDIG)
    rename = ChangeOrganisasjon(fiks_org_id=B, av=OPERATOR, som_rot=True, navn="n")
    refused((), rename, Avslagsgrunn.FINNES_IKKE)


@pytest.mark.parametrize("says", [{"orgnr": "310992003"}, {"kommunenr": "0301"}, {"synlig": False}, {"intern": True}])
def test_some_properties_are_for_root_alone(says: dict[str, Any]) -> None:
    refused(OF_A, ChangeOrganisasjon(fiks_org_id=A, av=ADMIN_A, **says), Avslagsgrunn.IKKE_TILGANG)
    assert decided(OF_A, ChangeOrganisasjon(fiks_org_id=A, av=OPERATOR, som_rot=True, **says))


def test_an_administrator_may_say_the_number_again_that_the_organisation_has() -> None:
    assert decided(OF_A, ChangeOrganisasjon(fiks_org_id=A, av=ADMIN_A, orgnr="310991007", navn="Nyvik"))


def test_of_two_who_want_a_number_the_first_on_the_log_gets_it() -> None:
    def claim(eier_id: UUID, orgnr: str) -> ClaimOrganisasjonsnummer:
        return ClaimOrganisasjonsnummer(fiks_org_id=ROOT, av=OPERATOR, eier_id=eier_id, orgnr=orgnr)

    first = decided(OF_ROOT, claim(A, "310991007"))
    assert first == OrganisasjonsnummerTildelt(fiks_org_id=ROOT, eier_id=A, orgnr="310991007")
    refused((*OF_ROOT, first), claim(B, "310991007"), Avslagsgrunn.UGYLDIG)
    assert decided((*OF_ROOT, first), claim(A, "310991007")) == first
    other = decided((*OF_ROOT, first), claim(A, "310992003"))
    assert decided((*OF_ROOT, first, other), claim(B, "310991007")).eier_id == B


@pytest.mark.parametrize(
    ("command", "says", "grunn"),
    [
        (RenameRessurs, {"ressurs_id": NEW, "navn": "r"}, Avslagsgrunn.FINNES_IKKE),
        (GrantPrivilegium, RIGHT | {"ressurs_id": NEW}, Avslagsgrunn.FINNES_IKKE),
        (GrantPrivilegium, RIGHT | {"ressurs_id": ROOT}, Avslagsgrunn.FINNES_IKKE),
        (MakePassord, {"integrasjon_id": NEW, "passord_hash": "h"}, Avslagsgrunn.FINNES_IKKE),
        (
            CreateRessurs,
            {"ressurs_id": NEW, "forelder_id": UUID(int=51), "type": "SVARUT_KONTO", "navn": "r"},
            Avslagsgrunn.FINNES_IKKE,
        ),
        (CreateRessurs, {"ressurs_id": ACCOUNT, "forelder_id": A, "type": "INNSYN", "navn": "r"}, Avslagsgrunn.UGYLDIG),
        (
            CreateIntegrasjon,
            ON | {"autorisert_orgnr": "1", "navn": "i", "passord_hash": "h"},
            Avslagsgrunn.UGYLDIG,
        ),
        (ConfigureTjeneste, {"tjeneste": "SMS"}, Avslagsgrunn.UGYLDIG),
        (GrantPrivilegium, RIGHT | {"aktor": "person:off", "ressurs_id": A}, Avslagsgrunn.UGYLDIG),
    ],
)
def test_what_cannot_be_is_refused_to_everybody(command: type, says: dict[str, Any], grunn: Avslagsgrunn) -> None:
    history = (*OF_A, AktorDeaktivert(fiks_org_id=A, aktor="person:off"))
    refused(history, command(fiks_org_id=A, av=OPERATOR, som_rot=True, **says), grunn)


def test_a_deleted_integration_gets_no_password() -> None:
    history = (*OF_A, IntegrasjonSlettet(fiks_org_id=A, integrasjon_id=MASKIN))
    refused(history, MakePassord(fiks_org_id=A, av=ADMIN_A, passord_hash="h", **ON), Avslagsgrunn.FINNES_IKKE)


def test_a_deleted_integration_is_not_switched_on_again() -> None:
    history = (*OF_A, IntegrasjonSlettet(fiks_org_id=A, integrasjon_id=MASKIN))
    for command in (ActivateAktor, DeactivateAktor):
        refused(history, command(fiks_org_id=A, av=ADMIN_A, aktor=f"integrasjon:{MASKIN}"), Avslagsgrunn.UGYLDIG)


def test_a_service_that_is_there_keeps_its_resource() -> None:
    again = InitialiseTjeneste(
        fiks_org_id=A, av=ADMIN_A, tjeneste="FIKS_IO", ressurs_id=NEW, ressurstype="FIKS_IO", navn="io"
    )
    assert decided(OF_A, again).ressurs_id == UUID(int=40)


@pytest.mark.parametrize(
    ("kind", "below", "why"),
    [
        ("FIKS_IO_KONTO", SERVICE, "En ressurs av typen FIKS_IO_KONTO kan ikke ligge under en av typen SVARUT"),
        (
            "DOKUMENTLAGER_KONTO",
            SERVICE,
            "En ressurs av typen DOKUMENTLAGER_KONTO kan ikke ligge under en av typen SVARUT",
        ),
        ("SVARUT", ACCOUNT, "En ressurs av typen SVARUT kan ikke ligge under en av typen SVARUT_KONTO"),
        ("SVARUT_KONTO", ACCOUNT, "En ressurs av typen SVARUT_KONTO kan ikke ligge under en av typen SVARUT_KONTO"),
        ("SVARUT_KONTO", A, "En ressurs av typen SVARUT_KONTO kan ikke ligge under en av typen ORGANISASJON"),
        ("ORGANISASJON", A, "En ressurs av typen ORGANISASJON kan ikke ligge under en av typen ORGANISASJON"),
        ("SVARUT", A, "Organisasjonen har en ressurs av typen SVARUT fra før"),
        ("FIKS_IO", A, "Organisasjonen har en ressurs av typen FIKS_IO fra før"),
    ],
)
def test_a_resource_lies_where_its_type_belongs(kind: str, below: UUID, why: str) -> None:
    asks = {"fiks_org_id": A, "av": ADMIN_A, "ressurs_id": NEW, "navn": "r"}
    answer = decided(OF_A, CreateRessurs(**asks, forelder_id=below, type=kind))
    assert answer == KommandoAvvist(fiks_org_id=A, grunn=Avslagsgrunn.UGYLDIG, melding=why)


def test_nothing_lies_directly_below_root() -> None:
    asks = {"fiks_org_id": ROOT, "av": OPERATOR, "ressurs_id": NEW, "forelder_id": ROOT, "navn": "r"}
    refused(OF_ROOT, CreateRessurs(**asks, type="SVARUT"), Avslagsgrunn.UGYLDIG)


ALSO_OF_ROOT = {cls for cls, _ in OF_ROOT_ALONE} | {ActivateAktor, DeactivateAktor}


@pytest.mark.parametrize(("command", "says", "_"), [one for one in OF_ORGANISATION if one[0] not in ALSO_OF_ROOT])
def test_root_is_no_organisation(command: type, says: dict[str, Any], _: bool) -> None:
    own = {"ressurs_id": ROOT} if command in (RenameRessurs, AttachRessurs, DetachRessurs) else {}
    for som_rot in (False, True):
        decision = decided(OF_ROOT, command(fiks_org_id=ROOT, av=OPERATOR, som_rot=som_rot, **says | own))
        assert isinstance(decision, KommandoAvvist), decision


def test_every_type_of_resource_but_organisations_has_a_place_in_the_tree() -> None:
    assert LIES_BELOW.keys() == set(RESSURSTYPER) - {ORGANISASJON}
    assert {kode: LIES_BELOW[one.ressurs_type] for kode, one in TJENESTER.items()} == dict.fromkeys(
        TJENESTER, ORGANISASJON
    )


def test_a_service_takes_up_the_resource_that_was_made_for_it() -> None:
    first = InitialiseTjeneste(
        fiks_org_id=A, av=ADMIN_A, tjeneste="SVARUT", ressurs_id=NEW, ressurstype="SVARUT", navn="SvarUt"
    )
    made = decided(OF_A, first)
    assert made.ressurs_id == SERVICE
    assert decided((*OF_A, made), first) == made


def test_two_global_integrations_do_not_share_a_code() -> None:
    first = decided(OF_ROOT, ChangeGlobalIntegrasjon(fiks_org_id=ROOT, av=OPERATOR, kode="EN", **ON))
    second = ChangeGlobalIntegrasjon(fiks_org_id=ROOT, av=OPERATOR, kode="EN", integrasjon_id=NEW)
    refused((*OF_ROOT, first), second, Avslagsgrunn.UGYLDIG)
    assert decided((*OF_ROOT, first), ChangeGlobalIntegrasjon(fiks_org_id=ROOT, av=OPERATOR, kode="EN", **ON))


def test_a_grant_behind_the_revocation_of_its_giver_is_refused() -> None:
    log = SimulatedLog(konfigurasjon)
    for event in OF_A:
        log.happens(event)
    right = {"ressurs_id": A, "privilegium": "ADMIN"}
    log.happens(RevokePrivilegium(fiks_org_id=A, av=ADMIN_A, aktor=ADMIN_A, **right))
    log.happens(GrantPrivilegium(fiks_org_id=A, av=ADMIN_A, aktor=NOBODY, **right))
    state = log.settle(konfigurasjon).state
    assert [type(one.event) for one in log.counted()] == [PrivilegieTrukketTilbake, KommandoAvvist]
    assert NOBODY not in state.rettigheter


asked = st.lists(any_command | any_configuration_event, max_size=12)


@settings(max_examples=60)
@for_any(asked, st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2), st.booleans()), max_size=20))
def test_whatever_crashes_the_log_tells_everybody_the_same(
    events: list[Any], turns: list[tuple[int, int, bool]]
) -> None:
    """Workers that crash, repeat and lag behind: what the gateways fold is what the deciders decided on."""
    log = SimulatedLog(konfigurasjon)
    for event in (*OF_A, *events):
        log.happens(_in_a(event))
        for batch, behind, commit in turns[:2]:
            log.work(konfigurasjon, batch=batch, behind=behind, commit=commit)
    for batch, behind, commit in turns:
        log.work(konfigurasjon, batch=batch, behind=behind, commit=commit)
    journal = log.settle(konfigurasjon)
    memory = Configuration()
    for event, at in log.records:
        if not isinstance(event, get_args(Command)):
            memory.meet(event, at.cause, at.position.offset)
    assert memory.virksomhet(A) == journal.state == read(konfigurasjon, log.records).state
    commands = [one for one in log.facts() if isinstance(one.event, get_args(Command))]
    assert [one.at.causation_id for one in log.counted()] == [one.at.id for one in commands]


def _in_a(event: Any) -> Any:
    from msgspec.structs import replace

    return replace(event, fiks_org_id=A)


def test_nothing_else_is_decided_about() -> None:
    assert given(konfigurasjon, *OF_A).when(PrivilegieTildelt(**_right())).decided == ()


def _right() -> dict[str, Any]:
    return {"fiks_org_id": A, "aktor": NOBODY, "ressurs_id": A, "privilegium": "ADMIN"}


KONTO = {"fiks_org_id": A, "av": ADMIN_A, "konto_id": ACCOUNT}


def test_an_account_that_is_deleted_takes_no_more_changes() -> None:
    deleted = (*OF_A, KontoSlettet(fiks_org_id=A, konto_id=ACCOUNT))
    for command in (
        RenameKonto(**KONTO, navn="k"),
        TagKonto(**KONTO, tag="t"),
        UntagKonto(**KONTO, tag="t"),
        DeleteKonto(**KONTO),
    ):
        refused(deleted, command, Avslagsgrunn.FINNES_IKKE)


def test_on_an_account_that_is_deleted_nobody_gets_anything_more() -> None:
    deleted, asks = (*OF_A, KontoSlettet(fiks_org_id=A, konto_id=ACCOUNT)), {"fiks_org_id": A, "av": ADMIN_A}
    on = asks | {"ressurs_id": ACCOUNT}
    for command in (
        GrantPrivilegium(**on, **RIGHT),
        AttachRessurs(**on, **ON),
        RenameRessurs(**on, navn="r"),
        CreateRessurs(**asks, ressurs_id=NEW, forelder_id=ACCOUNT, type="SVARUT_KONTO", navn="r"),
    ):
        refused(deleted, command, Avslagsgrunn.FINNES_IKKE)
    for command in (RevokePrivilegium(**on, **RIGHT), DetachRessurs(**on, **ON)):
        assert not isinstance(decided(deleted, command), KommandoAvvist)


def test_only_an_account_is_changed_as_one_and_none_is_made_twice() -> None:
    refused(OF_A, DeleteKonto(**(KONTO | {"konto_id": SERVICE})), Avslagsgrunn.FINNES_IKKE)
    refused(OF_A, CreateKonto(**KONTO, tjeneste="SMS", navn="k"), Avslagsgrunn.UGYLDIG)


def test_an_account_has_ten_tags_at_most() -> None:
    ten = (*OF_A, *(KontoTagget(fiks_org_id=A, konto_id=ACCOUNT, tag=str(number)) for number in range(10)))

    refused(ten, TagKonto(**KONTO, tag="10"), Avslagsgrunn.UGYLDIG)
    assert decided(ten, TagKonto(**KONTO, tag="9")) == KontoTagget(fiks_org_id=A, konto_id=ACCOUNT, tag="9")
