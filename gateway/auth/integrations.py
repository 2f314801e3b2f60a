"""Whether a call is an integration's: id, password, and the organisation of the token. Contract: auth.md 4 and 7."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from gateway.auth.memory import Memory
from gateway.auth.passwords import Passwords
from gateway.auth.principal import NotProved, Principal
from schemas.audit import Arsak
from streams.domain.konfigurasjon import Integrasjon

ID, PASSORD = "IntegrasjonId", "IntegrasjonPassord"


class Integrations:
    """Tells integrations from strangers."""

    def __init__(self, memory: Memory, passwords: Passwords) -> None:
        self._memory, self._passwords = memory, passwords

    async def prove(self, headers: Mapping[str, str], shown: Principal) -> Integrasjon:
        """The integration that the request headers prove, called with a token that proves ``shown``.

        Raises NotProved; which of id, password and organisation was wrong its text never says, nor can it be measured.
        """
        moment = self._memory.moment
        try:
            return await self._proved(headers, shown)
        except NotProved:
            if not await self._memory.has_moved_on(moment):
                raise
        return await self._proved(headers, shown)

    async def _proved(self, headers: Mapping[str, str], shown: Principal) -> Integrasjon:
        claimed = headers.get(ID, "").encode(errors="replace").decode()
        integrasjon, arsak = self._claimed(claimed), Arsak.FEIL_PASSORD
        if integrasjon is None:
            arsak = Arsak.UKJENT_INTEGRASJON
        elif integrasjon.autorisert_orgnr != shown.orgnr:
            # Its password is not tried: how fast a right one is known would tell.
            integrasjon, arsak = None, Arsak.ANNEN_ORGANISASJON
        claim = f"{claimed} {shown.orgnr}"
        if not await self._passwords.verify(integrasjon, headers.get(PASSORD, ""), claim) or integrasjon is None:
            raise NotProved(f"Autentisering feilet for integrasjon med id {claimed}", shown, arsak)
        return integrasjon

    def _claimed(self, claimed: str) -> Integrasjon | None:
        try:
            return self._memory.integrasjon(UUID(claimed))
        except ValueError:
            return None
