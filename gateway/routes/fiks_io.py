"""Sending a message of Fiks IO, as published clients do. Contract: fiks-io.md 1.4 and traps 1 to 8."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from aiohttp import web

from gateway.auth.demands import ADMINISTRATION, integration, integration_person, manager
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.fiks_io import melding_id_for, name_of_key_for, sendt
from gateway.fiks_io_sending import parties, tell
from gateway.fiks_io_upload import metadata, parts_of, receiving
from gateway.routes import Routes, as_json
from streams.domain.errors import NotAllowed
from streams.domain.fiks_io_konto import SENDE_MOTTA

routes = Routes()

SENDER = integration(SENDE_MOTTA) | manager(SENDE_MOTTA) | integration_person(SENDE_MOTTA, niva=ADMINISTRATION)
"""A login may take the place of the machine's token; then the person's own rights decide. Contract 1.2."""


@routes.post("/fiks-io/api/v1/send", demands=SENDER)
async def send(request: web.Request) -> web.Response:
    """Take over a message. The answer is a promise: its content and the event are durable. It has eight fields, always,
    and no other: a published client refuses what it does not know (trap 2).
    """
    parts = parts_of(request)
    said = await metadata(parts)
    avsender_konto_id = UUID(said.avsender_konto_id)
    _may_send_from(request, avsender_konto_id)
    async with receiving(request, parts) as innhold:
        parties(request, said, har_innhold=await innhold.begin(), now=datetime.now(UTC))
        content, now = await innhold.store(), datetime.now(UTC)
        _may_send_from(request, avsender_konto_id)  # closed or revoked while the content came, perhaps for an hour
        avsender, mottaker = parties(request, said, har_innhold=content is not None, now=now)
        melding_id = melding_id_for(mottaker, avsender_konto_id, said.headere)
        nokkel = name_of_key_for(mottaker, melding_id)
        melding = sendt(said, melding_id, avsender, mottaker, content, nokkel, now)
        await tell(request, melding, innhold, content, nokkel, now)
    return as_json(
        {
            "meldingId": melding.melding_id,
            "meldingType": melding.melding_type,
            "avsenderKontoId": melding.avsender_konto_id,
            "mottakerKontoId": melding.mottaker_konto_id,
            "ttl": melding.ttl,
            "dokumentlagerId": melding.dokumentlager_id,
            "svarPaMelding": melding.svar_pa_melding,
            "headere": said.headere,
        },
        status=202,
    )


def _may_send_from(request: web.Request, konto_id: UUID) -> None:
    """Raises NotAllowed unless the caller may, and who has logged in, if it is through an integration, as well."""
    demand_on(request, konto_id)
    person = request[PRINCIPAL].person
    if person is not None and not request.app[MEMORY].may(person, SENDE_MOTTA, konto_id):
        raise NotAllowed(f"Den som er logget inn, mangler privilegiet {SENDE_MOTTA}")
