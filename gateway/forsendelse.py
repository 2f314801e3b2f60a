"""From what a sender said (REST v2) to what the log says. Contract: svarut.md 3.1. Pure.

What the published schema itself refuses cannot be read, and nothing is said about it. What only the rules in words
refuse is a fault: the forsendelse is said to be received, with its faults, so that it becomes AVVIST.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from gateway.digital_id import Kind, kind_of
from gateway.metadata import NO_NUL, HeaderText, Int32, Int64, Text, Text100, Time, must_be_in_the_calendar
from gateway.multipart import nfc
from schemas import svarut
from schemas.svarut import Feil, Feilkode

PDF = "application/pdf"
MOST_DOKUMENTER = 500
"""Ours: no limit is published. It keeps the event well below what the log takes."""
MOST_TO_PRINT = 350 * 1024 * 1024
NORWAY = ("", "no", "nor", "norge", "noreg", "norway")

_FORBIDDEN = frozenset('*:"\\/<>|?\x7f') | set(map(chr, range(32)))
"""What the contract forbids in names of files, and control characters, which would end or garble headers."""


class Adresse(Struct, rename="camel", frozen=True):
    """A recipient or a return address."""

    navn: Text
    digital_id: Text | None = None
    adresselinje1: Text | None = None
    adresselinje2: Text | None = None
    adresselinje3: Text | None = None
    poststed: Text | None = None
    postnummer: Text | None = None
    land: Text | None = None


class Metadata(Struct, frozen=True):
    """A key and a value."""

    key: Text
    value: Text


class Noark(Struct, rename="camel", frozen=True):
    """Noark metadata in either direction."""

    mappe_id: Text | None = None
    mappe_system_id: Text | None = None
    system_id: Text | None = None
    registrerings_id: Text | None = None
    saksaar: Int32 | None = None
    journalaar: Int32 | None = None
    sakssekvensnummer: Int64 | None = None
    journalpostnummer: Int64 | None = None
    journalsekvensnummer: Int64 | None = None
    journalposttype: Text | None = None
    journalstatus: Text | None = None
    tittel: Text | None = None
    dokumentets_dato: Time | None = None
    journaldato: Time | None = None
    saksbehandler: Text | None = None
    ekstra_metadata: tuple[Metadata, ...] = ()

    def __post_init__(self) -> None:
        must_be_in_the_calendar(self.dokumentets_dato)
        must_be_in_the_calendar(self.journaldato)


class Utskriftskonfigurasjon(Struct, rename="camel", frozen=True):
    """How it is printed."""

    utskrift_med_farger: bool = False
    tosidig: bool = False


class Lenke(Struct, frozen=True):
    """A link."""

    url: Text
    tekst: Text
    ledetekst: Text | None = None


class Dokument(Struct, rename="camel", frozen=True):
    """A document as its sender describes it."""

    filnavn: Annotated[str, Meta(pattern=NO_NUL, max_length=226)]
    mime_type: HeaderText
    skal_signeres: bool = False
    dokument_type: Text | None = None
    giroark_sider: tuple[Int32, ...] = ()
    skal_ekskluderes_fra_utskrift: bool = False
    ekstra_metadata: tuple[Metadata, ...] = ()
    inneholder_personsensitiv_informasjon: bool = False

    @property
    def is_pdf(self) -> bool:
        return self.mime_type.partition(";")[0].strip().lower() == PDF


class Forsendelse(Struct, rename="camel", frozen=True):
    """The metadata part of a send call."""

    tittel: Annotated[str, Meta(pattern=NO_NUL, max_length=1000)]
    mottaker: Adresse
    eksponert_for: tuple[Text, ...] = ()
    avgivende_system: Text100 | None = None
    avgivende_system_aktor: Text | None = None
    konteringskode: Annotated[str, Meta(pattern=r"\A[a-zA-Z0-9_\-.øæåØÆÅ]{0,20}\Z")] | None = None
    kun_digital_levering: bool = False
    kryptert: bool = False
    utskriftskonfigurasjon: Utskriftskonfigurasjon | None = None
    krev_niva4_innlogging: bool = False
    metadata_fra_avleverende_system: Noark | None = None
    metadata_for_import: Noark | None = None
    svar_sendes_til: Adresse | None = None
    svar_pa_forsendelse: UUID | None = None
    dokumenter: tuple[Dokument, ...] = ()
    lenker: Annotated[tuple[Lenke, ...], Meta(max_length=5)] = ()
    forsendelsestype: Text100 | None = None
    ekstern_referanse: Text100 | None = None
    korrelasjonsid: Text100 | None = None
    svar_pa_forsendelse_link: bool = False
    signering_utloper: Time | None = None
    signatur_type: Literal["AUTENTISERT_SIGNATUR", "AVANSERT_SIGNATUR"] | None = None
    taushetsbelagt_post: bool = False

    def __post_init__(self) -> None:
        must_be_in_the_calendar(self.signering_utloper)

    @property
    def niva(self) -> int:
        return 4 if self.krev_niva4_innlogging else 3


class Received(Struct, frozen=True):
    """A document as it was measured. ``blob`` is None when it was not kept."""

    storrelse: int = 0
    sha256: str = ""
    blob: str | None = None


def mottatt(
    sent: Forsendelse, received: Sequence[Received], faults: Iterable[Feil], **known: Any
) -> svarut.ForsendelseMottatt:
    """The fact that ``sent`` was received.

    ``received`` are its documents in order, of which the first MOST_DOKUMENTER are told; ``known`` are the fields that
    the sender has no say in.
    """
    told = zip(sent.dokumenter[:MOST_DOKUMENTER], received, strict=False)
    fields = msgspec.structs.asdict(sent) | known
    fields["dokumenter"] = [msgspec.structs.asdict(said) | msgspec.structs.asdict(measured) for said, measured in told]
    fields["grensesnitt"] = svarut.Grensesnitt.REST_V2
    fields["feil"] = tuple(faults)
    fields["dekryptert"] = sent.kryptert
    if sent.signering_utloper or sent.signatur_type:
        fields["signering"] = svarut.Signering(utloper=sent.signering_utloper, type=sent.signatur_type)
    return msgspec.convert(fields, svarut.ForsendelseMottatt, from_attributes=True)


def faults_in(sent: Forsendelse, now: datetime) -> Iterator[Feil]:
    """What the rules in words refuse, as far as the metadata alone tells."""
    yield from _faults_in_addresses(sent)
    yield from _faults_in_dokumenter(sent)
    yield from _faults_in_signering(sent, now)
    if sent.krev_niva4_innlogging and not sent.kryptert:
        yield Feil(kode=Feilkode.MA_KRYPTERES)
    if not all(_is_address(lenke.url) for lenke in sent.lenker):
        yield Feil(kode=Feilkode.UGYLDIG_LENKE, sted="lenker")


def faults_in_sizes(sent: Forsendelse, received: Sequence[Received]) -> Iterator[Feil]:
    """What the sizes tell: too much to print."""
    printed = sum(
        measured.storrelse
        for said, measured in zip(sent.dokumenter, received, strict=False)
        if not said.skal_ekskluderes_fra_utskrift
    )
    if printed > MOST_TO_PRINT and not sent.kun_digital_levering:
        yield Feil(kode=Feilkode.FOR_STOR_FORSENDELSE)


def _faults_in_addresses(sent: Forsendelse) -> Iterator[Feil]:
    number = sent.mottaker.digital_id
    if kind_of(number) is None and (number is not None or sent.kun_digital_levering):
        yield Feil(kode=Feilkode.UGYLDIG_MOTTAKER, sted="mottaker.digitalId")
    if not sent.kun_digital_levering and not _is_postal(sent.mottaker):
        yield Feil(kode=Feilkode.MANGLER_ADRESSE, sted="mottaker")
    if sent.svar_sendes_til and not _is_postal(sent.svar_sendes_til):
        yield Feil(kode=Feilkode.MANGLER_ADRESSE, sted="svarSendesTil")
    if sent.svar_pa_forsendelse_link and not _answers_go_to_an_organisation(sent):
        yield Feil(kode=Feilkode.UGYLDIG_SVARADRESSE, sted="svarSendesTil")
    if any(kind_of(number) is None for number in sent.eksponert_for):
        yield Feil(kode=Feilkode.UGYLDIG_MOTTAKER, sted="eksponertFor")


def _faults_in_dokumenter(sent: Forsendelse) -> Iterator[Feil]:
    if len(sent.dokumenter) > MOST_DOKUMENTER:
        yield Feil(kode=Feilkode.FOR_MANGE_DOKUMENTER)
    names = set()
    for number, dokument in enumerate(sent.dokumenter[:MOST_DOKUMENTER], 1):
        name = nfc(dokument.filnavn).casefold()
        if not name.replace(".", "").strip() or _FORBIDDEN & set(name) or name in names:  # "..", say, is no file
            yield Feil(kode=Feilkode.UGYLDIG_FILNAVN, sted=str(number))
        names.add(name)
        is_printed = not (sent.kun_digital_levering or dokument.skal_ekskluderes_fra_utskrift)
        if (is_printed and not dokument.is_pdf) or any(page < 1 for page in dokument.giroark_sider):
            yield Feil(kode=Feilkode.KAN_IKKE_SKRIVES_UT, sted=str(number))


def _faults_in_signering(sent: Forsendelse, now: datetime) -> Iterator[Feil]:
    """Contract 8: a person signs one PDF, and the answer goes to an organisation."""
    to_sign = [dokument for dokument in sent.dokumenter if dokument.skal_signeres]
    if not to_sign and not sent.signering_utloper and not sent.signatur_type:
        return
    if len(to_sign) != 1 or not to_sign[0].is_pdf:
        yield Feil(kode=Feilkode.UGYLDIG_SIGNERING, sted="skalSigneres")
    if sent.signering_utloper and sent.signering_utloper < now + timedelta(days=1):
        yield Feil(kode=Feilkode.UGYLDIG_SIGNERING, sted="signeringUtloper")
    if kind_of(sent.mottaker.digital_id) is not Kind.PERSON:
        yield Feil(kode=Feilkode.UGYLDIG_SIGNERING, sted="mottaker.digitalId")
    if not _answers_go_to_an_organisation(sent):
        yield Feil(kode=Feilkode.UGYLDIG_SIGNERING, sted="svarSendesTil")


def _is_postal(adresse: Adresse) -> bool:
    is_foreign = (adresse.land or "").strip().lower() not in NORWAY
    return bool(adresse.navn and adresse.poststed and (adresse.postnummer or is_foreign))


def _answers_go_to_an_organisation(sent: Forsendelse) -> bool:
    to = sent.svar_sendes_til
    return to is not None and _is_postal(to) and kind_of(to.digital_id) is Kind.ORGANISASJON


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "ftp") and bool(parts.hostname) and not any(map(str.isspace, url))
