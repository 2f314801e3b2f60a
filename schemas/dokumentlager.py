"""What can be said about a document in Dokumentlager. Contract: dokumentlager.md sections 4 and 5.

Facts are what a caller, the clock or a scanner did; decisions are what followed. ``av`` is the actor who asked, None
where nobody did. A person is named by the keyed hash; the number itself stands in a personal field.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.catalogue import Personal, event, part


class Eksponering(StrEnum):
    """How a document is exposed (contract 4.2)."""

    PERSON = "PERSON"
    ORGANISASJON = "ORGANISASJON"
    INTEGRASJON = "INTEGRASJON"
    AUTORISASJON = "AUTORISASJON"
    MATRIKKELENHET = "MATRIKKELENHET"


class Altinnressurs(StrEnum):
    """Which mail of an organisation a document is, and so which right in Altinn opens it (contract 4.2)."""

    BYGGESAKER = "BYGGESAKER"
    FAKTURA = "FAKTURA"
    POST = "POST"
    SKJEMA = "SKJEMA"
    ANDRE_SAKER = "ANDRE_SAKER"


class Slettegrunn(StrEnum):
    """Why a document was deleted (contract 5, what deletion means)."""

    API = "API"
    UTLOP = "UTLOP"
    KONTO = "KONTO"


@part
class Matrikkelenhet:
    """A property unit."""

    kommunenummer: str
    gardsnummer: str
    bruksnummer: str
    festenummer: str = "0"
    seksjonsnummer: str = "0"


@part
class EksponertFor:
    """Who may download. ``type`` says which fields are set; ``person`` is the keyed hash of ``fnr``."""

    type: Eksponering
    person: str | None = None
    fnr: Personal[str] | None = None
    orgnr: str | None = None
    ressurs_type: Altinnressurs | None = None
    integrasjon_id: UUID | None = None
    privilegium: str | None = None
    ressurs_id: UUID | None = None
    matrikkelenhet: Matrikkelenhet | None = None


# --- Facts -----------------------------------------------------------------------------------------------------------


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentLastetOpp:
    """A document has been received, its content stored. Contract 4.

    ``ukryptert_storrelse`` and ``sha256`` (in hex, and sealed: who knows it can try what a short document says) are of
    the content itself, ``kryptert_storrelse`` is what lies at rest; ``blob`` is its name in the blob store and
    ``nokkel_id`` that of its key. ``kryptert`` says that it came encrypted, ``tilgjengelig_til`` until when it can be
    had, null for ever. ``skadevare`` is what a virus scanner found, null when nothing was found or nobody looked.
    ``lagre_nedlastinger`` is false where downloads are not to be told.
    """

    dokument_id: UUID
    fiks_org_id: UUID
    konto_id: UUID
    korrelasjonsid: UUID | None = None
    blob: str
    nokkel_id: str
    dokumentnavn: Personal[str]
    mimetype: str
    sikkerhetsniva: int
    ukryptert_storrelse: int
    kryptert_storrelse: int
    sha256: Personal[str]
    kryptert: bool = False
    tilgjengelig_til: datetime | None = None
    eksponert_for: tuple[EksponertFor, ...] = ()
    lagre_nedlastinger: bool = True
    skadevare: str | None = None


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentendringBegjart:
    """A caller asks that the document is available until another time, null for ever. Contract 5, update."""

    dokument_id: UUID
    av: str
    tilgjengelig_til: datetime | None = None


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentslettingBegjart:
    """Somebody asks that the document is deleted. Contract 5, delete."""

    dokument_id: UUID
    grunn: Slettegrunn
    av: str | None = None


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentUtlopt:
    """The time until which the document was to be available has passed."""

    dokument_id: UUID
    tilgjengelig_til: datetime


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentLastetNed:
    """The content of the document is handed out to ``av``."""

    dokument_id: UUID
    av: str


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentSkadet:
    """What lies in the blob store is not what was stored there: somebody asked for it, and got nothing of it."""

    dokument_id: UUID


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentDestruert:
    """The key of a deleted document is destroyed and its bytes are deleted: nobody can read it any more."""

    dokument_id: UUID


@event(topic="fiks.dokumentlager", stream="sletting_id")
class SlettingAvFlereBegjart:
    """A caller asks that all documents of an account with a correlation id are deleted. Contract 5.

    It is about those below ``grenser``: the next offset of each partition of the topic when the caller asked.
    """

    sletting_id: UUID
    konto_id: UUID
    korrelasjonsid: UUID
    av: str
    grenser: tuple[int, ...]


# --- Decisions -------------------------------------------------------------------------------------------------------


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentEksponert:
    """The document is exposed, for as long as it is there: what it is exposed to never changes. Contract 4.2.

    ``eksponert_for`` names persons by their keyed hash alone; ``sikkerhetsniva`` is the login that they need. Who
    exposed it is the actor of the event that caused this. Neither of infected documents nor of such as nobody may have.
    """

    dokument_id: UUID
    fiks_org_id: UUID
    konto_id: UUID
    eksponert_for: tuple[EksponertFor, ...]
    sikkerhetsniva: int


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentEndret:
    """The document is available until another time, null for ever."""

    dokument_id: UUID
    av: str
    tilgjengelig_til: datetime | None = None


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentInfisert:
    """The document holds malware and can never be downloaded. ``funn`` is what the scanner calls it."""

    dokument_id: UUID
    funn: str


@event(topic="fiks.dokumentlager", stream="dokument_id")
class DokumentSlettet:
    """The document is deleted: it cannot be had any more, and its key and bytes are about to be destroyed."""

    dokument_id: UUID
    grunn: Slettegrunn
    av: str | None = None


DokumentFact = (
    DokumentLastetOpp
    | DokumentendringBegjart
    | DokumentslettingBegjart
    | DokumentUtlopt
    | DokumentLastetNed
    | DokumentSkadet
    | DokumentDestruert
    | SlettingAvFlereBegjart
)
DokumentDecision = DokumentEksponert | DokumentEndret | DokumentInfisert | DokumentSlettet
DokumentEvent = DokumentFact | DokumentDecision
