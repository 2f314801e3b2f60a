"""What a client writes where an id belongs is not told on the log, over AMQP neither (see test_audit.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any, cast

import pytest

from gateway.amqp.access import Access
from gateway.amqp.faults import ConnectionFault
from gateway.audit import Auditor
from gateway.auth.claims import MachineToken
from gateway.auth.integrations import Integrations


class Log:
    def __init__(self) -> None:
        self.said: list[Any] = []

    async def append(self, event: object, _about: object) -> None:
        self.said.append(event)


class Memory:
    moment = 0

    def require(self) -> None: ...

    def integrasjon(self, _: object) -> None:
        return None

    async def has_moved_on(self, _: int) -> bool:
        return False


class Tokens:
    async def verify(self, _: str) -> MachineToken:
        return MachineToken("310992003", None, inf)


class Passwords:
    async def verify(self, *_: object) -> bool:
        return False


@pytest.mark.parametrize(
    "user", [b"hemmelig-passord", "hemmelig-påssord".encode(), "hemmelig-påssord".encode("latin-1")]
)
async def test_what_a_client_writes_as_its_name_is_not_told(user: bytes) -> None:
    """A vendor whose code swaps name and password, in ISO-8859-1 as its REST client has it (findings 5)."""
    log, memory = Log(), Memory()
    auditor = Auditor(cast(Any, log), cast(Any, memory), lambda: datetime.now(UTC))
    access = Access(
        cast(Any, memory), cast(Any, Tokens()), Integrations(cast(Any, memory), cast(Any, Passwords())), auditor
    )
    with pytest.raises(ConnectionFault):
        await access.login(user, b"passord token")
    [event] = log.said
    assert "hemmelig" not in event.grunn
