"""What is decided about a command to Fiks Protokoll. Contract: fiks-io.md 5.

A system is configured by who holds ``FIKS.KONFIGURER`` on it, its own integration or an administrator; what that
integration itself may, and whether the system exists, is for administrators alone.
"""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from schemas.fiks_protokoll import (
    ProtokollForesporselFjernet,
    ProtokollKontoEndret,
    ProtokollKontoOpprettet,
    ProtokollKontoSlettet,
    ProtokollSystemEndret,
    ProtokollSystemOpprettet,
    ProtokollSystemSlettet,
    ProtokollTilgangFjernet,
    ProtokollTilgangForespurt,
    ProtokollTilgangGitt,
)
from schemas.fiks_protokoll_commands import (
    ChangeProtokollKonto,
    ChangeProtokollSystem,
    CreateProtokollKonto,
    CreateProtokollSystem,
    DeclineForesporsel,
    DeleteProtokollKonto,
    DeleteProtokollSystem,
    FiksProtokollCommand,
    GiveUpTilgang,
    GrantTilgang,
    OfSystem,
    RequestTilgang,
    RevokeTilgang,
    WithdrawForesporsel,
)
from schemas.konfigurasjon import Avslagsgrunn
from streams.domain.fiks_protokoll import KONFIGURER, TJENESTE, Tilgang
from streams.domain.konfigurasjon import Virksomhet
from streams.domain.rettigheter import ADMIN, holds

FOLLOWS: dict[type, type] = {
    CreateProtokollSystem: ProtokollSystemOpprettet,
    ChangeProtokollSystem: ProtokollSystemEndret,
    DeleteProtokollSystem: ProtokollSystemSlettet,
    CreateProtokollKonto: ProtokollKontoOpprettet,
    ChangeProtokollKonto: ProtokollKontoEndret,
    DeleteProtokollKonto: ProtokollKontoSlettet,
    GrantTilgang: ProtokollTilgangGitt,
    RevokeTilgang: ProtokollTilgangFjernet,
    DeclineForesporsel: ProtokollForesporselFjernet,
    RequestTilgang: ProtokollTilgangForespurt,
    WithdrawForesporsel: ProtokollForesporselFjernet,
    GiveUpTilgang: ProtokollTilgangFjernet,
}

FOR_ADMINISTRATORS = (CreateProtokollSystem, ChangeProtokollSystem, DeleteProtokollSystem)
"""The commands of which something, at least, is for administrators alone."""

Refused = tuple[Avslagsgrunn, str]


def what_follows(state: Virksomhet, command: FiksProtokollCommand) -> type:
    """The type of event that the command asks for: a request to who grants at once is granted."""
    if isinstance(command, RequestTilgang):
        system = state.protokoll.systemer.get(state.protokoll.kontoer[command.konto_id].system_id)
        return ProtokollTilgangGitt if system and system.automatisk_godkjenning else ProtokollTilgangForespurt
    return FOLLOWS[type(command)]


def has_system(state: Virksomhet, integrasjon_id: UUID) -> bool:
    """Whether the integration is that of a system, and lives as long as that does."""
    return any(one.integrasjon_id == integrasjon_id for one in state.protokoll.systemer.values())


def refusal(state: Virksomhet, command: FiksProtokollCommand) -> Refused | None:
    """Why the command is refused in this state; None when it is not."""
    if not _may(state, command):
        return Avslagsgrunn.IKKE_TILGANG, "Du kan ikke konfigurere dette i Fiks Protokoll"
    if (missing := _missing(state, command)) is not None:
        return Avslagsgrunn.FINNES_IKKE, missing
    match command:
        case CreateProtokollSystem() if _is_taken(state, command):
            return Avslagsgrunn.UGYLDIG, "Systemet eller integrasjonen finnes fra før"
        case CreateProtokollKonto() if command.konto_id in state.ressurser:
            return Avslagsgrunn.UGYLDIG, "Kontoen finnes fra før"
        case DeleteProtokollSystem() if _kontoer(state, command.system_id):
            return Avslagsgrunn.UGYLDIG, "Systemet har kontoer. Slett dem først"
        case GrantTilgang() | RequestTilgang() if (
            state.protokoll.kontoer[command.konto_id].system_id == command.system_id
        ):
            return Avslagsgrunn.UGYLDIG, "Systemet eier kontoen, og når den uansett"
        case _:
            return None


def _may(state: Virksomhet, command: FiksProtokollCommand) -> bool:
    if command.av in state.inaktive:
        return False
    if command.som_rot:
        return True
    match command:
        case CreateProtokollSystem():
            tjeneste = state.tjenester.get(TJENESTE)
            return holds(state, command.av, ADMIN, tjeneste.ressurs_id if tjeneste else command.fiks_org_id)
        case DeleteProtokollSystem():
            return holds(state, command.av, ADMIN, command.system_id)
        case ChangeProtokollSystem():
            by_person = command.orgnummer is not None or command.konfigureres_av_integrasjon is not None
            return holds(state, command.av, ADMIN if by_person else KONFIGURER, command.system_id)
        case CreateProtokollKonto():
            return holds(state, command.av, KONFIGURER, command.system_id)
        case ChangeProtokollKonto() | DeleteProtokollKonto() | GrantTilgang() | RevokeTilgang() | DeclineForesporsel():
            return holds(state, command.av, KONFIGURER, command.konto_id)
        case RequestTilgang() | WithdrawForesporsel() | GiveUpTilgang():
            own = command.system_id in state.protokoll.systemer
            return not own or holds(state, command.av, KONFIGURER, command.system_id)
        case _:
            assert_never(command)


def _missing(state: Virksomhet, command: FiksProtokollCommand) -> str | None:
    """What the command is about that does not exist."""
    if state.organisasjon is None:
        return "Organisasjonen finnes ikke"
    protokoll = state.protokoll
    match command:
        case CreateProtokollSystem():
            return None
        case ChangeProtokollSystem() | DeleteProtokollSystem() | CreateProtokollKonto():
            return None if command.system_id in protokoll.systemer else "Systemet finnes ikke"
        case _ if command.konto_id not in protokoll.kontoer:
            return "Kontoen finnes ikke"
        case RevokeTilgang() | GiveUpTilgang() if _between(state, command) is not Tilgang.GITT:
            return "Systemet har ikke tilgang til kontoen"
        case DeclineForesporsel() | WithdrawForesporsel() if _between(state, command) is not Tilgang.FORESPURT:
            return "Systemet har ikke bedt om tilgang til kontoen"
        case _:
            return None


def _is_taken(state: Virksomhet, command: CreateProtokollSystem) -> bool:
    return command.system_id in state.ressurser or command.integrasjon_id in state.integrasjoner


def _between(state: Virksomhet, command: RevokeTilgang | DeclineForesporsel | OfSystem) -> Tilgang | None:
    return state.protokoll.tilganger.get(command.konto_id, {}).get(command.system_id)


def _kontoer(state: Virksomhet, system_id: UUID) -> list[UUID]:
    return [id_ for id_, one in state.protokoll.kontoer.items() if one.system_id == system_id]
