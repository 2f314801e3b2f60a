"""What waits for an account that is deleted ends at once, and its senders are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gateway.amqp.deliveries import Outcome
from gateway.context import DELIVERIES
from schemas.envelope import NOBODY
from tests.support.fiks_io_konto import KONTOER, Io, done, opened, taken_in

SERVERFEIL = "no.ks.fiks.kvittering.serverfeil.v1"


async def traced(io: Io, own: str, melding_id: str) -> Any:
    """The message of B's account as its ledger has it."""
    return await done(io.b_machine, "GET", f"/fiks-io/sporing/api/v1/kontoer/{own}/meldinger/{melding_id}")


def types(found: Any) -> list[str]:
    return [one["type"] for one in found["steg"]]


async def ended(io: Io, own: str, melding_id: str) -> Any:
    """The same, once it has ended."""
    while (found := await traced(io, own, melding_id))["status"] in ("VENTER", "LEVERT", "TILBAKE"):
        await asyncio.sleep(0.05)
    return found


async def notices(io: Io, own: str) -> list[tuple[str, str]]:
    """What the platform has told B's account, once there is something: the type, and of which message."""
    told: list[tuple[str, str]] = []
    while not told:
        found = await done(io.b_machine, "GET", f"/fiks-io/sporing/api/v1/kontoer/{own}/meldinger")
        told = [(one["meldingType"], one["svarPaMelding"]) for one in found["meldinger"] if one["plattform"]]
    return told


async def test_what_waits_for_an_account_that_is_deleted_fails_and_its_sender_is_told(io: Io) -> None:
    own, konto = await opened(io, io.b, io.b_machine), await opened(io, io.a, io.a_machine)
    sent = await taken_in(io, own, konto, datetime.now(UTC))
    await done(io.a, "DELETE", f"{KONTOER}/{konto}")
    found = await ended(io, own, sent)
    assert (found["status"], found["feiledeForsok"]) == ("FEILET", 0)
    assert list(dict.fromkeys(types(found)))[:3] == ["MeldingSendt", "MeldingskontoSlettet", "MeldingFeilet"]
    assert await notices(io, own) == [(SERVERFEIL, sent)]


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.ACKED, "KVITTERT"), (Outcome.RETURNED, "FEILET")])
async def test_what_somebody_has_in_hand_then_ends_as_that_does(io: Io, outcome: Outcome, status: str) -> None:
    own, konto = await opened(io, io.b, io.b_machine), await opened(io, io.a, io.a_machine)
    sent = await taken_in(io, own, konto, datetime.now(UTC))
    queues = io.a.app[DELIVERIES]
    while (got := await queues.get(UUID(konto), NOBODY)) is None:
        pass
    await done(io.a, "DELETE", f"{KONTOER}/{konto}")
    while "MeldingskontoSlettet" not in types(found := await traced(io, own, sent)):
        await asyncio.sleep(0.05)
    assert found["status"] == "LEVERT"
    queues.settle([got.lease.receipt], outcome)
    assert (await ended(io, own, sent))["status"] == status


async def test_what_was_on_its_way_as_the_account_was_deleted_ends_so_too(io: Io) -> None:
    own, konto = await opened(io, io.b, io.b_machine), await opened(io, io.a, io.a_machine)
    await done(io.a, "DELETE", f"{KONTOER}/{konto}")
    late = await taken_in(io, own, konto, datetime.now(UTC))  # by a gateway that had not heard of it
    assert (await ended(io, own, late))["status"] == "FEILET"
    assert await notices(io, own) == [(SERVERFEIL, late)]
