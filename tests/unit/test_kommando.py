"""The number of a person in what a command says: refused, since it would stay readable on the log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.kommando import must_name_no_number
from schemas.errors import Unreadable
from schemas.fiks_io_konto_commands import CreateAdresse, NarrowAdresse
from schemas.fiks_protokoll import Protokollpart
from schemas.fiks_protokoll_commands import CreateProtokollKonto, CreateProtokollSystem
from schemas.konfigurasjon_commands import (
    CreateIntegrasjon,
    CreateKonto,
    GrantPrivilegium,
    RenameKonto,
    TagKonto,
    UntagKonto,
)

FNR, D_NUMBER = "12858010053", "52849040073"


@pytest.mark.parametrize("number", [FNR, D_NUMBER, f"{FNR[:6]} {FNR[6:]}", f"{FNR[:6]}-{FNR[6:]}"])
@pytest.mark.parametrize(
    ("command", "field", "said"),
    [
        (CreateIntegrasjon, "navn", "Fagsystem {}"),
        (CreateIntegrasjon, "beskrivelse", "for {}."),
        (CreateKonto, "navn", "Sak {}"),
        (RenameKonto, "navn", "{}"),
        (TagKonto, "tag", "sak/{}"),
        (CreateAdresse, "beskrivelse", "til {}"),
        (CreateProtokollSystem, "beskrivelse", "{}\nog andre"),
    ],
)
def test_it_is_refused_in_any_text_and_not_repeated(command: type, field: str, said: str, number: str) -> None:
    with pytest.raises(Unreadable, match=field) as refused:
        must_name_no_number(command, {field: said.format(number), "konto_id": uuid4()})
    assert number not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (CreateProtokollSystem, {"eposter": ("post@example.no", f"{FNR}@example.no")}),
        (CreateProtokollKonto, {"parter": (Protokollpart(navn=FNR, versjon="v1"),)}),
    ],
)
def test_it_is_refused_wherever_it_stands(command: type, says: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        must_name_no_number(command, says)


def test_what_is_no_number_of_a_person_is_said() -> None:
    for text in ("12858010054", "128580100530", "310991007", "Sak 2026/12345678901"):
        must_name_no_number(RenameKonto, {"navn": text})
    actor, moment = f"person:{FNR}".ljust(71, "a"), datetime(2026, 1, 1, tzinfo=UTC)
    says = {"aktor": actor, "ressurs_id": UUID(int=int(FNR, 16)), "endret": moment, "niva": 3, "navn": None}
    must_name_no_number(GrantPrivilegium, says)


def test_what_was_said_before_can_be_taken_away() -> None:
    must_name_no_number(UntagKonto, {"tag": FNR})
    must_name_no_number(NarrowAdresse, {"identifikatorer": (f"NAVENHET_ID.{FNR}",)})
