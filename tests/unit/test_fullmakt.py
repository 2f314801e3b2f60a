"""Who may act for whom, from answers of Altinn that are kept for a while."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.fullmakt import REMEMBERED, Fullmakt, Fullmakter, Type
from gateway.registers.parties import Party, read_parties
from gateway.seed import PROVDAL, TESTVIK
from gateway.stand_ins.population import ASE, KARE, RESSURS, SKOLE, organisation, person
from streams.domain.errors import Unavailable

LIFETIME = 300.0


class Altinn:
    """Answers what a test says, and counts."""

    def __init__(self, **parties: list[dict[str, Any]]) -> None:
        self.answers = parties
        self.asked: list[str] = []
        self.away = False

    async def parties(self, pid: str) -> dict[str, Party]:
        self.asked.append(pid)
        if self.away:
            raise Unavailable("away")
        return read_parties(self.answers.get(pid, []))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def altinn() -> Altinn:
    own = person(ASE.pid, ASE.navn)
    return Altinn(**{ASE.pid: [own, organisation(TESTVIK, "A0236"), organisation(SKOLE, "DAGL")]})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fullmakter(altinn: Altinn, clock: Clock) -> Fullmakter:
    return Fullmakter(altinn, LIFETIME, clock)


async def test_only_a_mail_role_lets_act(fullmakter: Fullmakter) -> None:
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    assert not await fullmakter.may_act_for(ASE.pid, SKOLE.orgnr)
    assert not await fullmakter.may_act_for(ASE.pid, PROVDAL.orgnr)
    assert not await fullmakter.may_act_for(KARE.pid, TESTVIK.orgnr)


async def test_all_are_oneself_and_the_organisations(fullmakter: Fullmakter) -> None:
    assert await fullmakter.all_for(ASE.pid) == (
        Fullmakt(ASE.pid, "ÅSE TESTESEN", Type.PERSON),
        Fullmakt(TESTVIK.orgnr, "TESTVIK KOMMUNE", Type.ORGANISASJON),
    )


async def test_somebody_unknown_to_altinn_has_no_name(fullmakter: Fullmakter) -> None:
    assert await fullmakter.own(KARE.pid) == Fullmakt(KARE.pid, "", Type.PERSON)
    assert await fullmakter.all_for(KARE.pid) == (Fullmakt(KARE.pid, "", Type.PERSON),)


async def test_resources_are_asked_of_the_party(fullmakter: Fullmakter) -> None:
    asked = (RESSURS, "annet")
    assert await fullmakter.for_resources(ASE.pid, TESTVIK.orgnr, asked) == {RESSURS: True, "annet": False}
    assert await fullmakter.for_resources(ASE.pid, PROVDAL.orgnr, asked) == {RESSURS: False, "annet": False}


async def test_another_person_is_never_acted_for(altinn: Altinn, fullmakter: Fullmakter) -> None:
    other = person(KARE.pid, KARE.navn) | {"authorizedResources": [RESSURS], "authorizedRoles": ["A0236"]}
    altinn.answers[ASE.pid].append(other)
    assert not await fullmakter.may_act_for(ASE.pid, KARE.pid)
    assert await fullmakter.for_resources(ASE.pid, KARE.pid, [RESSURS]) == {RESSURS: False}
    assert KARE.pid not in {one.aktor for one in await fullmakter.all_for(ASE.pid)}


async def test_an_answer_is_used_until_it_is_old(altinn: Altinn, clock: Clock, fullmakter: Fullmakter) -> None:
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    altinn.answers[ASE.pid] = []
    clock.now += LIFETIME - 1
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    assert altinn.asked == [ASE.pid]
    clock.now += 1
    assert not await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)


async def test_the_cache_is_passed_by_and_then_holds_what_is_new(altinn: Altinn, fullmakter: Fullmakter) -> None:
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    altinn.answers[ASE.pid] = []
    assert not await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr, use_cache=False)
    assert not await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    assert altinn.asked == [ASE.pid, ASE.pid]


async def test_an_old_answer_lets_nobody_in_while_altinn_is_away(
    altinn: Altinn, clock: Clock, fullmakter: Fullmakter
) -> None:
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    altinn.away = True
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr), "it is fresh"
    clock.now += LIFETIME
    for _ in range(2):
        with pytest.raises(Unavailable):
            await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)


async def test_who_passes_the_cache_by_learns_that_altinn_is_away(altinn: Altinn, fullmakter: Fullmakter) -> None:
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    altinn.away = True
    with pytest.raises(Unavailable):
        await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr, use_cache=False)


async def test_the_cache_is_bounded(altinn: Altinn, fullmakter: Fullmakter) -> None:
    assert await fullmakter.may_act_for(ASE.pid, TESTVIK.orgnr)
    for number in range(REMEMBERED):
        await fullmakter.own(str(number))
    await fullmakter.own(ASE.pid)
    assert altinn.asked.count(ASE.pid) == 2
