"""Who calls, once it is proved. Contract: auth.md 1."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aiohttp.web import RequestKey


@dataclass(frozen=True, slots=True)
class Principal:
    """An integration whose token, id and password were checked.

    ``orgnr`` is the organisation of the token (the vendor, as a rule), ``fiks_org_id`` the one that owns the
    integration, ``leverandor`` the orgnr of the supplier that really called, where the token was delegated.
    """

    integrasjon_id: UUID
    fiks_org_id: UUID
    orgnr: str
    leverandor: str | None = None

    @property
    def actor(self) -> str:
        """How the log names who did it."""
        return f"integrasjon:{self.integrasjon_id}"


PRINCIPAL = RequestKey("principal", Principal)
"""``request[PRINCIPAL]``: set before a handler runs, except on routes that are open to all."""
