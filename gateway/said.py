"""The envelope of what a caller says by a request: who, for whom, by which law, and in which trace."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from gateway.auth.principal import LEGAL_BASIS, PRINCIPAL
from gateway.problems import REQUEST_ID
from gateway.randomness import new_uuid
from infra.tracing import current_traceparent
from schemas.envelope import NOBODY, Envelope, fact

SOURCE = "urn:fiks:gateway"


def said(request: web.Request, event: object, time: datetime | None = None) -> Envelope:
    """The envelope of ``event``, which happened at ``time`` (now, unless it is given).

    Nobody is named where the caller is not known.
    """
    principal = request.get(PRINCIPAL)
    return fact(
        event,
        time=time or datetime.now(UTC),
        id=str(new_uuid()),
        source=SOURCE,
        correlation_id=request[REQUEST_ID],
        by=principal.by if principal else NOBODY,
        legal_basis=request.get(LEGAL_BASIS),
        traceparent=current_traceparent(),
    )
