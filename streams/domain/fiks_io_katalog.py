"""What the catalogue of Fiks IO says of an account, given the whole configuration. Contract: fiks-io.md 1.5."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas.errors import Unreadable
from schemas.konfigurasjon import ROOT
from streams.domain.configuration import Configuration
from streams.domain.fiks_io_konto import KONFIGURERE, KONTO, SENDE_MOTTA, Adresse, FiksIoKonto
from streams.domain.konfigurasjon import Konto, Ressurs
from streams.domain.rettigheter import ADMIN
from streams.domain.sertifikater import Sertifikat, feil, remembered

INGEN_NOKKEL = "Kontoen har ingen offentlig nøkkel"


class Katalogkonto(NamedTuple):
    """An account that is not deleted: its resource, and what is set of it."""

    ressurs: Ressurs
    satt: FiksIoKonto


class Status(NamedTuple):
    """Whether an account may send, and receive content; ``melding`` says why not."""

    gyldig_avsender: bool
    gyldig_mottaker: bool
    melding: str | None


def konto_of(configuration: Configuration, konto_id: UUID) -> Katalogkonto | None:
    """The account of that id; None when there is none, or no more."""
    ressurs = configuration.ressurs(konto_id)
    if ressurs is None or ressurs.type != KONTO:
        return None
    virksomhet = configuration.virksomhet(ressurs.fiks_org_id)
    if virksomhet.kontoer.get(konto_id, Konto()).slettet:
        return None
    return Katalogkonto(ressurs, virksomhet.fiks_io_kontoer.get(konto_id, FiksIoKonto()))


def nokkel_of(konto: Katalogkonto) -> Sertifikat | None:
    """The certificate that was set, whether or not it may be used; one that cannot be read any more is none."""
    try:
        return remembered(konto.satt.pem) if konto.satt.pem is not None else None
    except Unreadable:
        return None


def usable_nokkel_of(konto: Katalogkonto, now: datetime) -> Sertifikat | None:
    """The certificate that content for the account is encrypted for; None where there is none that may be used."""
    nokkel = nokkel_of(konto)
    return nokkel if nokkel is not None and feil(nokkel, now) is None else None


def status_of(konto: Katalogkonto, now: datetime) -> Status:
    """Who is active sends; who has a certificate that may be used as well, receives."""
    if not konto.satt.aktiv:
        return Status(False, False, "Kontoen er deaktivert")
    nokkel = nokkel_of(konto)
    melding = INGEN_NOKKEL if nokkel is None else feil(nokkel, now)
    return Status(True, melding is None, melding)


def adresser_of(configuration: Configuration) -> list[Adresse]:
    """The addresses of all accounts that are not deleted."""
    known = configuration.virksomhet(ROOT).adresser.values()
    return [one for one in known if konto_of(configuration, one.konto_id) is not None]


def found(
    configuration: Configuration, identifikator: str, meldingsprotokoll: str, sikkerhetsniva: int
) -> Adresse | None:
    """The active address that means all three. There is one at most (``fiks_io_konto``)."""
    for one in adresser_of(configuration):
        means = identifikator in one.identifikatorer and meldingsprotokoll in one.meldingsprotokoller
        if one.aktiv and means and sikkerhetsniva in one.sikkerhetsnivaer:
            return one
    return None


def takes_part(configuration: Configuration, aktor: str) -> bool:
    """Whether the actor may send, receive or configure anywhere in Fiks IO, and so has use for the catalogue."""
    wanted = {SENDE_MOTTA, KONFIGURERE, ADMIN}
    return any(
        aktor not in one.inaktive
        and any(wanted & held for held in one.rettigheter.get(aktor, {}).values())
        and configuration.grants_hold(aktor, id_)
        for id_, one in configuration.virksomheter.items()
    ) or any(wanted & held for held in configuration.virksomhet(ROOT).typerettigheter.get(aktor, {}).values())
