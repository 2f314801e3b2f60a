"""The gateway's memory: the configuration folded from the log, so that nobody has to be asked who may what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args
from uuid import UUID

from aiohttp.web import AppKey

from gateway.auth.follower import Follower, Record
from infra.logs import logger
from schemas.codec import decode
from schemas.errors import Unreadable
from schemas.konfigurasjon import PersonEndret, PersonRegistrert
from schemas.konfigurasjon_commands import Command
from schemas.topics import TOPICS, Topic
from streams.domain.configuration import Configuration
from streams.domain.konfigurasjon import Integrasjon, KonfigurasjonEvent, Mottakersystem, Organisasjon, Ressurs

log = logger(__name__)

FOLDED: dict[str, type] = {cls.__name__: cls for cls in (*get_args(KonfigurasjonEvent), PersonRegistrert, PersonEndret)}
COMMANDS = {cls.__name__.encode() for cls in get_args(Command)}
"""Types that lie on the topic for those who decide; here only what was decided matters."""


class Memory:
    """Follows ``fiks.konfigurasjon`` from its beginning. One a process; start it in the loop that asks.

    It goes on answering from what it knows while the broker is away; ``staleness`` then grows.
    """

    def __init__(self, bootstrap: str, topic: Topic = TOPICS["fiks.konfigurasjon"]) -> None:
        self.configuration = Configuration()
        self._follower = Follower(bootstrap, topic, self._receive)
        self._skipped: set[str] = set()
        self._expected: dict[bytes, asyncio.Future[Any]] = {}

    async def start(self) -> None:
        """Begin to read; returns at once. ``ready`` tells when the memory has caught up."""
        self._follower.start()

    async def stop(self) -> None:
        """Read no more. What is folded can still be asked for."""
        await self._follower.stop()

    @property
    def ready(self) -> bool:
        """Whether everything is folded that was on the log at the start, and nothing waits for a newer release."""
        return self._follower.caught_up

    @property
    def staleness(self) -> float:
        """Seconds since the memory was last known to agree with the log; infinite before it ever did."""
        return self._follower.staleness

    def organisasjon(self, fiks_org_id: UUID) -> Organisasjon | None:
        """The organisation of that id."""
        return self.configuration.virksomhet(fiks_org_id).organisasjon

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        """The integration of that id, unless it is deleted."""
        return self.configuration.integrasjon(integrasjon_id)

    def ressurs(self, ressurs_id: UUID) -> Ressurs | None:
        """The resource of that id: an organisation, a service, an account, or what an organisation made below."""
        return self.configuration.ressurs(ressurs_id)

    def may(self, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
        """Whether the actor holds the privilege on the resource, by whatever way."""
        return self.configuration.may(aktor, privilegium, ressurs_id)

    def mottakersystem(self, orgnr: str, forsendelsestype: str | None, niva: int) -> Mottakersystem | None:
        """The mottakersystem that takes forsendelser to ``orgnr`` of that type and level (3 or 4)."""
        return self.configuration.mottakersystem(orgnr, forsendelsestype, niva)

    @asynccontextmanager
    async def expecting(self, event_id: str) -> AsyncIterator[asyncio.Future[Any]]:
        """What follows from the event ``event_id``, which is appended inside: done once it is folded here.

        Of a command that is what was decided about it, of a fact the fact itself.
        """
        outcome = self._expected[event_id.encode()] = asyncio.get_running_loop().create_future()
        try:
            yield outcome
        finally:
            del self._expected[event_id.encode()]

    def _receive(self, record: Record) -> None:
        name = next((value for name, value in record.headers if name == "ce_type"), b"")
        if name in COMMANDS:
            return
        try:
            event = self._read(record, name.decode(errors="replace"))
            if event is None:
                return
            headers = dict(record.headers)
            cause = None if (said := headers.get("cause")) is None else _offset(said)
        except Unreadable as fault:
            at = f"{record.topic}/{record.partition}/{record.offset}"
            log.error("an event of the configuration can never be read", at=at, fault=str(fault))
            return
        counts = self.configuration.meet(event, cause, record.offset)
        outcome = self._expected.get(headers.get("ce_causationid") or headers.get("ce_id", b""))
        if counts and outcome is not None and not outcome.done():
            outcome.set_result(event)

    def _read(self, record: Record, name: str) -> Any | None:
        """The event in the record, None if ``name`` is no type that the memory folds. Raises as ``decode`` does."""
        if name not in FOLDED:
            if name not in self._skipped:
                self._skipped.add(name)
                log.warning("the memory does not fold this type of event", type=name)
            return None
        event = decode(record.value)
        if not isinstance(event, FOLDED[name]):
            raise Unreadable(f"it calls itself {name}, but is {type(event).__name__}")
        return event


def _offset(cause: bytes) -> int:
    try:
        return int(cause)
    except ValueError:
        raise Unreadable("the header cause is no offset") from None


MEMORY = AppKey("memory", Memory)
"""``app[MEMORY]``: where handlers find it."""
