"""What there is of Fiks Protokoll in the whole configuration, and what an organisation sees of it.

A system and its accounts are seen by its own organisation, and by all others once it is ``offentlig``. Whatever it is,
they see each other where one asks, or may send to, an account of the other's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from streams.domain.configuration import Configuration
from streams.domain.fiks_protokoll import ProtokollKonto, ProtokollSystem, Tilgang
from streams.domain.konfigurasjon import Ressurs


class System(NamedTuple):
    """A system: its resource, and what is set of it."""

    ressurs: Ressurs
    satt: ProtokollSystem


class Konto(NamedTuple):
    """An account: its resource, and what is set of it."""

    ressurs: Ressurs
    satt: ProtokollKonto


def system_of(configuration: Configuration, system_id: UUID) -> System | None:
    """The system of that id."""
    ressurs, satt = configuration.ressurs(system_id), configuration.protokollsystem(system_id)
    return System(ressurs, satt) if ressurs and satt else None


def konto_of(configuration: Configuration, konto_id: UUID) -> Konto | None:
    """The account of that id."""
    ressurs, satt = configuration.ressurs(konto_id), configuration.protokollkonto(konto_id)
    return Konto(ressurs, satt) if ressurs and satt else None


def systemer(configuration: Configuration) -> Iterator[System]:
    """Every system."""
    ids = (id_ for one in configuration.virksomheter.values() for id_ in one.protokoll.systemer)
    return (found for id_ in ids if (found := system_of(configuration, id_)))


def kontoer(configuration: Configuration) -> Iterator[Konto]:
    """Every account."""
    ids = (id_ for one in configuration.virksomheter.values() for id_ in one.protokoll.kontoer)
    return (found for id_ in ids if (found := konto_of(configuration, id_)))


def kontoer_of(configuration: Configuration, system: System) -> list[Konto]:
    """The accounts of the system."""
    known = configuration.virksomhet(system.ressurs.fiks_org_id).protokoll.kontoer
    ids = [id_ for id_, one in known.items() if one.system_id == system.ressurs.id]
    return [found for id_ in ids if (found := konto_of(configuration, id_))]


def between(configuration: Configuration, system_id: UUID, tilgang: Tilgang) -> list[Konto]:
    """The accounts, of whatever organisation, with which the system has that."""
    ids = (
        konto_id
        for one in configuration.virksomheter.values()
        for konto_id, by in one.protokoll.tilganger.items()
        if by.get(system_id) is tilgang
    )
    return [found for id_ in ids if (found := konto_of(configuration, id_))]


def sees(configuration: Configuration, fiks_org_id: UUID, system: System) -> bool:
    """Whether the organisation sees the system and its accounts."""
    if system.ressurs.fiks_org_id == fiks_org_id or system.satt.offentlig:
        return True
    own = configuration.virksomhet(fiks_org_id).protokoll
    theirs = (configuration.protokolltilganger(one.ressurs.id) for one in kontoer_of(configuration, system))
    return any(system.ressurs.id in own.tilganger.get(id_, {}) for id_ in own.kontoer) or any(
        own.systemer.keys() & by.keys() for by in theirs
    )


def is_hidden(configuration: Configuration, fiks_org_id: UUID, konto_id: UUID) -> bool:
    """Whether it is an account of a system that the organisation does not see; a plain one of Fiks IO never is."""
    satt = configuration.protokollkonto(konto_id)
    if satt is None:
        return False
    system = system_of(configuration, satt.system_id)
    return system is None or not sees(configuration, fiks_org_id, system)


def offers(configuration: Configuration, fiks_org_id: UUID) -> Iterator[System]:
    """The systems that the organisation finds when it searches: its own, and those that are ``offentlig``."""
    return (one for one in systemer(configuration) if one.satt.offentlig or one.ressurs.fiks_org_id == fiks_org_id)
