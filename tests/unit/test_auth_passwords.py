"""Passwords: proved slowly once, remembered until the hash changes, and the same work for those that do not exist."""

import asyncio
import threading
from dataclasses import replace
from uuid import UUID

import pytest

from gateway.auth import passwords
from gateway.auth.passwords import Passwords, hashed, matches, new_password
from streams.domain.errors import Unavailable
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


@pytest.mark.parametrize(("integrasjon", "passord"), [(INTEGRASJON, "riktig"), (INTEGRASJON, "feil"), (None, "feil")])
async def test_many_that_come_at_once_with_the_same_cost_one_proof(
    slow_work: list[str], integrasjon: Integrasjon | None, passord: str
) -> None:
    keeper, right = Passwords(at_once=2), passord == "riktig"
    found = await asyncio.gather(*(keeper.verify(integrasjon, passord, "en") for _ in range(20)))
    assert (found, len(slow_work)) == ([right] * 20, 1)


async def test_who_claims_to_be_another_shares_no_proof(slow_work: list[str]) -> None:
    """Or how long two took together would tell that neither exists."""
    keeper = Passwords(at_once=2)
    await asyncio.gather(*(keeper.verify(None, "feil", claim) for claim in ("en", "en", "en annen")))
    assert len(slow_work) == 2


async def test_a_proof_that_has_begun_is_for_those_who_still_wait_and_for_who_comes_next(slow_work: list[str]) -> None:
    keeper = Passwords(at_once=1)
    gone, waits = (asyncio.create_task(keeper.verify(INTEGRASJON, "riktig")) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await waits and await keeper.verify(INTEGRASJON, "riktig")
    assert len(slow_work) == 1


async def test_what_would_wait_for_too_many_proofs_is_told_so_and_what_is_proved_comes_in(
    slow_work: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Passwords(at_once=2)
    await keeper.verify(INTEGRASJON, "riktig")
    monkeypatch.setattr(passwords, "MOST_PROVING", 3)
    running = [asyncio.create_task(keeper.verify(INTEGRASJON, f"feil {number}")) for number in range(6)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await keeper.verify(INTEGRASJON, "feil igjen")
    assert await keeper.verify(INTEGRASJON, "riktig")
    assert not any(await asyncio.gather(*running))


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
