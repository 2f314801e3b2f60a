"""Passwords: proved slowly once, remembered until the hash changes, and the same work for those that do not exist."""

import asyncio
import threading
from dataclasses import replace
from uuid import UUID

import pytest

from gateway.auth import passwords
from gateway.auth.passwords import Passwords, hashed, matches, new_password
from streams.domain.konfigurasjon import Integrasjon

INTEGRASJON = Integrasjon(UUID(int=1), UUID(int=2), "310991007", "i", hashed("riktig"))


@pytest.fixture
def slow_work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that a password was verified against, in order."""
    done: list[str] = []

    def counted(known: str, passord: str) -> bool:
        assert threading.current_thread() is not threading.main_thread()
        done.append(known)
        return matches(known, passord)

    monkeypatch.setattr(passwords, "matches", counted)
    return done


async def test_a_right_password_is_proved_once(slow_work: list[str]) -> None:
    keeper = Passwords()
    assert [await keeper.verify(INTEGRASJON, "riktig") for _ in range(3)] == [True, True, True]
    assert slow_work == [INTEGRASJON.passord_hash]


async def test_a_wrong_password_costs_every_time(slow_work: list[str]) -> None:
    keeper = Passwords()
    await keeper.verify(INTEGRASJON, "riktig")
    assert [await keeper.verify(INTEGRASJON, "feil") for _ in range(3)] == [False, False, False]
    assert slow_work == [INTEGRASJON.passord_hash] * 4


async def test_an_integration_that_does_not_exist_costs_as_much_as_a_wrong_password(slow_work: list[str]) -> None:
    keeper = Passwords()
    assert [await keeper.verify(None, "riktig") for _ in range(2)] == [False, False]
    assert len(slow_work) == 2
    assert {known.rpartition("$")[0].rpartition("$")[0] for known in slow_work} == {
        INTEGRASJON.passord_hash.rpartition("$")[0].rpartition("$")[0]
    }, "the hash of nobody has other parameters"


async def test_a_new_password_makes_the_old_proof_worthless(slow_work: list[str]) -> None:
    keeper = Passwords()
    await keeper.verify(INTEGRASJON, "riktig")
    changed = replace(INTEGRASJON, passord_hash=hashed("ny"))
    assert not await keeper.verify(changed, "riktig")
    assert await keeper.verify(changed, "ny")


async def test_many_that_come_at_once_with_the_same_password_cost_one_turn_each_place(slow_work: list[str]) -> None:
    keeper = Passwords(at_once=2)
    assert all(await asyncio.gather(*(keeper.verify(INTEGRASJON, "riktig") for _ in range(20))))
    assert len(slow_work) <= 2


async def test_no_more_than_so_many_are_verified_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, door = 0, 0, threading.Lock()
    both_inside = threading.Barrier(2)

    def slow(known: str, passord: str) -> bool:
        nonlocal inside, most
        with door:
            inside += 1
            most = max(most, inside)
        both_inside.wait()  # nobody leaves before a second one is in: two at a time is reached for certain
        with door:
            inside -= 1
        return False

    monkeypatch.setattr(passwords, "matches", slow)
    keeper = Passwords(at_once=2)
    await asyncio.gather(*(keeper.verify(INTEGRASJON, f"feil {number}") for number in range(6)))
    assert most == 2


async def test_octets_that_are_no_utf8_are_a_wrong_password_and_no_fault() -> None:
    assert not await Passwords().verify(INTEGRASJON, b"riktig\xe5".decode("utf-8", "surrogateescape"))


def test_a_hash_that_is_none_matches_nothing() -> None:
    assert not matches("riktig", "riktig")


def test_passwords_that_we_make_are_long_ascii_and_new() -> None:
    one, another = new_password(), new_password()
    assert one.isascii() and len(one) >= 40 and one != another
    assert matches(hashed(one), one)
