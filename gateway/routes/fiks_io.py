"""Sending a message of Fiks IO, as published clients do. Contract: fiks-io.md 1.4 and traps 1 to 8."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web

from gateway.answering import ANSWERING, answers
from gateway.auth.middleware import demand_on
from gateway.fiks_io import melding_id_for, name_of_key_for, sendt
from gateway.fiks_io_konto import PARTY
from gateway.fiks_io_sending import ahead_for, parties, tell, that_counts
from gateway.fiks_io_upload import metadata, parts_of, receiving
from gateway.routes import Routes, as_json

routes = Routes()


@routes.post("/fiks-io/api/v1/send", demands=PARTY)
async def send(request: web.Request) -> web.Response:
    """Take over a message. The answer is a promise: its content and the event are durable. It has eight fields, always,
    and no other: a published client refuses what it does not know (trap 2).
    """
    parts = parts_of(request)
    said = await metadata(parts)
    avsender_konto_id = UUID(said.avsender_konto_id)
    await demand_on(request, avsender_konto_id)
    async with receiving(request, parts) as innhold:
        parties(request, said, har_innhold=await innhold.begin(), now=datetime.now(UTC))
        content, now = await innhold.store(), datetime.now(UTC)
        await demand_on(request, avsender_konto_id)  # closed or revoked while the content came, perhaps for an hour
        avsender, mottaker = parties(request, said, har_innhold=content is not None, now=now)
        ahead = ahead_for(request, mottaker, innhold, said.headere)
        melding_id = ahead.melding_id if ahead else melding_id_for(mottaker, avsender_konto_id, said.headere)
        nokkel = name_of_key_for(mottaker, melding_id)
        melding = sendt(said, melding_id, avsender, mottaker, content, nokkel, now, request.app[ANSWERING].holder)
        answers(request, melding_id)
        position = await tell(request, melding, innhold, content, nokkel, now, ahead)
    if mottaker.satt.unik_klient_melding_id and melding.klient_melding_id is not None:
        melding = await that_counts(request, melding, position)
    return as_json(
        {
            "meldingId": melding.melding_id,
            "meldingType": melding.melding_type,
            "avsenderKontoId": melding.avsender_konto_id,
            "mottakerKontoId": melding.mottaker_konto_id,
            "ttl": melding.ttl,
            "dokumentlagerId": melding.dokumentlager_id,
            "svarPaMelding": melding.svar_pa_melding,
            "headere": {one.navn: one.verdi for one in melding.headere},
        },
        status=202,
    )
