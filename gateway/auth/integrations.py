"""Who an integration is: token, id and password together. Contract: auth.md 1, 4 and 7, svarut.md 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from gateway.auth.demands import Caller
from gateway.auth.memory import Memory
from gateway.auth.passwords import Passwords
from gateway.auth.principal import Principal
from gateway.auth.tokens import Tokens
from streams.domain.errors import NotAuthenticated, Unavailable
from streams.domain.konfigurasjon import Integrasjon


class Integrations:
    """Tells integrations from strangers."""

    def __init__(self, memory: Memory, tokens: Tokens, passwords: Passwords) -> None:
        self._memory, self._tokens, self._passwords = memory, tokens, passwords

    async def identify(self, headers: Mapping[str, str]) -> Principal:
        """The integration that the request headers prove.

        Raises NotAuthenticated; which of id, password and organisation was wrong it never says, nor lets be measured.
        Raises Unavailable while that cannot be known.
        """
        if not self._memory.ready:
            raise Unavailable("Tjenesten starter og kjenner ikke konfigurasjonen sin ennå")
        token = await self._tokens.verify(_bearer(headers))
        claimed = headers.get("IntegrasjonId", "").encode(errors="replace").decode()
        passord = headers.get("IntegrasjonPassord", "")
        integrasjon = self._of_organisation(claimed, token.consumer)
        # The password of another organisation's integration is not tried: how fast a right one is known would tell.
        if not await self._passwords.verify(integrasjon, passord) or integrasjon is None:
            raise NotAuthenticated(f"Autentisering feilet for integrasjon med id {claimed}")
        return Principal(
            Caller.INTEGRATION,
            integrasjon_id=integrasjon.id,
            fiks_org_id=integrasjon.fiks_org_id,
            orgnr=token.consumer,
            leverandor=token.supplier,
        )

    def _of_organisation(self, claimed: str, orgnr: str) -> Integrasjon | None:
        try:
            integrasjon = self._memory.integrasjon(UUID(claimed))
        except ValueError:
            return None
        return integrasjon if integrasjon and integrasjon.autorisert_orgnr == orgnr else None


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("Klarte ikke å validere access_token: kallet har ikke noe token i Authorization: Bearer")
    return token.strip()
