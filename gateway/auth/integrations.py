"""Whether a call is an integration's: id, password, and the organisation of the token. Contract: auth.md 4 and 7."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from gateway.auth.memory import Memory
from gateway.auth.passwords import Passwords
from streams.domain.errors import NotAuthenticated
from streams.domain.konfigurasjon import Integrasjon

ID, PASSORD = "IntegrasjonId", "IntegrasjonPassord"


class Integrations:
    """Tells integrations from strangers."""

    def __init__(self, memory: Memory, passwords: Passwords) -> None:
        self._memory, self._passwords = memory, passwords

    async def prove(self, headers: Mapping[str, str], orgnr: str | None) -> Integrasjon:
        """The integration that the request headers prove, called with a token of the organisation ``orgnr``.

        Raises NotAuthenticated; which of id, password and organisation was wrong it never says, nor lets be measured.
        """
        claimed = headers.get(ID, "").encode(errors="replace").decode()
        integrasjon = self._of_organisation(claimed, orgnr)
        # The password of another organisation's integration is not tried: how fast a right one is known would tell.
        if not await self._passwords.verify(integrasjon, headers.get(PASSORD, "")) or integrasjon is None:
            raise NotAuthenticated(f"Autentisering feilet for integrasjon med id {claimed}")
        return integrasjon

    def _of_organisation(self, claimed: str, orgnr: str | None) -> Integrasjon | None:
        try:
            integrasjon = self._memory.integrasjon(UUID(claimed))
        except ValueError:
            return None
        return integrasjon if integrasjon and integrasjon.autorisert_orgnr == orgnr else None
