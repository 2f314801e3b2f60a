"""Who calls, once it is proved. Contract: auth.md 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from aiohttp.web import RequestKey

from gateway.auth.demands import Caller
from schemas.audit import Arsak
from schemas.envelope import By
from streams.domain.errors import NotAuthenticated


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom the door let through, as which kind of caller. Each field is None where that kind does not have it.

    ``pid`` is the fødselsnummer or d-number of who has logged in, at ``niva`` (3 or 4); ``person`` is how the log names
    that person. ``orgnr`` is the organisation of the token (its consumer: the vendor, as a rule), ``leverandor`` the
    orgnr of the supplier that really called, where the token was delegated. ``fiks_org_id`` owns the integration.
    ``on_behalf_of`` is the orgnr that the person acts for.
    """

    caller: Caller
    pid: str | None = field(default=None, repr=False)
    person: str | None = None
    niva: int | None = None
    integrasjon_id: UUID | None = None
    fiks_org_id: UUID | None = None
    orgnr: str | None = None
    leverandor: str | None = None
    on_behalf_of: str | None = None

    @property
    def actor(self) -> str:
        """How the log names who did it: the person, or else the integration."""
        return self.person or self.integrasjon

    @property
    def on_whose_behalf(self) -> str | None:
        """The orgnr that the call is made for. That of a person's token only owns the client they logged in by."""
        return self.orgnr if self.caller is Caller.INTEGRATION else self.on_behalf_of

    @property
    def by(self) -> By:
        """Who did it and how they came in, as the envelope says it."""
        through = self.integrasjon if self.person is not None and self.integrasjon_id is not None else None
        return By(self.actor, self.on_whose_behalf, self.leverandor, self.niva, through)

    @property
    def integrasjon(self) -> str:
        """How the log names the integration."""
        return f"integrasjon:{self.integrasjon_id}"

    @property
    def holder(self) -> str:
        """Whose privileges count: the integration's, also when a person calls through it; else the person's own."""
        return self.actor if self.integrasjon_id is None else self.integrasjon

    @property
    def holders(self) -> tuple[str, ...]:
        """All whose privileges count where those of a manager through an integration do: each must hold them."""
        return tuple(dict.fromkeys((self.holder, self.actor)))


class NotProved(NotAuthenticated):
    """The token holds, and ``shown`` is all that it proves: not who calls. ``arsak`` is for the record alone."""

    def __init__(self, fault: str, shown: Principal, arsak: Arsak | None = None) -> None:
        super().__init__(fault)
        self.shown, self.arsak = shown, arsak


PRINCIPAL = RequestKey("principal", Principal)
"""``request[PRINCIPAL]``: set before a handler runs, except on routes that are open to all."""

LEGAL_BASIS = RequestKey("legal_basis", str)
"""``request[LEGAL_BASIS]``: the law by which the call is made; set where the caller named one."""
