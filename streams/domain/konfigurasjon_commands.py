"""What is decided about a command: the event that it asks for, or its refusal. Contract: auth.md 6.3, administrator.

Whoever asks must administrate the resource concerned at this place in the log, so a right that was lost earlier in the
log gives nothing. What spans organisations is decided by the stream of ROOT in the same way. Who has an administrator
keeps one: only root takes the last of an organisation, and nobody the last of ROOT.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args
from uuid import UUID

import msgspec

from schemas.fiks_io_konto_commands import AdresseCommand, FiksIoKontoCommand
from schemas.fiks_protokoll_commands import FiksProtokollCommand
from schemas.konfigurasjon import (
    ROOT,
    AktorAktivert,
    AktorDeaktivert,
    Avslagsgrunn,
    FakturaEndret,
    GlobalIntegrasjonEndret,
    IntegrasjonEndret,
    IntegrasjonOpprettet,
    IntegrasjonSlettet,
    KommandoAvvist,
    KontoEndret,
    KontoOpprettet,
    KontoSlettet,
    KontoTagFjernet,
    KontoTagget,
    OrganisasjonEndret,
    OrganisasjonOpprettet,
    OrganisasjonsnummerTildelt,
    PassordLaget,
    PersonopplysningerEndret,
    PersonOpprettet,
    PrivilegieTildelt,
    PrivilegieTrukketTilbake,
    RessursEndret,
    RessursFrakoblet,
    RessursOpprettet,
    RessursTilknyttet,
    TjenesteInitialisert,
    TjenesteKonfigurert,
    TypePrivilegieTildelt,
    TypePrivilegieTrukketTilbake,
)
from schemas.konfigurasjon_commands import (
    ActivateAktor,
    AttachRessurs,
    ChangeFaktura,
    ChangeGlobalIntegrasjon,
    ChangeIntegrasjon,
    ChangeOrganisasjon,
    ChangePerson,
    ClaimOrganisasjonsnummer,
    Command,
    ConfigureTjeneste,
    CreateIntegrasjon,
    CreateKonto,
    CreateOrganisasjon,
    CreatePerson,
    CreateRessurs,
    DeactivateAktor,
    DeleteIntegrasjon,
    DeleteKonto,
    DetachRessurs,
    GrantPrivilegium,
    GrantTypePrivilegium,
    InitialiseTjeneste,
    KontoCommand,
    MakePassord,
    RenameKonto,
    RenameRessurs,
    RevokePrivilegium,
    RevokeTypePrivilegium,
    TagKonto,
    UntagKonto,
)
from streams.domain import fiks_io_konto_commands, fiks_protokoll_commands
from streams.domain.decider import Decider
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_konto import KONFIGURERE
from streams.domain.fiks_protokoll import KONFIGURER
from streams.domain.konfigurasjon import ORGANISASJON, KonfigurasjonEvent, Konto, Virksomhet, integrasjon_aktor
from streams.domain.konfigurasjon import evolve as evolve_virksomhet
from streams.domain.rettigheter import (
    ADMIN,
    administrates_person,
    administrates_something,
    administrators,
    holds,
)

FOLLOWS: dict[type, type] = {
    CreateOrganisasjon: OrganisasjonOpprettet,
    ChangeOrganisasjon: OrganisasjonEndret,
    ClaimOrganisasjonsnummer: OrganisasjonsnummerTildelt,
    ChangeFaktura: FakturaEndret,
    InitialiseTjeneste: TjenesteInitialisert,
    ConfigureTjeneste: TjenesteKonfigurert,
    CreateRessurs: RessursOpprettet,
    RenameRessurs: RessursEndret,
    CreateIntegrasjon: IntegrasjonOpprettet,
    ChangeIntegrasjon: IntegrasjonEndret,
    DeleteIntegrasjon: IntegrasjonSlettet,
    MakePassord: PassordLaget,
    AttachRessurs: RessursTilknyttet,
    DetachRessurs: RessursFrakoblet,
    ChangeGlobalIntegrasjon: GlobalIntegrasjonEndret,
    GrantPrivilegium: PrivilegieTildelt,
    RevokePrivilegium: PrivilegieTrukketTilbake,
    GrantTypePrivilegium: TypePrivilegieTildelt,
    RevokeTypePrivilegium: TypePrivilegieTrukketTilbake,
    ActivateAktor: AktorAktivert,
    DeactivateAktor: AktorDeaktivert,
    CreatePerson: PersonOpprettet,
    ChangePerson: PersonopplysningerEndret,
    CreateKonto: KontoOpprettet,
    RenameKonto: KontoEndret,
    TagKonto: KontoTagget,
    UntagKonto: KontoTagFjernet,
    DeleteKonto: KontoSlettet,
    **fiks_io_konto_commands.FOLLOWS,
    **fiks_protokoll_commands.FOLLOWS,
}
"""The event that each command asks for. It has the command's fields but for who asked."""

IN_ROOT = (ClaimOrganisasjonsnummer, ChangeGlobalIntegrasjon, GrantTypePrivilegium, RevokeTypePrivilegium)
OF_INTEGRASJON = (ChangeIntegrasjon, DeleteIntegrasjon, MakePassord)
OF_ROOT = (
    *IN_ROOT,
    *OF_INTEGRASJON,
    CreateRessurs,
    GrantPrivilegium,
    RevokePrivilegium,
    ActivateAktor,
    DeactivateAktor,
    CreatePerson,
    ChangePerson,
)
"""What there is to decide in the stream of ROOT, which is no organisation."""
OF_RESSURS = (RenameRessurs, GrantPrivilegium, RevokePrivilegium, AttachRessurs)
AktorCommand = GrantPrivilegium | RevokePrivilegium | ActivateAktor | DeactivateAktor
GAINING = (RenameRessurs, GrantPrivilegium, AttachRessurs)
"""What is not done on an account that is closed. What was gained before can be taken back."""

LIES_BELOW = {
    "SVARUT": ORGANISASJON,
    "SVARUT_KONTO": "SVARUT",
    "FIKS_IO": ORGANISASJON,
    "FIKS_IO_KONTO": "FIKS_IO",
    "FIKS_PROTOKOLL": ORGANISASJON,
    "FIKS_PROTOKOLL_SYSTEM": "FIKS_PROTOKOLL",
    "DOKUMENTLAGER": ORGANISASJON,
    "DOKUMENTLAGER_KONTO": "DOKUMENTLAGER",
    "INNSYN": ORGANISASJON,
    "MATRIKKEL": ORGANISASJON,
}
"""The type of resource below which one of each type is made. A service has one in an organisation. The contract
(auth.md 6.3) has a tree and does not say more; what was made elsewhere in it before stays there.
"""

MADE_ELSEWHERE = {"FIKS_IO_KONTO", "FIKS_PROTOKOLL_SYSTEM"}
"""Types of resources of which their service must know more than a resource tells: without it they could not be used."""
MOST_TAGS = 10
"""Of an account. Contract: dokumentlager.md 3.2."""

Refused = tuple[Avslagsgrunn, str]


def privilege(command: type) -> str:
    """What whoever asks must hold on the resource concerned."""
    if issubclass(command, FiksProtokollCommand) and command not in fiks_protokoll_commands.FOR_ADMINISTRATORS:
        return KONFIGURER
    return KONFIGURERE if issubclass(command, FiksIoKontoCommand) else ADMIN


def react(state: Virksomhet, event: Command | KonfigurasjonEvent, _time: datetime) -> Any | None:
    """What is decided because of an event: something about every command, nothing about anything else."""
    if not isinstance(event, get_args(Command)):
        return None
    if (refused := refusal(state, event)) is not None:
        grunn, melding = refused
        return KommandoAvvist(fiks_org_id=event.fiks_org_id, grunn=grunn, melding=melding)
    return _followed(state, event)


def _followed(state: Virksomhet, command: Any) -> Any:
    """The event that the command asks for."""
    said = msgspec.structs.asdict(command)
    if isinstance(command, InitialiseTjeneste) and (of_service := _of_service(state, command)) is not None:
        said["ressurs_id"] = of_service
    of_protokoll = isinstance(command, FiksProtokollCommand)
    follows = fiks_protokoll_commands.what_follows(state, command) if of_protokoll else FOLLOWS[type(command)]
    return follows(**{name: value for name, value in said.items() if name not in ("av", "som_rot")})


def _of_service(state: Virksomhet, command: InitialiseTjeneste) -> UUID | None:
    """The resource that the service has, or that was made for it before it was initialised."""
    if (known := state.tjenester.get(command.tjeneste)) is not None:
        return known.ressurs_id
    return _at_the_top(state, command.ressurstype)


def _at_the_top(state: Virksomhet, kind: str) -> UUID | None:
    """The first resource of the type directly below the organisation."""
    return next((one.id for one in state.ressurser.values() if one.type == kind and len(one.sti) == 2), None)


def refusal(state: Virksomhet, command: Command) -> Refused | None:
    """Why the command is refused in this state; None when it is not."""
    if isinstance(command, CreateOrganisasjon):
        return _refused_organisasjon(state, command)
    if isinstance(command, FiksIoKontoCommand | AdresseCommand):
        return fiks_io_konto_commands.refusal(state, command)
    if isinstance(command, FiksProtokollCommand):
        return fiks_protokoll_commands.refusal(state, command)
    if isinstance(command, IN_ROOT) and command.fiks_org_id != ROOT:
        return Avslagsgrunn.UGYLDIG, "Dette kan bare gjøres på tvers av organisasjoner"
    on = _administered(state, command)
    if not _administrates(state, command, on):
        return Avslagsgrunn.IKKE_TILGANG, f"Du er ikke administrator for ressursen {on}"
    return _refused_by_rule(state, command)


def _refused_organisasjon(state: Virksomhet, command: CreateOrganisasjon) -> Refused | None:
    if not command.som_rot:
        return Avslagsgrunn.IKKE_TILGANG, "Bare rotadministratorer kan opprette organisasjoner"
    if state.organisasjon is not None or command.fiks_org_id == ROOT:
        return Avslagsgrunn.UGYLDIG, "Organisasjonen finnes fra før"
    return None


def _administered(state: Virksomhet, command: Command) -> UUID:
    """The resource that whoever asks must administrate."""
    match command:
        case GrantPrivilegium() | RevokePrivilegium() | RenameRessurs() | AttachRessurs() | DetachRessurs():
            return command.ressurs_id
        case CreateRessurs():
            return command.forelder_id
        case RenameKonto() | TagKonto() | UntagKonto() | DeleteKonto():
            return command.konto_id
        case CreateKonto(for_konto_id=UUID() as owner):
            return owner
        case CreateKonto() | ConfigureTjeneste():
            known = state.tjenester.get(command.tjeneste)
            return known.ressurs_id if known else command.fiks_org_id
        case _:
            return command.fiks_org_id


def _administrates(state: Virksomhet, command: Command, ressurs_id: UUID) -> bool:
    if command.av in state.inaktive:
        return False
    if command.fiks_org_id != ROOT and command.som_rot:
        return True
    match command:
        case CreatePerson():
            return administrates_something(state, command.av)
        case CreateKonto(for_konto_id=UUID()):
            return holds(state, command.av, KONFIGURERE, ressurs_id)
        case ChangePerson():
            return administrates_person(state, command.fiks_org_id, command.av, command.aktor)
        case _:
            return holds(state, command.av, ADMIN, ressurs_id)


def _refused_by_rule(state: Virksomhet, command: Command) -> Refused | None:
    """Why it cannot be done by anybody, or not by this administrator."""
    if (missing := _missing(state, command)) is not None:
        return Avslagsgrunn.FINNES_IKKE, missing
    if isinstance(command, DeleteIntegrasjon) and fiks_protokoll_commands.has_system(state, command.integrasjon_id):
        return Avslagsgrunn.UGYLDIG, "Integrasjonen hører til et system i Fiks Protokoll, og slettes med det"
    if isinstance(command, KontoCommand):
        return _refused_konto(state, command)
    if isinstance(command, AktorCommand):
        return _refused_aktor(state, command)
    match command:
        case CreateRessurs():
            return _refused_ressurs(state, command)
        case CreateIntegrasjon() if command.integrasjon_id in state.integrasjoner:
            return Avslagsgrunn.UGYLDIG, "Integrasjonen finnes fra før"
        case ConfigureTjeneste() if command.tjeneste not in state.tjenester:
            return Avslagsgrunn.UGYLDIG, f"Tjenesten {command.tjeneste} må initialiseres før den konfigureres"
        case ChangeOrganisasjon() if not command.som_rot and _for_root_alone(state, command):
            return Avslagsgrunn.IKKE_TILGANG, "Bare rotadministratorer kan endre orgnr, kommunenr, synlig og intern"
        case ClaimOrganisasjonsnummer(eier_id=own) if state.organisasjonsnumre.get(command.orgnr, own) != own:
            return Avslagsgrunn.UGYLDIG, "Organisasjonsnummeret er i bruk av en annen organisasjon"
        case ChangeGlobalIntegrasjon() if _kode_is_taken(state, command):
            return Avslagsgrunn.UGYLDIG, f"Koden {command.kode} er i bruk av en annen integrasjon"
        case _:
            return None


def _refused_aktor(state: Virksomhet, command: AktorCommand) -> Refused | None:
    match command:
        case ActivateAktor() | DeactivateAktor() if _is_deleted(state, command.aktor):
            return Avslagsgrunn.UGYLDIG, "Integrasjonen finnes ikke"
        case GrantPrivilegium() if command.aktor in state.inaktive:
            return Avslagsgrunn.UGYLDIG, "Aktøren er deaktivert i organisasjonen"
        case RevokePrivilegium() | DeactivateAktor() if _locks_out(state, command):
            return Avslagsgrunn.UGYLDIG, "Den siste administratoren kan ikke fjernes. Gi en annen tilgangen først"
        case _:
            return None


def _missing(state: Virksomhet, command: Command) -> str | None:
    """What the command is about and is not there, or not any more; None when all is."""
    if not (isinstance(command, OF_ROOT) if command.fiks_org_id == ROOT else state.organisasjon):
        return "Organisasjonen finnes ikke"
    if isinstance(command, OF_RESSURS) and not _is_ressurs(state, command.fiks_org_id, command.ressurs_id):
        return f"Ressursen {command.ressurs_id} finnes ikke"
    if isinstance(command, GAINING) and _is_closed(state, command.ressurs_id):
        return f"Kontoen {command.ressurs_id} er slettet"
    if isinstance(command, OF_INTEGRASJON) and not _is_integrasjon(state, command.integrasjon_id):
        return f"Integrasjonen {command.integrasjon_id} finnes ikke"
    return None


def _locks_out(state: Virksomhet, command: RevokePrivilegium | DeactivateAktor) -> bool:
    """Whether nobody would be left who administrates the organisation. Root gives that right anew, but not its own."""
    if command.som_rot and command.fiks_org_id != ROOT:
        return False
    after = evolve(state, _followed(state, command))
    of = command.fiks_org_id
    return bool(administrators(state, of)) and not administrators(after, of)


def _refused_ressurs(state: Virksomhet, command: CreateRessurs) -> Refused | None:
    if not _is_ressurs(state, command.fiks_org_id, command.forelder_id) or _is_closed(state, command.forelder_id):
        return Avslagsgrunn.FINNES_IKKE, f"Ressursen {command.forelder_id} finnes ikke"
    if command.ressurs_id in state.ressurser:
        return Avslagsgrunn.UGYLDIG, f"Ressursen {command.ressurs_id} finnes fra før"
    above = state.ressurser.get(command.forelder_id)
    over = above.type if above else "ROOT"
    if LIES_BELOW.get(command.type) != over:
        return Avslagsgrunn.UGYLDIG, f"En ressurs av typen {command.type} kan ikke ligge under en av typen {over}"
    if command.type in MADE_ELSEWHERE:
        return Avslagsgrunn.UGYLDIG, f"En ressurs av typen {command.type} lages der tjenesten selv lager den"
    if over == ORGANISASJON and _at_the_top(state, command.type) is not None:
        return Avslagsgrunn.UGYLDIG, f"Organisasjonen har en ressurs av typen {command.type} fra før"
    return None


def _refused_konto(state: Virksomhet, command: KontoCommand) -> Refused | None:
    ressurs, konto = state.ressurser.get(command.konto_id), state.kontoer.get(command.konto_id, Konto())
    if isinstance(command, CreateKonto):
        return _refused_new_konto(state, command)
    if ressurs is None or not ressurs.type.endswith("_KONTO") or konto.slettet:
        return Avslagsgrunn.FINNES_IKKE, f"Kontoen {command.konto_id} finnes ikke"
    if isinstance(command, DeleteKonto) and command.konto_id in state.protokoll.kontoer:
        return Avslagsgrunn.UGYLDIG, f"Kontoen {command.konto_id} hører til Fiks Protokoll, og slettes der"
    if isinstance(command, DeleteKonto) and (io := _fiks_io_konto_of(state, command.konto_id)) is not None:
        return Avslagsgrunn.UGYLDIG, f"Kontoen {command.konto_id} hører til kontoen {io} i Fiks IO, og lever så lenge"
    if isinstance(command, TagKonto) and len(konto.tags | {command.tag}) > MOST_TAGS:
        return Avslagsgrunn.UGYLDIG, f"En konto kan ha høyst {MOST_TAGS} tags"
    return None


def _fiks_io_konto_of(state: Virksomhet, konto_id: UUID) -> UUID | None:
    """The account of Fiks IO that lives, and whose large content lies in the account in Dokumentlager of that id."""
    living = (one for one in state.fiks_io_kontoer if not state.kontoer.get(one, Konto()).slettet)
    return next((one for one in living if dokumentlager_konto_of(one) == konto_id), None)


def _refused_new_konto(state: Virksomhet, command: CreateKonto) -> Refused | None:
    if command.konto_id in state.ressurser:
        return Avslagsgrunn.UGYLDIG, f"Kontoen {command.konto_id} finnes fra før"
    if (for_konto_id := command.for_konto_id) is None:
        return None
    if for_konto_id not in state.fiks_io_kontoer or command.konto_id != dokumentlager_konto_of(for_konto_id):
        return Avslagsgrunn.UGYLDIG, f"Kontoen {command.konto_id} hører ikke til en konto i Fiks IO"
    return None


def _for_root_alone(state: Virksomhet, command: ChangeOrganisasjon) -> bool:
    """Another number, too: nobody but root is told whose numbers are taken."""
    known = state.organisasjon and state.organisasjon.orgnr
    orgnr = None if command.orgnr == known else command.orgnr
    return any(one is not None for one in (orgnr, command.kommunenr, command.synlig, command.intern))


def _is_ressurs(state: Virksomhet, fiks_org_id: UUID, ressurs_id: UUID) -> bool:
    return ressurs_id in state.ressurser or ressurs_id == fiks_org_id == ROOT


def _is_closed(state: Virksomhet, ressurs_id: UUID) -> bool:
    return ressurs_id in state.kontoer and state.kontoer[ressurs_id].slettet


def _is_integrasjon(state: Virksomhet, integrasjon_id: UUID) -> bool:
    known = state.integrasjoner.get(integrasjon_id)
    return known is not None and not known.slettet


def _is_deleted(state: Virksomhet, aktor: str) -> bool:
    """Whether the actor was an integration of the organisation. Those of others do not stand in its stream."""
    return any(one.slettet and integrasjon_aktor(id_) == aktor for id_, one in state.integrasjoner.items())


def _kode_is_taken(state: Virksomhet, command: ChangeGlobalIntegrasjon) -> bool:
    if command.kode is None:
        return False
    return any(one.kode == command.kode for id_, one in state.globale.items() if id_ != command.integrasjon_id)


def evolve(state: Virksomhet, event: Any) -> Virksomhet:
    """The organisation after an event; commands and persons change nothing."""
    return evolve_virksomhet(state, event) if isinstance(event, get_args(KonfigurasjonEvent)) else state


konfigurasjon = Decider(
    name="konfigurasjon",
    topic="fiks.konfigurasjon",
    state=Virksomhet,
    initial=Virksomhet(),
    evolve=evolve,
    react=react,
    deadlines=lambda _: (),
    expired=lambda stream, deadline: None,
)
