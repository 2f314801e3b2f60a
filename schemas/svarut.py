"""What can be said about a forsendelse. Contract: svarut.md sections 3 (fields) and 6 (statuses and transitions).

Facts are what a caller, a receiver or a supplier did; decisions are what followed. Only decisions change the status.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.catalogue import Personal, event, part


class Grensesnitt(StrEnum):
    """The interface through which a forsendelse came; it decides what a failed reception is called (contract 6.1)."""

    REST_V2 = "REST_V2"
    REST_V3_PERSON = "REST_V3_PERSON"
    REST_V3_ORGANISASJON = "REST_V3_ORGANISASJON"
    REST_V3_PRINT = "REST_V3_PRINT"
    REST_V3_NHN = "REST_V3_NHN"


class Slettetype(StrEnum):
    """How much is deleted (contract 3.2)."""

    ORIGINALDOKUMENTER = "ORIGINALDOKUMENTER"
    ALLE = "ALLE"


class Feilkode(StrEnum):
    """Faults that the gateway found in a forsendelse that it could read. Each of them keeps it from being accepted."""

    UGYLDIG_MOTTAKER = "UGYLDIG_MOTTAKER"
    MANGLER_ADRESSE = "MANGLER_ADRESSE"
    UGYLDIG_FILNAVN = "UGYLDIG_FILNAVN"
    DOKUMENT_MANGLER = "DOKUMENT_MANGLER"
    UKJENT_DOKUMENT = "UKJENT_DOKUMENT"
    FOR_MANGE_DOKUMENTER = "FOR_MANGE_DOKUMENTER"
    FOR_STOR_FORSENDELSE = "FOR_STOR_FORSENDELSE"
    TOMT_DOKUMENT = "TOMT_DOKUMENT"
    UGYLDIG_PDF = "UGYLDIG_PDF"
    PASSORDBESKYTTET_PDF = "PASSORDBESKYTTET_PDF"
    KAN_IKKE_SKRIVES_UT = "KAN_IKKE_SKRIVES_UT"
    MA_KRYPTERES = "MA_KRYPTERES"
    UFULLSTENDIG_OPPLASTING = "UFULLSTENDIG_OPPLASTING"
    UGYLDIG_SIGNERING = "UGYLDIG_SIGNERING"
    UGYLDIG_SVARADRESSE = "UGYLDIG_SVARADRESSE"
    UGYLDIG_LENKE = "UGYLDIG_LENKE"


@part
class Feil:
    """A fault. ``sted`` is the field or the document's number (from 1) that it was found at; never content."""

    kode: Feilkode
    sted: str | None = None


@part
class Adresse:
    """A recipient or a return address. ``digital_id`` is a fødselsnummer or d-number (11 digits) or orgnr (9)."""

    navn: Personal[str]
    digital_id: Personal[str] | None = None
    adresselinje1: Personal[str] | None = None
    adresselinje2: Personal[str] | None = None
    adresselinje3: Personal[str] | None = None
    postnummer: Personal[str] | None = None
    poststed: Personal[str] | None = None
    land: Personal[str] | None = None


@part
class EkstraMetadata:
    """A key and a value that the sender chose."""

    key: str
    value: Personal[str]


@part
class Dokument:
    """A document as the gateway measured it. ``blob`` is its name in the blob store, None when nothing was kept.

    ``sha256``, in hex, is sealed: who knows it can try what a short document says.
    """

    filnavn: Personal[str]
    mime_type: str
    storrelse: int
    sha256: Personal[str]
    blob: str | None
    skal_signeres: bool = False
    dokument_type: str | None = None
    giroark_sider: tuple[int, ...] = ()
    skal_ekskluderes_fra_utskrift: bool = False
    ekstra_metadata: tuple[EkstraMetadata, ...] = ()
    inneholder_personsensitiv_informasjon: bool = False


@part
class Lenke:
    """A link shown with the letter."""

    url: Personal[str]
    tekst: Personal[str]
    ledetekst: Personal[str] | None = None


@part
class Noark:
    """Metadata from or for an archive system (contract 3.1, Noark metadata)."""

    mappe_id: str | None = None
    mappe_system_id: str | None = None
    system_id: str | None = None
    registrerings_id: str | None = None
    saksaar: int | None = None
    journalaar: int | None = None
    sakssekvensnummer: int | None = None
    journalpostnummer: int | None = None
    journalsekvensnummer: int | None = None
    journalposttype: str | None = None
    journalstatus: str | None = None
    tittel: Personal[str] | None = None
    dokumentets_dato: datetime | None = None
    journaldato: datetime | None = None
    saksbehandler: Personal[str] | None = None
    ekstra_metadata: tuple[EkstraMetadata, ...] = ()


@part
class Utskriftskonfigurasjon:
    """How a letter is printed."""

    utskrift_med_farger: bool = False
    tosidig: bool = False


@part
class Signering:
    """A signing assignment."""

    utloper: datetime | None = None
    type: str | None = None


# --- Facts -----------------------------------------------------------------------------------------------------------


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseMottatt:
    """A forsendelse has been received, its content stored. Contract 3.1.

    What was measured when it was received, and decides the channel (contract 8): ``mottakersystem_id`` is the
    mottakersystem that its orgnr, type and level matched, if any; ``reservert`` says that the contact register holds a
    reservation, ``digital_postkasse`` that it holds a digital mailbox and the account sends to such; the account's
    ``lesefrist_timer``, ``videresendes_ulest`` (unread goes on to print) and ``manuell_utskrift`` (its print is queued
    for a person). ``feil`` are the faults that were found, none of which can be mended. ``dekryptert``: the documents
    came ``kryptert``, and what was measured and stored is what their envelopes held; of those from before it is the
    envelopes. What is looked up by stands first: who reads only that stops there (``schemas.codec.decode``).
    """

    forsendelse_id: UUID
    fiks_org_id: UUID
    konto_id: UUID
    ekstern_referanse: str | None = None
    avgivende_system: str | None = None
    integrasjon_id: UUID
    grensesnitt: Grensesnitt
    tittel: Personal[str]
    mottaker: Adresse
    dokumenter: tuple[Dokument, ...] = ()
    eksponert_for: tuple[Personal[str], ...] = ()
    avgivende_system_aktor: Personal[str] | None = None
    konteringskode: str | None = None
    kun_digital_levering: bool = False
    kryptert: bool = False
    krev_niva4_innlogging: bool = False
    utskriftskonfigurasjon: Utskriftskonfigurasjon | None = None
    metadata_fra_avleverende_system: Noark | None = None
    metadata_for_import: Noark | None = None
    svar_sendes_til: Adresse | None = None
    svar_pa_forsendelse: UUID | None = None
    svar_pa_forsendelse_link: bool = False
    lenker: tuple[Lenke, ...] = ()
    forsendelsestype: str | None = None
    korrelasjonsid: str | None = None
    signering: Signering | None = None
    taushetsbelagt_post: bool = False
    mottakersystem_id: UUID | None = None
    reservert: bool = False
    digital_postkasse: bool = False
    lesefrist_timer: int = 40
    videresendes_ulest: bool = True
    manuell_utskrift: bool = False
    feil: tuple[Feil, ...] = ()
    dekryptert: bool = False


@event(topic="fiks.svarut", stream="forsendelse_id")
class LestMeldt:
    """A caller says that the forsendelse was read in another system. Contract 3.2, LestAv."""

    forsendelse_id: UUID
    fnr: Personal[str]
    tidspunkt: datetime
    eksternt_systemnavn: str | None = None


@event(topic="fiks.svarut", stream="forsendelse_id")
class DokumenterNedlastet:
    """The recipient has downloaded all documents."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class MottakKvittert:
    """A mottakersystem has received the forsendelse; ``manuelt`` when a person said so. Contract 7.1."""

    forsendelse_id: UUID
    mottakersystem_id: UUID
    manuelt: bool = False


@event(topic="fiks.svarut", stream="forsendelse_id")
class MottakFeilet:
    """A mottakersystem could not receive the forsendelse; ``permanent`` when it will not try again. Contract 7.1."""

    forsendelse_id: UUID
    mottakersystem_id: UUID
    permanent: bool
    melding: Personal[str] | None = None


@event(topic="fiks.svarut", stream="forsendelse_id")
class AltinnKvittert:
    """Altinn says that the forsendelse lies in the inbox of the recipient."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class AltinnFeilet:
    """Altinn cannot deliver the forsendelse."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class SdpKvittert:
    """The digital mailbox says that it has the forsendelse."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class SdpFeilet:
    """The digital mailbox could not be delivered to, or its owner not be notified."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class NhnKvittert:
    """The recipient in the health network says that it has the forsendelse."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class PrintKvittert:
    """The print supplier, or a person for a manual print, says that the forsendelse is printed."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class StansBegjart:
    """An administrator asks that the forsendelse is stopped."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class SlettingBegjart:
    """A caller asks that the documents are deleted. Contract 3.2."""

    forsendelse_id: UUID
    slettetype: Slettetype


@event(topic="fiks.svarut", stream="forsendelse_id")
class FristUtlopt:
    """A deadline has passed. ``frist`` names it, ``forfall`` is when it fell due."""

    forsendelse_id: UUID
    frist: str
    forfall: datetime


# --- Decisions -------------------------------------------------------------------------------------------------------


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseAkseptert:
    """The forsendelse is valid; delivery is ours from here on."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseAvvist:
    """The forsendelse is refused, and why."""

    forsendelse_id: UUID
    feil: tuple[Feil, ...]


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseFeiletUnderMottak:
    """The forsendelse could not be received for a technical reason. REST v2 calls this AVVIST."""

    forsendelse_id: UUID
    feil: tuple[Feil, ...]


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseKlarForMottak:
    """The forsendelse waits for a mottakersystem (SvarInn)."""

    forsendelse_id: UUID
    mottakersystem_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseSendtAltinn:
    """The forsendelse is handed to Altinn and the recipient notified. REST v2 calls this VARSLET.

    ``lesefrist`` is the instant until which it may be read before something else is done.
    """

    forsendelse_id: UUID
    lesefrist: datetime


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseLevertAltinn:
    """The forsendelse lies in the inbox of the recipient in Altinn."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseSendtSdp:
    """The forsendelse is handed to the digital mailbox of the recipient (SDP)."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseLevertSdp:
    """The digital mailbox has the forsendelse."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseSendtNhnMottaker:
    """The forsendelse is handed to the health network."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseLevertNhnMottaker:
    """The recipient in the health network has the forsendelse."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseSendtPrint:
    """The forsendelse is handed to the print supplier, or queued for manual print."""

    forsendelse_id: UUID
    manuell: bool = False


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelsePrintet:
    """The forsendelse is printed."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseSendtDigitalt:
    """Nobody read the forsendelse in time, and it will never be printed."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseIkkeLevert:
    """No channel can take the forsendelse."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseManueltHandtert:
    """The forsendelse is stopped by hand; its documents stay available."""

    forsendelse_id: UUID


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseLest:
    """The recipient has read the forsendelse."""

    forsendelse_id: UUID
    tidspunkt: datetime


@event(topic="fiks.svarut", stream="forsendelse_id")
class ForsendelseSlettet:
    """All documents and all that is known of persons are deleted."""

    forsendelse_id: UUID


SvarUtFact = (
    ForsendelseMottatt
    | LestMeldt
    | DokumenterNedlastet
    | MottakKvittert
    | MottakFeilet
    | AltinnKvittert
    | AltinnFeilet
    | SdpKvittert
    | SdpFeilet
    | NhnKvittert
    | PrintKvittert
    | StansBegjart
    | SlettingBegjart
    | FristUtlopt
)
SvarUtDecision = (
    ForsendelseAkseptert
    | ForsendelseAvvist
    | ForsendelseFeiletUnderMottak
    | ForsendelseKlarForMottak
    | ForsendelseSendtAltinn
    | ForsendelseLevertAltinn
    | ForsendelseSendtSdp
    | ForsendelseLevertSdp
    | ForsendelseSendtNhnMottaker
    | ForsendelseLevertNhnMottaker
    | ForsendelseSendtPrint
    | ForsendelsePrintet
    | ForsendelseSendtDigitalt
    | ForsendelseIkkeLevert
    | ForsendelseManueltHandtert
    | ForsendelseLest
    | ForsendelseSlettet
)
SvarUtEvent = SvarUtFact | SvarUtDecision
