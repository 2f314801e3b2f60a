"""What is decided about a command that concerns an account of Fiks IO or an address of one. Contract: fiks-io.md 1.6.

Whoever asks for a change of an account must hold ``SVARINN.KONFIGURERE`` on it, which ADMIN contains. Who may change an
address the gateway has judged (``fiks_io_konto`` says why); its stream judges what no two can have.
"""

from __future__ import annotations

from schemas.fiks_io_konto import (
    AdresseAktivert,
    AdresseBeskrevet,
    AdresseDeaktivert,
    AdresseInnskrenket,
    AdresseOpprettet,
    AdresseSlettet,
    AdresseUtvidet,
    AvsenderAkseptert,
    AvsenderfilterEndret,
    AvsenderFjernet,
    KontoAktivert,
    KontoDeaktivert,
    OffentligNokkelFjernet,
    OffentligNokkelSatt,
    UnikKlientMeldingIdEndret,
)
from schemas.fiks_io_konto_commands import (
    AcceptAvsender,
    ActivateAdresse,
    ActivateKonto,
    AdresseCommand,
    ChangeAvsenderfilter,
    ChangeUnikKlientMeldingId,
    CreateAdresse,
    DeactivateAdresse,
    DeactivateKonto,
    DeleteAdresse,
    DescribeAdresse,
    ExtendAdresse,
    FiksIoKontoCommand,
    NarrowAdresse,
    RemoveAvsender,
    RemoveOffentligNokkel,
    SetOffentligNokkel,
)
from schemas.konfigurasjon import ROOT, Avslagsgrunn
from streams.domain.fiks_io_konto import KONFIGURERE, Adresse, clashes, extended, narrowed
from streams.domain.konfigurasjon import Konto, Virksomhet
from streams.domain.rettigheter import holds

FOLLOWS: dict[type, type] = {
    ActivateKonto: KontoAktivert,
    DeactivateKonto: KontoDeaktivert,
    SetOffentligNokkel: OffentligNokkelSatt,
    RemoveOffentligNokkel: OffentligNokkelFjernet,
    AcceptAvsender: AvsenderAkseptert,
    RemoveAvsender: AvsenderFjernet,
    ChangeAvsenderfilter: AvsenderfilterEndret,
    ChangeUnikKlientMeldingId: UnikKlientMeldingIdEndret,
    CreateAdresse: AdresseOpprettet,
    DescribeAdresse: AdresseBeskrevet,
    ExtendAdresse: AdresseUtvidet,
    NarrowAdresse: AdresseInnskrenket,
    ActivateAdresse: AdresseAktivert,
    DeactivateAdresse: AdresseDeaktivert,
    DeleteAdresse: AdresseSlettet,
}
"""The event that each command asks for."""

MOST_ADRESSER = 100
"""Of an account, and what one address may have of each kind: they all lie in one stream."""

Refused = tuple[Avslagsgrunn, str]


def refusal(state: Virksomhet, command: FiksIoKontoCommand | AdresseCommand) -> Refused | None:
    """Why the command is refused in this state; None when it is not."""
    if isinstance(command, AdresseCommand):
        return _refused_adresse(state, command)
    if command.av in state.inaktive or not (command.som_rot or holds(state, command.av, KONFIGURERE, command.konto_id)):
        return Avslagsgrunn.IKKE_TILGANG, f"Du har ikke {KONFIGURERE} på kontoen {command.konto_id}"
    if command.konto_id not in state.fiks_io_kontoer or state.kontoer.get(command.konto_id, Konto()).slettet:
        return Avslagsgrunn.FINNES_IKKE, f"Kontoen {command.konto_id} finnes ikke i Fiks IO"
    return None


def _refused_adresse(state: Virksomhet, command: AdresseCommand) -> Refused | None:
    if command.fiks_org_id != ROOT:
        return Avslagsgrunn.UGYLDIG, "Adresser settes på tvers av organisasjoner"
    adresse = state.adresser.get(command.adresse_id)
    if isinstance(command, CreateAdresse):
        return _refused_new_adresse(state, command)
    if adresse is None:
        return Avslagsgrunn.FINNES_IKKE, f"Adressen {command.adresse_id} finnes ikke"
    match command:
        case ExtendAdresse():
            more = extended(adresse, command.identifikatorer, command.meldingsprotokoller, command.sikkerhetsnivaer)
            if max(len(more.identifikatorer), len(more.meldingsprotokoller)) > MOST_ADRESSER:
                return Avslagsgrunn.UGYLDIG, f"En adresse kan ha høyst {MOST_ADRESSER} av hvert slag"
            return _refused_clash(state, more) if adresse.aktiv else None
        case NarrowAdresse():
            less = narrowed(adresse, command.identifikatorer, command.meldingsprotokoller, command.sikkerhetsnivaer)
            return _refused_incomplete(less) if adresse.aktiv else None
        case ActivateAdresse():
            return _refused_incomplete(adresse) or _refused_clash(state, adresse)
        case _:
            return None


def _refused_new_adresse(state: Virksomhet, command: CreateAdresse) -> Refused | None:
    if command.adresse_id in state.adresser:
        return Avslagsgrunn.UGYLDIG, "Adressen finnes fra før"
    if sum(one.konto_id == command.konto_id for one in state.adresser.values()) >= MOST_ADRESSER:
        return Avslagsgrunn.UGYLDIG, f"En konto kan ha høyst {MOST_ADRESSER} adresser"
    return None


def _refused_incomplete(adresse: Adresse) -> Refused | None:
    if adresse.gyldig:
        return None
    return Avslagsgrunn.UGYLDIG, "En aktiv adresse må ha minst én identifikator, én meldingsprotokoll og ett nivå"


def _refused_clash(state: Virksomhet, adresse: Adresse) -> Refused | None:
    if not clashes(state.adresser.values(), adresse):
        return None
    return Avslagsgrunn.UGYLDIG, "En annen aktiv adresse har samme identifikator, meldingsprotokoll og nivå"
