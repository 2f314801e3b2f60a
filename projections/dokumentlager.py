"""The documents of Dokumentlager, who may have them and what has happened to them. Contract: dokumentlager.md 3 to 5.

Nothing personal is kept here: a person is a keyed hash, and the name of a document stays sealed as on the log, so that
it is gone from every page, log and backup of the database with its key. Who shows it opens it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg import Record as Row
from msgspec import structs

from projections.projection import Append, Change, Create, Projection, Write, sql_beside
from schemas.catalogue import Personal, event_type, part
from schemas.dokumentlager import (
    Altinnressurs,
    DokumentDestruert,
    DokumentEksponert,
    DokumentEndret,
    DokumentInfisert,
    DokumentLastetNed,
    DokumentLastetOpp,
    DokumentSkadet,
    DokumentSlettet,
    Eksponering,
    EksponertFor,
    Matrikkelenhet,
)
from schemas.envelope import Envelope
from schemas.errors import Unreadable
from schemas.konfigurasjon import KontoEndret, KontoOpprettet, KontoSlettet, KontoTagFjernet, KontoTagget
from schemas.personal import Place
from streams.domain.dokumentlager import Status, key_id_of
from streams.domain.eksponering import key_of

SLETTET = "(slettet)"
"""The name of a document that is deleted: what a personal field reads when its key is gone."""
LATEST = datetime.max.replace(tzinfo=UTC) - timedelta.resolution
"""The last moment but one: the last is infinity to COPY, and itself to a statement."""

dokumentlager = Projection(
    "dokumentlager", logic=6, topics=("fiks.dokumentlager", "fiks.konfigurasjon"), sql=sql_beside(__file__)
)


@part
class Eksponert:
    """EksponertFor without the number of a person."""

    type: Eksponering
    person: str | None = None
    orgnr: str | None = None
    ressurs_type: Altinnressurs | None = None
    integrasjon_id: UUID | None = None
    privilegium: str | None = None
    ressurs_id: UUID | None = None
    matrikkelenhet: Matrikkelenhet | None = None


@part
class LastetOpp:
    """What is kept of DokumentLastetOpp, its name as it lies on the log."""

    dokument_id: UUID
    fiks_org_id: UUID
    konto_id: UUID
    korrelasjonsid: UUID | None = None
    blob: str
    nokkel_id: str
    dokumentnavn: str
    mimetype: str
    sikkerhetsniva: int
    ukryptert_storrelse: int
    kryptert_storrelse: int
    tilgjengelig_til: datetime | None = None
    eksponert_for: tuple[Eksponert, ...] = ()
    lagre_nedlastinger: bool = True
    skadevare: str | None = None


@part
class Eksponeringen:
    """What is needed of DokumentEksponert."""

    dokument_id: UUID


@part
class Navn:
    """The name of a document, as personal text: what of DokumentLastetOpp is opened to show it."""

    dokumentnavn: Personal[str]


def navn_of(row: Row) -> tuple[Navn, Place]:
    """The name in a row of ``dokumentlager_dokument``, sealed, and what it is bound to (see ``opened_at``)."""
    place = Place(event_type(DokumentLastetOpp).name, key_id_of(row["dokument_id"]))
    return Navn(dokumentnavn=row["dokumentnavn"]), place


KontoEvent = KontoOpprettet | KontoEndret | KontoTagget | KontoTagFjernet | KontoSlettet


@dokumentlager.on(DokumentLastetOpp, reads=LastetOpp)
def lastet_opp(event: LastetOpp, at: Envelope) -> tuple[Write, ...]:
    """The row of a document."""
    assert at.position is not None
    values = {
        "fiks_org_id": event.fiks_org_id,
        "konto_id": event.konto_id,
        "status": (Status.INFISERT if event.skadevare else Status.TILGJENGELIG).value,
        "opprettet": at.time,
        "tilgjengelig_til": _moment(event.tilgjengelig_til),
        "dokumentnavn": event.dokumentnavn,
        "mimetype": event.mimetype,
        "sikkerhetsniva": event.sikkerhetsniva,
        "ukryptert_storrelse": event.ukryptert_storrelse,
        "kryptert_storrelse": event.kryptert_storrelse,
        "korrelasjonsid": event.korrelasjonsid,
        "blob": event.blob,
        "nokkel_id": event.nokkel_id,
        "eksponert": [_exposed(one) for one in event.eksponert_for],
        "lagre_nedlastinger": event.lagre_nedlastinger,
        "partisjon": at.position.partition,
        "plass": at.position.offset,
        "slettet_fordi": None,
    }
    made = Create("dokumentlager_dokument", (event.dokument_id,), values)
    return made, _hendelse(event.dokument_id, at, at.actor)


@dokumentlager.on(DokumentEksponert, reads=Eksponeringen)
def eksponert(event: Eksponeringen, at: Envelope) -> tuple[Write, ...]:
    """To whom is known since the upload. What was decided without knowing of this does not count, as in the fold."""
    return (_change(event.dokument_id, at),)


@dokumentlager.on(DokumentEndret)
def endret(event: DokumentEndret, at: Envelope) -> tuple[Write, ...]:
    """The document is available until another time."""
    til = event.tilgjengelig_til.isoformat() if event.tilgjengelig_til else None
    changed = _change(event.dokument_id, at, tilgjengelig_til=_moment(event.tilgjengelig_til))
    return changed, _hendelse(event.dokument_id, at, event.av, til)


@dokumentlager.on(DokumentInfisert)
def infisert(event: DokumentInfisert, at: Envelope) -> tuple[Write, ...]:
    """The document can never be downloaded."""
    changed = _change(event.dokument_id, at, status=Status.INFISERT.value)
    return changed, _hendelse(event.dokument_id, at, None, event.funn)


@dokumentlager.on(DokumentSlettet)
def slettet(event: DokumentSlettet, at: Envelope) -> tuple[Write, ...]:
    """The metadata stay, but for what is personal. The event that led to the deletion is kept: of several, one did."""
    values = {"status": Status.SLETTET.value, "dokumentnavn": SLETTET, "slettet_fordi": at.causation_id}
    changed = _change(event.dokument_id, at, **values)
    return changed, _hendelse(event.dokument_id, at, event.av, event.grunn.value)


@dokumentlager.on(DokumentLastetNed, DokumentSkadet, DokumentDestruert)
def happened(event: DokumentLastetNed | DokumentSkadet | DokumentDestruert, at: Envelope) -> tuple[Write, ...]:
    """What changes nothing, but has happened."""
    return (_hendelse(event.dokument_id, at, event.av if isinstance(event, DokumentLastetNed) else None),)


@dokumentlager.on(KontoOpprettet, KontoEndret, KontoTagget, KontoTagFjernet)
def konto(event: KontoEvent, at: Envelope) -> tuple[Write, ...]:
    """A line in the history of an account, of whatever service."""
    return (_konto_hendelse(event, at),)


@dokumentlager.on(KontoSlettet)
def konto_slettet(event: KontoSlettet, at: Envelope) -> tuple[Write, ...]:
    """The account is closed."""
    return Create("dokumentlager_konto_slettet", (event.konto_id,), {"tidspunkt": at.time}), _konto_hendelse(event, at)


def _moment(time: datetime | None) -> datetime | None:
    return min(time, LATEST) if time else None


def _change(dokument_id: object, at: Envelope, **values: object) -> Change:
    if at.position is None or at.cause is None:
        raise Unreadable(f"{at.type} is a decision, but its headers do not say what caused it")
    return Change("dokumentlager_dokument", (dokument_id,), at.cause, at.position.offset, values)


def _hendelse(dokument_id: object, at: Envelope, aktor: str | None, detalj: str | None = None) -> Append:
    assert at.position is not None
    return Append("dokumentlager_hendelse", (dokument_id, at.position.offset, at.time, at.type, aktor, detalj))


def _konto_hendelse(event: KontoEvent, at: Envelope) -> Append:
    assert at.position is not None
    aktor = event.opprettet_av if isinstance(event, KontoOpprettet) else event.endret_av
    detalj = event.tag if isinstance(event, KontoTagget | KontoTagFjernet) else getattr(event, "navn", None)
    return Append("dokumentlager_konto_hendelse", (event.konto_id, at.position.offset, at.time, at.type, aktor, detalj))


def _exposed(one: Eksponert) -> str:
    try:
        return key_of(EksponertFor(**structs.asdict(one)))  # type: ignore[arg-type]  # a Struct
    except ValueError as fault:
        raise Unreadable(str(fault)) from fault
