"""The gateway's memory: the configuration folded from the log, so that nobody has to be asked who may what."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

from aiohttp.web import AppKey

from gateway.auth.follower import Follower, Record
from infra.logs import logger
from schemas.codec import decode
from schemas.errors import Unreadable
from schemas.topics import TOPICS, Topic
from streams.domain.konfigurasjon import Configuration, Integrasjon, KonfigurasjonEvent, Konto, Mottakersystem, evolve

log = logger(__name__)

FOLDED: dict[str, type[KonfigurasjonEvent]] = {cls.__name__: cls for cls in get_args(KonfigurasjonEvent)}


class Memory:
    """Follows ``fiks.konfigurasjon`` from its beginning. One a process; start it in the loop that asks.

    It goes on answering from what it knows while the broker is away; ``staleness`` then grows.
    """

    def __init__(self, bootstrap: str, topic: Topic = TOPICS["fiks.konfigurasjon"]) -> None:
        self.configuration = Configuration()
        self._follower = Follower(bootstrap, topic, self._receive)
        self._skipped: set[str] = set()

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

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        """The integration of that id."""
        return self.configuration.integrasjoner.get(integrasjon_id)

    def konto(self, konto_id: UUID) -> Konto | None:
        """The account of that id."""
        return self.configuration.kontoer.get(konto_id)

    def may(self, aktor: str, privilegium: str, ressurs_id: UUID) -> bool:
        """Whether the integration (``integrasjon:<id>``) holds the privilege on the resource."""
        kind, _, id_ = aktor.partition(":")
        return kind == "integrasjon" and self.configuration.has(UUID(id_), ressurs_id, privilegium)

    def mottakersystem(self, orgnr: str, forsendelsestype: str | None, niva: int) -> Mottakersystem | None:
        """The mottakersystem that takes forsendelser to ``orgnr`` of that type and level (3 or 4)."""
        return self.configuration.mottakersystem(orgnr, forsendelsestype, niva)

    def _receive(self, record: Record) -> None:
        try:
            event = self._read(record)
        except Unreadable as fault:
            at = f"{record.topic}/{record.partition}/{record.offset}"
            log.error("an event of the configuration can never be read", at=at, fault=str(fault))
            return
        if event is not None:
            self.configuration = evolve(self.configuration, event)

    def _read(self, record: Record) -> KonfigurasjonEvent | None:
        """The event in the record, None if it is of no type that the memory folds. Raises as ``decode`` does."""
        name = dict(record.headers).get("ce_type", b"").decode(errors="replace")
        if name not in FOLDED:
            if name not in self._skipped:
                self._skipped.add(name)
                log.warning("the memory does not fold this type of event", type=name)
            return None
        event = decode(record.value)
        if not isinstance(event, FOLDED[name]):
            raise Unreadable(f"it calls itself {name}, but is {type(event).__name__}")
        return event


MEMORY = AppKey("memory", Memory)
"""``app[MEMORY]``: where handlers find it."""
