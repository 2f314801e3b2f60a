"""Who is taken their access by REST at one gateway is refused by every gateway, though each had let them in before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.auth.memory import MEMORY
from gateway.issuer.people import PEOPLE
from tests.support.dokumentlager import Lager
from tests.support.eventually import eventually, eventually_found
from tests.support.fiks_io_konto import done
from tests.support.revoking import (
    KONTO,
    Loss,
    deactivated,
    deleted,
    of_another_organisation,
    reader,
    status,
    with_another_password,
    without_the_right,
)


async def until(gateway: Lager, machine: Lager, answered: int) -> None:
    """Returns when the gateway answers so; a test that waits in vain is stopped by its time limit."""

    async def is_answered() -> bool:
        return await status(gateway, machine) == answered

    await eventually_found(is_answered)


async def until_read(gateway: Lager) -> None:
    """Returns when the gateway has folded all that the log has now."""
    memory = gateway.app[MEMORY]
    ends = await memory._ends.now()
    await eventually(lambda: memory._follower.has_passed(ends))


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
    await until_read(other)
    for gateway in lagre:
        assert [await status(gateway, caller) for caller in (machine, stays)] == [answered, 200]


async def test_a_manager_who_was_taken_the_right_is_refused_at_the_next_call_at_any_gateway(
    lagre: tuple[Lager, Lager],
) -> None:
    """The gateway reads what the log has before it lets a manager in."""
    one, other = lagre
    administrator, manager = await one.as_administrator(), await other.as_person(PEOPLE[5].pid)
    right = {"aktor": PEOPLE[5].pid, "privilegium": "ADMIN"}
    rights = f"/autorisasjon-update/api/v1/ressurs/{KONTO}/tilganger"
    held = f"/autorisasjon-query/api/v1/autorisasjon/ressurser/{KONTO}/tilganger"
    for _ in range(5):
        await done(administrator, "POST", rights, right)
        assert (await manager.ask("GET", held)).status == 200
        await done(administrator, "DELETE", rights, **right)
        assert (await manager.ask("GET", held)).status == 403


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
