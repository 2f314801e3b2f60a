"""Which messages of Fiks IO are taken, and what is said of those that are not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.fiks_io_konto import (
    AvsenderAkseptert,
    AvsenderfilterEndret,
    KontoAktivert,
    KontoDeaktivert,
    OffentligNokkelFjernet,
    OffentligNokkelSatt,
)
from schemas.konfigurasjon import KontoOpprettet, KontoSlettet
from streams.domain.fiks_io_regler import SKJULT, refusal, refusals
from tests.support.certificates import END, pem
from tests.support.fiks_protokoll import KONTO, SYSTEM, konto, system
from tests.support.given_when_then import WHEN
from tests.support.konfigurasjon import ADMIN_A, GENESIS, A, B, fold

FROM, TO, UNKNOWN = UUID(int=0x10), UUID(int=0x11), UUID(int=0x12)


def of(fiks_org_id: UUID, konto_id: UUID) -> dict[str, Any]:
    return {"fiks_org_id": fiks_org_id, "konto_id": konto_id, "endret": WHEN, "endret_av": ADMIN_A}


BASE = (
    *GENESIS,
    KontoOpprettet(fiks_org_id=A, konto_id=FROM, tjeneste="FIKS_IO", navn="a"),
    KontoOpprettet(fiks_org_id=B, konto_id=TO, tjeneste="FIKS_IO", navn="b"),
    KontoAktivert(**of(A, FROM)),
    KontoAktivert(**of(B, TO)),
    OffentligNokkelSatt(pem=pem(), **of(B, TO)),
)
MELDING = {
    "avsender_konto_id": FROM,
    "mottaker_konto_id": TO,
    "melding_type": "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett",
    "har_innhold": True,
    "now": WHEN,
}
FILTER = AvsenderfilterEndret(aktivert=True, **of(B, TO))
ACCEPTED = AvsenderAkseptert(avsender_konto_id=FROM, **of(B, TO))


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ((), {}),
        ((FILTER, ACCEPTED), {}),
        ((OffentligNokkelFjernet(**of(B, TO)),), {"har_innhold": False}),
        ((), {"now": END}),
        ((), {"melding_type": "æ"}),
    ],
    ids=["plain", "accepted", "no content", "last second", "short type"],
)
def test_it_is_taken(more: tuple[Any, ...], asked: dict[str, Any]) -> None:
    assert refusal(fold([*BASE, *more]), **(MELDING | asked)) is None


@pytest.mark.parametrize(
    ("more", "asked", "status", "why"),
    [
        ((), {"melding_type": ""}, 400, "Meldingstypen"),
        ((), {"melding_type": "no ks"}, 400, "Meldingstypen"),
        ((), {"melding_type": "a\n"}, 400, "Meldingstypen"),
        ((), {"melding_type": "a" * 256}, 400, "Meldingstypen"),
        ((), {"avsender_konto_id": UNKNOWN}, 400, f"Avsenderkontoen {UNKNOWN} finnes ikke"),
        ((KontoSlettet(fiks_org_id=A, konto_id=FROM),), {}, 400, f"Avsenderkontoen {FROM} finnes ikke"),
        ((KontoDeaktivert(**of(A, FROM)),), {}, 400, f"Avsenderkontoen {FROM} er deaktivert"),
        ((), {"mottaker_konto_id": UNKNOWN}, 400, f"Mottakerkontoen {UNKNOWN} finnes ikke"),
        ((KontoSlettet(fiks_org_id=B, konto_id=TO),), {}, 400, f"Mottakerkontoen {TO} finnes ikke"),
        ((), {"mottaker_konto_id": UUID(int=2)}, 400, "finnes ikke"),
        ((KontoDeaktivert(**of(B, TO)),), {}, 400, f"Mottakerkontoen {TO} er deaktivert"),
        ((OffentligNokkelFjernet(**of(B, TO)),), {}, 400, "ingen offentlig nøkkel"),
        ((), {"now": END + timedelta(seconds=1)}, 400, "ingen offentlig nøkkel"),
        ((FILTER,), {}, 403, "tar ikke imot"),
    ],
)
def test_it_is_refused(more: tuple[Any, ...], asked: dict[str, Any], status: int, why: str) -> None:
    refused = refusal(fold([*BASE, *more]), **(MELDING | asked))
    assert refused is not None
    assert (refused.status, why in refused.melding) == (status, True)


def test_an_account_of_a_system_that_is_hidden_is_refused_as_one_that_does_not_exist() -> None:
    known = fold([*BASE, system(SYSTEM, B), konto(KONTO, SYSTEM, "arkiv.full", fiks_org_id=B)])
    asked = (" ", True, WHEN)
    told, of_none = list(refusals(known, FROM, KONTO, *asked)), list(refusals(known, FROM, UNKNOWN, *asked))
    assert [one.status for one in told] == [one.status for one in of_none]
    assert [one.melding.replace(str(KONTO), str(UNKNOWN)) for one in told] == [one.melding for one in of_none]
    assert ([one.nektet for one in told], [one.nektet for one in of_none]) == ([None, SKJULT], [None, SKJULT])
    assert list(refusals(known, TO, KONTO, *asked)) != list(refusals(known, TO, UNKNOWN, *asked))  # it is their own


def test_a_sender_that_does_not_exist_is_told_of_the_receiver_what_all_are() -> None:
    wrong = fold([*BASE, KontoDeaktivert(**of(B, TO))])
    assert [one.melding.split()[-1] for one in refusals(wrong, UNKNOWN, TO, "x", False, WHEN)] == ["ikke", "deaktivert"]


def test_everything_that_is_wrong_is_told() -> None:
    wrong = (KontoDeaktivert(**of(A, FROM)), KontoDeaktivert(**of(B, TO)), OffentligNokkelFjernet(**of(B, TO)), FILTER)
    told = list(refusals(fold([*BASE, *wrong]), FROM, TO, " ", True, WHEN))
    assert [one.status for one in told] == [400, 400, 400, 400, 403]
