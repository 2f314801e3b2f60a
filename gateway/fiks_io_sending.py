"""Says that a message was sent: who it is between is judged, and its content is spoken for before the message is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.ahead import AHEAD, Ahead
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import DEMANDED
from gateway.auth.principal import PRINCIPAL
from gateway.context import LOG
from gateway.fiks_io import KLIENT_MELDING_ID, Content, Spesifikasjon, dokument_with
from gateway.fiks_io_upload import Innhold
from gateway.said import said
from gateway.sporing import SPORING
from projections.fiks_io import headers_of
from schemas.dokumentlager import DokumentslettingBegjart, Slettegrunn
from schemas.envelope import Position
from schemas.fiks_io import MeldingSendt
from schemas.personal import ERASED
from streams.domain.errors import NotAllowed, PerhapsAccepted, Rejected, Unacknowledged, Unavailable
from streams.domain.fiks_io_katalog import Katalogkonto, konto_of
from streams.domain.fiks_io_regler import IKKE_AKSEPTERT, Avslag, refusal
from streams.sealing import opened_at


class Parties(NamedTuple):
    """The accounts that a message is between."""

    avsender: Katalogkonto
    mottaker: Katalogkonto


def parties(request: web.Request, message: Spesifikasjon, *, har_innhold: bool, now: datetime) -> Parties:
    """The accounts, between which such a message may be sent. Raises NotAllowed and Rejected."""
    avsender_id, mottaker_id = UUID(message.avsender_konto_id), UUID(message.mottaker_konto_id)
    configuration = request.app[MEMORY].configuration
    refused = refusal(
        configuration,
        avsender_konto_id=avsender_id,
        mottaker_konto_id=mottaker_id,
        melding_type=message.melding_type,
        har_innhold=har_innhold,
        now=now,
    )
    if refused is not None:
        raise fault_of(request, mottaker_id, refused)
    avsender, mottaker = konto_of(configuration, avsender_id), konto_of(configuration, mottaker_id)
    assert avsender is not None, "else it is refused"
    assert mottaker is not None, "else it is refused"
    return Parties(avsender, mottaker)


def fault_of(request: web.Request, mottaker_id: UUID, refused: Avslag) -> Rejected | NotAllowed:
    """The fault that the refusal is. Rejected because of NotAllowed: the receiver is not there for the sender."""
    rejected = Rejected(refused.melding)
    if refused.nektet is None:
        return rejected
    request[DEMANDED] = mottaker_id  # it is the receiver's account that is closed to the caller
    rejected.__cause__ = nektet = NotAllowed(refused.nektet)
    return nektet if refused.status == IKKE_AKSEPTERT else rejected


def ahead_for(
    request: web.Request, mottaker: Katalogkonto, innhold: Innhold, headere: Mapping[str, str]
) -> Ahead | None:
    """What was made ahead for the message, if anything was and it has a use for it: something to seal, of which nothing
    is sealed yet, and an id that nobody else gives it.
    """
    seals = bool(headere) or innhold.is_there
    if not seals or innhold.is_sealed or mottaker.satt.unik_klient_melding_id:
        return None
    return request.app[AHEAD].take(mottaker.ressurs.id)


async def tell(
    request: web.Request,
    melding: MeldingSendt,
    innhold: Innhold,
    content: Content | None,
    nokkel: str,
    now: datetime,
    ahead: Ahead | None,
) -> Position:
    """Append the message, whose content nobody loses from then on. Raises TooLarge; Unavailable where nothing was
    accepted, and else PerhapsAccepted: on a 503 a published client sends it again by itself (contract 1.4).

    ``nokkel`` is the name of its key, by which its headers are sealed too: it is made if there is anything to seal and
    it was not made ``ahead``.
    """
    if melding.nokkel is not None:
        await innhold.sealed_by(melding.nokkel, ahead and ahead.key)
    elif melding.headere and ahead is None:
        await request.app[LOG].keys.create(nokkel)
    if content is not None and content.is_large:
        return await _tell_with_document(request, melding, innhold, content, now)
    with _accepting():
        return await innhold.say(request.app[LOG].append(melding, said(request, melding, now)))


async def that_counts(request: web.Request, melding: MeldingSendt, position: Position) -> MeldingSendt:
    """Of the messages under its id, of which one lies at ``position``, the one that counts: the first. Raises Rejected
    where that is plainly another message; its content does not tell, since clients encrypt it anew.

    Where the first cannot be known now it is taken for this one: receiving must not need PostgreSQL (DESIGN.md, rule
    5), and the id is the same in any case.
    """
    sporing = request.app[SPORING]
    sporing.wrote(melding.mottaker_konto_id, position)
    try:
        row = await sporing.sendt(melding.mottaker_konto_id, melding.melding_id)
        [opened] = await opened_at(request.app[LOG].keys, [headers_of(row)])
    except Unavailable:
        return melding
    if (row["melding_type"], row["svar_pa_melding"]) != (melding.melding_type, melding.svar_pa_melding):
        raise Rejected(f"{KLIENT_MELDING_ID} {melding.klient_melding_id} er brukt for en annen melding til kontoen")
    has_ended = any(one.navn == ERASED for one in opened.headere)
    return msgspec.structs.replace(  # type: ignore[type-var]  # an event is a struct
        melding,
        ttl=row["ttl"],
        dokumentlager_id=row["dokumentlager_id"],
        headere=melding.headere if has_ended else opened.headere,
    )


async def _tell_with_document(
    request: web.Request, melding: MeldingSendt, innhold: Innhold, content: Content, now: datetime
) -> Position:
    """The document first, so that who gets the message finds its content; and no document where there is no message."""
    log, dokument = request.app[LOG], dokument_with(content, melding)
    if request.app[MEMORY].configuration.konto(dokument.konto_id).slettet:  # by an earlier release; it came to be lost
        raise Rejected("Mottakers konto i Dokumentlager er lukket, så den kan ikke ta imot så stort innhold")
    await innhold.sealed_by(dokument.nokkel_id)
    await innhold.say(log.append(dokument, said(request, dokument, now)))
    try:
        with _accepting():
            return await log.append(melding, said(request, melding, now))
    except (PerhapsAccepted, asyncio.CancelledError):  # it may be on the log, and then its content must be there
        raise
    except BaseException:
        taken_back = DokumentslettingBegjart(
            dokument_id=dokument.dokument_id, grunn=Slettegrunn.API, av=request[PRINCIPAL].actor
        )
        with suppress(Unavailable):  # then its time comes later
            await log.append(taken_back, said(request, taken_back))
        raise


@contextmanager
def _accepting() -> Iterator[None]:
    """The message is on its way to the log from here on. Raises PerhapsAccepted."""
    try:
        yield
    except Unacknowledged as fault:
        raise PerhapsAccepted(str(fault)) from fault
