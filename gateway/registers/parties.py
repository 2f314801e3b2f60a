"""What Altinn 3 answers about whom a person may act for, read. Pure. Contract: auth.md 5.

A right counts where it is written and nowhere else: not a parent's for its subunits, nor theirs for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

ROLE = "urn:altinn:rolecode:"
MAIL_ROLES = frozenset({"a0236", "komab"})
"""Post/arkiv and Kommunale tjenester: who holds one of them may act for the organisation in Fiks."""


class AuthorizedParty(msgspec.Struct, rename="camel", frozen=True):
    """A party as Altinn tells of it. What takes a right away is demanded: an answer without it is not guessed at."""

    is_deleted: bool
    only_hierarchy_element_with_no_access: bool
    name: str | None = None
    organization_number: str | None = None
    person_id: str | None = None
    authorized_resources: tuple[str, ...] | None = None
    authorized_roles: tuple[str, ...] | None = None
    subunits: tuple[AuthorizedParty, ...] | None = None


class Party(NamedTuple):
    """Somebody that a person has access to: an organisation (orgnr) or a person (pid). ``roles`` are in lower case."""

    number: str
    name: str
    is_organisation: bool
    roles: frozenset[str]
    resources: frozenset[str]

    @property
    def takes_mail(self) -> bool:
        """Whether the roles on it are those by which one may act for an organisation."""
        return self.is_organisation and not self.roles.isdisjoint(MAIL_ROLES)


def read_parties(answer: object) -> dict[str, Party]:
    """The parties of an answer by number, subunits among them; not those that are deleted or there only as a parent.

    Raises msgspec.ValidationError or RecursionError when the answer is not of the shape that Altinn has described.
    """
    found: dict[str, Party] = {}
    for party in _all(msgspec.convert(answer, tuple[AuthorizedParty, ...])):
        if (read := _read(party)) is not None:
            found[read.number] = _joined(read, found.get(read.number))
    return found


def _all(parties: Iterable[AuthorizedParty]) -> Iterator[AuthorizedParty]:
    for party in parties:
        yield party
        yield from _all(party.subunits or ())


def _read(party: AuthorizedParty) -> Party | None:
    number = party.organization_number or party.person_id
    if not number or party.is_deleted or party.only_hierarchy_element_with_no_access:
        return None
    roles = frozenset(role.lower().removeprefix(ROLE) for role in party.authorized_roles or ())
    resources = frozenset(party.authorized_resources or ())
    return Party(number, party.name or "", bool(party.organization_number), roles, resources)


def _joined(one: Party, other: Party | None) -> Party:
    """An organisation may stand in several places: then all that is written of it counts."""
    if other is None:
        return one
    return other._replace(roles=one.roles | other.roles, resources=one.resources | other.resources)
