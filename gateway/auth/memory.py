"""The gateway's memory: the configuration folded from the log, so that nobody has to be asked who may what."""

from __future__ import annotations

from uuid import UUID

from schemas.topics import TOPICS
from streams.domain.konfigurasjon import Configuration, Integrasjon, Konto, Mottakersystem


class Memory:
    """Follows ``fiks.konfigurasjon`` from its beginning. One a process; start it in the loop that asks."""

    def __init__(self, bootstrap: str, topic: str = "fiks.konfigurasjon") -> None:
        self._bootstrap = bootstrap
        self._topic = TOPICS[topic]
        self._configuration = Configuration()

    async def start(self) -> None:
        """Begin to read; returns at once. ``ready`` tells when the memory has caught up."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Read no more. What is folded can still be asked for."""
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """Whether everything is folded that was on the log at the start, and nothing waits that cannot be read."""
        raise NotImplementedError

    @property
    def staleness(self) -> float:
        """Seconds since the memory was last known to agree with the log; infinite before ``ready``."""
        raise NotImplementedError

    def integrasjon(self, integrasjon_id: UUID) -> Integrasjon | None:
        return self._configuration.integrasjoner.get(integrasjon_id)

    def konto(self, konto_id: UUID) -> Konto | None:
        return self._configuration.kontoer.get(konto_id)

    def has(self, integrasjon_id: UUID, ressurs_id: UUID, privilegium: str) -> bool:
        """Whether the integration holds the privilege on the resource."""
        return self._configuration.has(integrasjon_id, ressurs_id, privilegium)

    def mottakersystem(self, orgnr: str, forsendelsestype: str | None, niva: int) -> Mottakersystem | None:
        """The mottakersystem that takes forsendelser to ``orgnr`` of that type and level (3 or 4)."""
        return self._configuration.mottakersystem(orgnr, forsendelsestype, niva)
