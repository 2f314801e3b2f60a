"""Who may send what to whom in Fiks Protokoll, and whether the catalogue of protocols hangs together."""

from __future__ import annotations

from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from schemas.fiks_protokoll import ProtokollKontoEndret, ProtokollTilgangFjernet
from schemas.konfigurasjon import KontoOpprettet
from streams.domain.fiks_protokoll_katalog import PROTOKOLLER, Part, Payloadkriterie, Protokoll
from streams.domain.fiks_protokoll_regler import INGEN_TILGANG, protocol_refusal
from tests.support.fiks_protokoll import ARKIV, asked_by, given_to, konto, system
from tests.support.given_when_then import WHEN
from tests.support.konfigurasjon import ADMIN_A, GENESIS, A, B, fold

ARCHIVE, CLIENT = UUID(int=0x60), UUID(int=0x70)
"""The system of an archive, of A, and that of its client, of B."""
MOTTAKER, AVSENDER, PLAIN = UUID(int=0x68), UUID(int=0x78), UUID(int=0x79)
OPPRETT, SOK = f"{ARKIV}.v1.arkivering.arkivmelding.opprett", f"{ARKIV}.v1.innsyn.sok"
SYSTEMS = (*GENESIS, system(ARCHIVE), system(CLIENT, B))
GIVEN = given_to(CLIENT, MOTTAKER)


def accounts(sender: str = "klient.arkivering", receiver: str = "arkiv.full", **changes: Any) -> tuple[Any, ...]:
    return (
        *SYSTEMS,
        konto(MOTTAKER, ARCHIVE, receiver, **changes),
        konto(AVSENDER, CLIENT, sender, fiks_org_id=B),
    )


def refused(history: tuple[Any, ...], melding_type: str = OPPRETT, har_innhold: bool = True) -> str | None:
    return protocol_refusal(fold(history), AVSENDER, MOTTAKER, melding_type, har_innhold)


def answered(
    history: tuple[Any, ...], melding_type: str = f"{OPPRETT}.kvittering", har_innhold: bool = True
) -> str | None:
    return protocol_refusal(fold(history), MOTTAKER, AVSENDER, melding_type, har_innhold)


NO_PARTS = "Kontoene har ingen parter som støtter hverandre i samme versjon av samme protokoll"
NO_TYPE = "Meldingstypen kan ikke sendes mellom partene som kontoene har i protokollen"


def test_a_system_that_was_let_in_sends_what_its_part_sends() -> None:
    assert refused((*accounts(), GIVEN)) is None
    assert refused((*accounts(), GIVEN), SOK) == NO_TYPE
    assert refused((*accounts("klient.full"), GIVEN), SOK) is None
    assert refused((*accounts("klient.full", "arkiv.arkivering"), GIVEN), SOK) == NO_TYPE
    for unknown in ("", "*", "no.ks.annet", f"{ARKIV}.v1.*", OPPRETT.upper()):
        assert refused((*accounts(), GIVEN), unknown) == NO_TYPE


@pytest.mark.parametrize(
    "between",
    [
        (),
        (asked_by(CLIENT, MOTTAKER),),
        (GIVEN, ProtokollTilgangFjernet(fiks_org_id=A, konto_id=MOTTAKER, system_id=CLIENT)),
    ],
    ids=["nothing", "a request", "a revocation"],
)
def test_nobody_else_sends(between: tuple[Any, ...]) -> None:
    assert refused((*accounts(), *between)) == INGEN_TILGANG
    assert answered((*accounts(), *between)) == INGEN_TILGANG


def test_a_system_reaches_its_own_accounts() -> None:
    own = (*SYSTEMS, konto(MOTTAKER, ARCHIVE, "arkiv.full"), konto(AVSENDER, ARCHIVE, "klient.full"))
    assert refused(own) is answered(own) is None


def test_who_may_be_asked_may_answer_and_err_but_not_ask_back() -> None:
    history = (*accounts(), GIVEN)
    for svar in (f"{OPPRETT}.kvittering", f"{ARKIV}.v1.feilmelding.serverfeil", f"{ARKIV}.v1.pong"):
        assert answered(history, svar) is None
    assert answered(history, "no.ks.fik.arkiv.v1.feilmelding.ugyldigforespoersel") is None  # as some misspell it
    assert answered(history, f"{ARKIV}.v1.ping") == INGEN_TILGANG
    assert answered(history, OPPRETT) == NO_TYPE


def test_parts_must_support_each_other_in_one_version_of_one_protocol() -> None:
    for sender, receiver in (
        ("arkiv.full", "arkiv.full"),
        ("klient.innsyn", "arkiv.arkivering"),
        ("ukjent", "arkiv.full"),
    ):
        assert refused((*accounts(sender, receiver), GIVEN)) == NO_PARTS
    assert refused((*accounts(versjon="v2"), GIVEN)) == NO_PARTS
    assert refused((*accounts(protokoll="no.ks.fiks.plan"), GIVEN)) == NO_PARTS


def test_what_is_deactivated_takes_nothing() -> None:
    politisk = "no.ks.fiks.politisk.behandling"
    history = (
        *SYSTEMS,
        konto(MOTTAKER, ARCHIVE, "politisk.full", protokoll=politisk),
        konto(AVSENDER, CLIENT, "klient.full", fiks_org_id=B, protokoll=politisk),
        GIVEN,
    )
    assert refused(history, f"{politisk}.v1.utvalg.hent") == NO_PARTS


def test_content_is_as_the_type_demands() -> None:
    history = (*accounts(), GIVEN)
    assert refused(history, har_innhold=False) == "Meldingstypen må ha innhold"
    assert answered(history, f"{OPPRETT}.mottatt") == "Meldingstypen skal ikke ha innhold"
    for har_innhold in (False, True):
        assert refused(history, f"{ARKIV}.v1.ping", har_innhold) is None


def test_protocol_accounts_and_plain_ones_do_not_meet() -> None:
    now = fold((*accounts(), GIVEN, KontoOpprettet(fiks_org_id=B, konto_id=PLAIN, tjeneste="FIKS_IO", navn="k")))
    for pair in ((PLAIN, MOTTAKER), (MOTTAKER, PLAIN)):
        assert protocol_refusal(now, *pair, OPPRETT, True) == (
            "En protokollkonto og en vanlig konto kan ikke utveksle meldinger"
        )
    assert protocol_refusal(now, PLAIN, PLAIN, "hva som helst", False) is None


def test_an_account_that_only_receives_does_not_send_nor_answer() -> None:
    changed = {"konto_id": AVSENDER, "send_meldinger_deaktivert": True, "endret": WHEN, "endret_av": ADMIN_A}
    history = (*accounts(), GIVEN, ProtokollKontoEndret(fiks_org_id=B, **changed))
    assert refused(history) == "Avsenderkontoen kan bare motta meldinger"
    assert answered(history) is None


# --- The catalogue ---------------------------------------------------------------------------------------------------

PROTOCOLS = sorted(PROTOKOLLER)


@pytest.mark.parametrize("key", PROTOCOLS, ids=" ".join)
def test_parts_support_each_other_and_name_types_that_there_are(key: tuple[str, str]) -> None:
    protokoll = PROTOKOLLER[key]
    names = {one.navn for one in protokoll.meldingstyper}
    for part in protokoll.parter.values():
        assert part.stotter
        assert part.avsender | part.mottaker <= names
        assert all(part.navn in protokoll.parter[other].stotter for other in part.stotter)
    assert names == {navn for part in protokoll.parter.values() for navn in part.avsender}
    assert names == {navn for part in protokoll.parter.values() for navn in part.mottaker}


@pytest.mark.parametrize("key", PROTOCOLS, ids=" ".join)
def test_whoever_asks_can_be_answered(key: tuple[str, str]) -> None:
    protokoll = PROTOKOLLER[key]
    answers = {one.navn for one in protokoll.meldingstyper if one.er_svar}
    asked = 0
    for sender, receiver in product(protokoll.parter.values(), repeat=2):
        if sender.navn in receiver.stotter and (sender.avsender & receiver.mottaker) - answers:
            asked += 1
            assert receiver.avsender & sender.mottaker & answers
    assert asked


def test_an_answer_is_not_taken_for_the_request_that_it_begins_like() -> None:
    plan = PROTOKOLLER["no.ks.fiks.plan", "v2"]
    for navn, is_answer in (
        ("innsyn.planer.finn", False),
        ("innsyn.planer.finn.resultat", True),
        ("feilmelding.x", True),
    ):
        found = plan.meldingstype(f"no.ks.fiks.plan.v2.{navn}")
        assert found and found.er_svar is is_answer
    assert plan.meldingstype("no.ks.fiks.plan.v1.innsyn.planer.finn") is None


def test_every_type_of_fiks_arkiv_says_whether_it_has_content() -> None:
    arkiv = PROTOKOLLER[ARKIV, "v1"]
    assert len(arkiv.meldingstyper) == 31
    optional = {one.navn for one in arkiv.meldingstyper if one.payload is Payloadkriterie.OPTIONAL}
    assert optional == {f"{ARKIV}.v1.ping", f"{ARKIV}.v1.pong"}


@st.composite
def any_dialogue(draw: st.DrawFn) -> tuple[Protokoll, Part, Part, str]:
    protokoll = draw(st.sampled_from([PROTOKOLLER[key] for key in PROTOCOLS]))
    sender, receiver = (draw(st.sampled_from(list(protokoll.parter.values()))) for _ in range(2))
    melding_type = draw(st.sampled_from(protokoll.meldingstyper)).navn.replace("*", "noe")
    return protokoll, sender, receiver, melding_type


@for_any(any_dialogue(), st.booleans(), st.booleans())
def test_nothing_is_let_through_without_access_and_a_part_for_it(
    dialogue: tuple[Protokoll, Part, Part, str], har_innhold: bool, granted: bool
) -> None:
    protokoll, sender, receiver, melding_type = dialogue
    named = {"protokoll": protokoll.navn, "versjon": protokoll.versjon}
    history = (
        *SYSTEMS,
        konto(MOTTAKER, ARCHIVE, receiver.navn, **named),
        konto(AVSENDER, CLIENT, sender.navn, fiks_org_id=B, **named),
        *((GIVEN,) if granted else ()),
    )
    if refused(history, melding_type, har_innhold) is None:
        found = protokoll.meldingstype(melding_type)
        assert granted and found and sender.navn in receiver.stotter
        assert found.navn in sender.avsender and found.navn in receiver.mottaker
        assert found.payload in (Payloadkriterie.OPTIONAL, ("NEVER", "REQUIRED")[har_innhold])
