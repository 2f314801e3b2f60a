"""What the claims of an access token prove, once its signature holds. Pure. Contract: auth.md 2.2, 2.3 and 3.

Never asks for ``aud`` (ordinary tokens have none), never looks at ``client_id``. A person is a person by issuer alone:
a Maskinporten token with a ``pid`` proves no login.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, TypeAlias

from streams.domain.errors import NotAuthenticated

SCOPE = "ks:fiks"
LEEWAY = 10.0
LEVELS = {"idporten-loa-high": 4, "Level4": 4, "idporten-loa-substantial": 3, "Level3": 3}
"""The level of login by ``acr``; what is not here is below 3."""
ACR = {3: "idporten-loa-substantial", 4: "idporten-loa-high"}
OF_ID_TOKENS = ("at_hash", "c_hash")

ISO6523 = "iso6523-actorid-upis"
ORGNR = re.compile(r"0192:([0-9]{9})", re.ASCII)
PID = re.compile(r"[0-9]{11}", re.ASCII)

Claims: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MachineToken:
    """From Maskinporten: the organisation ``consumer`` (orgnr) calls, through ``supplier`` where it was delegated."""

    consumer: str
    supplier: str | None
    expires: float


@dataclass(frozen=True, slots=True)
class PersonToken:
    """From ID-porten: the person ``pid`` has logged in at ``niva`` (4, 3, or None for less) with the client of
    ``consumer``, or of ``supplier`` on its behalf, where the token says so.
    """

    pid: str = field(repr=False)
    niva: int | None
    consumer: str | None
    supplier: str | None
    expires: float


AccessToken: TypeAlias = MachineToken | PersonToken


class NotNow(NotAuthenticated):
    """A token of the issuer's that does not hold now, or not for us. ``token`` is whose it is: for the record alone."""

    def __init__(self, fault: NotAuthenticated, token: AccessToken) -> None:
        super().__init__(str(fault))
        self.token = token


def read_machine(claims: Claims, now: float) -> MachineToken:
    """What a token of Maskinporten proves at ``now``. Raises NotAuthenticated."""
    token = MachineToken(_orgnr(claims.get("consumer")), _supplier(claims), _time(claims, "exp"))
    _require_current(token, claims, now)
    return token


def read_person(claims: Claims, now: float) -> PersonToken:
    """What a token of ID-porten proves at ``now``. Raises NotAuthenticated."""
    if any(name in claims for name in OF_ID_TOKENS):
        raise invalid("det er et id_token, ikke et access_token")
    pid = claims.get("pid")
    if not isinstance(pid, str) or not PID.fullmatch(pid):
        raise invalid("mangler pid")
    consumer, niva = _orgnr(claims["consumer"]) if "consumer" in claims else None, LEVELS.get(str(claims.get("acr")))
    token = PersonToken(pid, niva, consumer, _supplier(claims), _time(claims, "exp"))
    _require_current(token, claims, now)
    return token


def is_over(expires: float, now: float) -> bool:
    """Whether a token that expires then has expired, give or take what clocks differ."""
    return now >= expires + LEEWAY


def over(token: AccessToken) -> NotNow:
    """The answer to a token that has expired."""
    return NotNow(invalid("tokenet er utløpt"), token)


def invalid(reason: str) -> NotAuthenticated:
    """The answer to a token that does not hold. Contract: auth.md 7."""
    return NotAuthenticated(f"Klarte ikke å validere access_token: {reason}")


def _require_current(token: AccessToken, claims: Claims, now: float) -> None:
    """Raises NotAuthenticated when the token does not hold at ``now``, or not for us."""
    issued, begins, scope = _time(claims, "iat"), _time(claims, "nbf") if "nbf" in claims else now, claims.get("scope")
    if is_over(token.expires, now):
        raise over(token)
    if max(issued, begins) > now + LEEWAY:
        raise NotNow(invalid("tokenet gjelder ikke ennå"), token)
    if not isinstance(scope, str) or SCOPE not in scope.split(" "):
        raise NotNow(invalid(f"mangler scope {SCOPE}"), token)


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise invalid(f"mangler {name}")
    return value


def _supplier(claims: Claims) -> str | None:
    return _orgnr(claims["supplier"]) if "supplier" in claims else None


def _orgnr(party: Any) -> str:
    """The orgnr of a ``consumer`` or ``supplier``. Other authorities and forms are refused."""
    if isinstance(party, dict) and party.get("authority") == ISO6523 and isinstance(party.get("ID"), str):
        found = ORGNR.fullmatch(party["ID"])
        if found:
            return found[1]
    raise invalid("ukjent form på organisasjonen i tokenet")
