"""From what a sender said of a message to what the log says. Contract: fiks-io.md 1.4, 3. Pure, but for new ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid5

from msgspec import Meta, Struct

from gateway.meldinger import EGENDEFINERT, in_both_spellings
from gateway.metadata import Int64
from gateway.randomness import new_uuid
from infra.crypto.segments import sealed_size
from schemas.dokumentlager import DokumentLastetOpp, Eksponering, EksponertFor
from schemas.errors import Unreadable
from schemas.fiks_io import Header, MeldingSendt
from schemas.personal import ERASED, SUFFIX
from streams.domain import dokumentlager
from streams.domain.fiks_io import KORRELASJON, TTL, dokumentlager_konto_of, key_id_of, stream_of
from streams.domain.fiks_io_katalog import Katalogkonto
from streams.domain.fiks_io_konto import SENDE_MOTTA

SHORTEST_TTL = 1000
LONGEST_TTL = 2**32 - 1
"""Milliseconds, both. RabbitMQ takes no longer ``expiration``, 49 days, so no sender can be used to more."""
LARGEST_INLINE = 5 << 20
"""Octets of content that are delivered with the message. The contract says "5 megabytes" and not which (7.4): this is
the larger of both, so that nothing goes by Dokumentlager that need not.
"""
LARGEST = 5 << 30
"""Octets of content (contract 3: "5 GB", the larger of both too)."""
KEPT_LONGER = timedelta(hours=24)
"""How much longer than the message its content lies in Dokumentlager. Contract 2.5."""
LONGEST_NAME = 255 - len(EGENDEFINERT)
"""Octets of the name of a header: with what stands before it, it is a short string of AMQP, which both clients read."""
MOST_HEADERS = 100_000
"""Octets of all headers of the sender's as they are delivered: with those of the platform they must fit a frame, of
which clients take 131,072.
"""
KLIENT_MELDING_ID = "klientMeldingId"
RESENT = UUID("0b1c3a52-6a0e-5d9e-9d0c-2f4a8f0f6e1d")
"""The namespace of the ids of messages that are known by their sender's own ids; it must never change."""
INNHOLD, OCTETS = "innhold", "application/octet-stream"
"""What content is called in Dokumentlager, where nobody knows what it is."""
NIVA = 4
"""The level of login of persons who fetch it there: integrations have none."""

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
Id = Annotated[str, Meta(pattern=rf"\A{_UUID}\Z")]
"""A UUID in the one form that every client writes and reads."""


class Spesifikasjon(Struct, rename="camel", frozen=True):
    """The part ``metadata``. ``headere`` are the sender's own; one that is null is none."""

    avsender_konto_id: Id
    mottaker_konto_id: Id
    melding_type: str
    svar_pa_melding: Id | None = None
    ttl: Int64 | None = None
    headere: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of content that was stored. ``sha256`` is of what was sent, in hex."""

    dokument_id: UUID
    blob: str
    size: int
    sha256: str

    @property
    def is_large(self) -> bool:
        """Whether it goes by Dokumentlager."""
        return self.size > LARGEST_INLINE


def must_be_deliverable(ttl: int | None, headere: Mapping[str, str]) -> None:
    """Raises Unreadable for what a client could choke on, or nobody would ever get."""
    if ttl is not None and not SHORTEST_TTL <= ttl <= LONGEST_TTL:
        raise Unreadable(f"Ugyldig innhold: ttl må være fra {SHORTEST_TTL} til {LONGEST_TTL} millisekunder")
    for navn, verdi in headere.items():
        if not 1 <= len(navn.encode()) <= LONGEST_NAME:
            raise Unreadable(f"Ugyldig innhold: navnet på en header må være på 1 til {LONGEST_NAME} oktetter")
        if _CONTROL.search(navn) or _CONTROL.search(verdi):
            raise Unreadable("Ugyldig innhold: en header har kontrolltegn i navnet eller verdien")
        if navn == ERASED:
            raise Unreadable(f"Ugyldig innhold: en header kan ikke hete {ERASED}")
    if sum(map(_delivered_size, in_both_spellings(headers_of(headere)))) > MOST_HEADERS:
        raise Unreadable(f"Ugyldig innhold: headerne er til sammen større enn {MOST_HEADERS} oktetter")


def _delivered_size(header: Header) -> int:
    """Octets of a field in a table of AMQP: a short string, a type, a long string."""
    return 1 + len(EGENDEFINERT) + len(header.navn.encode()) + 1 + 4 + len(header.verdi.encode())


def headers_of(headere: Mapping[str, str]) -> tuple[Header, ...]:
    """The headers as the log has them."""
    return tuple(Header(navn=navn, verdi=verdi) for navn, verdi in headere.items())


def melding_id_for(mottaker: Katalogkonto, avsender_konto_id: UUID, headere: Mapping[str, str]) -> UUID:
    """The id of a new message; or, where the receiver wants each message of its sender's own id once, that of the first
    which had it: then it is the same stream, whose first message alone counts.
    """
    own = _uuid_in(headere, KLIENT_MELDING_ID)
    if own is None or not mottaker.satt.unik_klient_melding_id:
        return new_uuid()
    return uuid5(RESENT, f"{mottaker.ressurs.id}/{avsender_konto_id}/{own}")


def name_of_key_for(mottaker: Katalogkonto, melding_id: UUID) -> str:
    """The name of the key of a new message. Where it may have been sent before it is one key of several of the stream:
    a message that is sent again leaves that of the first as it is.
    """
    key_id = key_id_of(stream_of(mottaker.ressurs.id, melding_id))
    return f"{key_id}{SUFFIX}{new_uuid().hex}" if mottaker.satt.unik_klient_melding_id else key_id


def sendt(
    said: Spesifikasjon,
    melding_id: UUID,
    avsender: Katalogkonto,
    mottaker: Katalogkonto,
    content: Content | None,
    nokkel: str | None,
    now: datetime,
    tatt_inn_av: UUID | None = None,
) -> MeldingSendt:
    """What is said of a message that was taken in at ``now``, from which on its time counts.

    ``nokkel`` is the name of the key by which small content is sealed, ``tatt_inn_av`` the process that answers its
    sender where that is told to others (``gateway/answering.py``).
    """
    ttl = timedelta(milliseconds=said.ttl) if said.ttl is not None else TTL
    korrelasjoner = (_uuid_in(said.headere, name) for name in KORRELASJON)
    where = {} if content is None else _where(content, nokkel)
    return MeldingSendt(
        mottaker_konto_id=mottaker.ressurs.id,
        melding_id=melding_id,
        avsender_konto_id=avsender.ressurs.id,
        mottaker_org_id=mottaker.ressurs.fiks_org_id,
        avsender_org_id=avsender.ressurs.fiks_org_id,
        avsender_navn=avsender.ressurs.navn,
        melding_type=said.melding_type,
        svar_pa_melding=None if said.svar_pa_melding is None else UUID(said.svar_pa_melding),
        ttl=ttl // timedelta(milliseconds=1),
        utloper=now + ttl,
        klient_melding_id=_uuid_in(said.headere, KLIENT_MELDING_ID),
        klient_korrelasjons_id=next((one for one in korrelasjoner if one is not None), None),
        headere=headers_of(said.headere),
        tatt_inn_av=tatt_inn_av,
        **where,
    )


def _where(content: Content, nokkel: str | None) -> dict[str, Any]:
    """Where the content lies: large content by a key of the document that it becomes."""
    inline = {"blob": content.blob, "nokkel": nokkel}
    place = {"dokumentlager_id": content.dokument_id} if content.is_large else inline
    return {"storrelse": content.size, "sha256": content.sha256} | place


def dokument_with(content: Content, melding: MeldingSendt) -> DokumentLastetOpp:
    """The document that the content of a message is, for whoever may receive by its account."""
    mottaker = EksponertFor(
        type=Eksponering.AUTORISASJON, privilegium=SENDE_MOTTA, ressurs_id=melding.mottaker_konto_id
    )
    return DokumentLastetOpp(
        dokument_id=content.dokument_id,
        fiks_org_id=melding.mottaker_org_id,
        konto_id=dokumentlager_konto_of(melding.mottaker_konto_id),
        korrelasjonsid=melding.melding_id,
        blob=content.blob,
        nokkel_id=dokumentlager.key_id_of(content.dokument_id),
        dokumentnavn=INNHOLD,
        mimetype=OCTETS,
        sikkerhetsniva=NIVA,
        ukryptert_storrelse=content.size,
        kryptert_storrelse=sealed_size(content.size),
        sha256=content.sha256,
        tilgjengelig_til=melding.utloper + KEPT_LONGER,
        eksponert_for=(mottaker,),
    )


def _uuid_in(headere: Mapping[str, str], navn: str) -> UUID | None:
    """The value of a header, if it is a UUID."""
    value = headere.get(navn, "")
    return UUID(value) if re.fullmatch(_UUID, value) else None
