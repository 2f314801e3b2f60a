"""Who is taken their access by REST at one gateway is refused by every gateway, though each had let them in before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.dokumentlager import Lager
from tests.support.eventually import eventually_found
from tests.support.revoking import (
    KONTO,
    Loss,
    deactivated,
    deleted,
    of_another_organisation,
    reader,
    with_another_password,
    without_the_right,
)


async def status(gateway: Lager, machine: Lager) -> int:
    """What the gateway answers to the machine, which would like to know how many messages wait."""
    asking = replace(gateway, headers=machine.headers)
    return (await asking.ask("GET", f"/fiks-io/manuell/api/v1/kontoer/{KONTO}/meldinger/antall")).status


async def until(gateway: Lager, machine: Lager, answered: int) -> None:
    """Returns when the gateway answers so; a test that waits in vain is stopped by its time limit."""

    async def is_answered() -> bool:
        return await status(gateway, machine) == answered

    await eventually_found(is_answered)


@pytest.mark.parametrize(
    ("lost", "answered"),
    [
        (deleted, 401),
        (with_another_password, 401),
        (of_another_organisation, 401),
        (without_the_right, 403),
        (deactivated, 403),
    ],
)
async def test_every_gateway_refuses_who_was_taken_their_access(
    lagre: tuple[Lager, Lager], lost: Loss, answered: int
) -> None:
    one, other = lagre
    administrator = await one.as_administrator()
    machine, stays = await reader(administrator, one), await reader(administrator, one)
    for caller in (machine, stays):
        for gateway in lagre:
            await until(gateway, caller, 200)

    await lost(administrator, machine)

    assert await status(one, machine) == answered  # the gateway that answered the change knows it then
    await until(other, machine, answered)
    for gateway in lagre:
        assert [await status(gateway, caller) for caller in (machine, stays)] == [answered, 200]


async def test_every_gateway_takes_the_new_password_and_no_more_the_old_one(lagre: tuple[Lager, Lager]) -> None:
    one, other = lagre
    administrator = await one.as_administrator()
    old = await reader(administrator, one)
    for gateway in lagre:
        await until(gateway, old, 200)

    passord = await with_another_password(administrator, old)

    new = replace(old, headers={**old.headers, "IntegrasjonPassord": passord})
    assert await status(one, new) == 200
    await until(other, new, 200)
    for gateway in lagre:
        assert [await status(gateway, caller) for caller in (old, new)] == [401, 200]
