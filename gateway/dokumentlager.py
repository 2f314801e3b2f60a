"""What the routes of Dokumentlager share: the account that a call is about, its documents, and ids from addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.auth.demands import integration, manager
from gateway.auth.memory import MEMORY
from gateway.context import MINSIDE
from gateway.dokumenter import DOKUMENTER
from gateway.preconditions import is_as_known
from gateway.reading import Answer
from schemas.errors import Unreadable
from streams.domain.dokumentlager import Status
from streams.domain.errors import Gone, NotFound
from streams.domain.konfigurasjon import Ressurs

TJENESTE = "DOKUMENTLAGER"
KONTO = "DOKUMENTLAGER_KONTO"
LAST_OPP = "DOKUMENTLAGER.LAST_OPP"
BASE = "/dokumentlager/api/v1"
UPLOADER = integration(LAST_OPP) | manager(LAST_OPP)
A_KONTO = f"{BASE}/{{fiksOrgId}}/kontoer/{{kontoId}}"

FRESHNESS = "Fiks-Fresh-As-Of"
LARGEST_INT = 2**31 - 1
MOST_AT_ONCE = 10_000


def konto_in(request: web.Request) -> Ressurs:
    """The account in the address, closed or not. Raises NotFound when the organisation has none of that id."""
    fiks_org_id, konto_id = uuid_in(request, "fiksOrgId"), uuid_in(request, "kontoId")
    konto = request.app[MEMORY].ressurs(konto_id)
    if konto is None or konto.type != KONTO or konto.fiks_org_id != fiks_org_id:
        raise NotFound(f"Organisasjonen {fiks_org_id} har ingen konto {konto_id} i Dokumentlager")
    return konto


def open_konto_in(request: web.Request) -> Ressurs:
    """The same, of which something can be changed. Raises Gone when it is closed."""
    konto = konto_in(request)
    if is_closed(request, konto.id):
        raise Gone(f"Kontoen {konto.id} er slettet")
    return konto


def is_closed(request: web.Request, konto_id: UUID) -> bool:
    """Whether the account is closed."""
    return request.app[MEMORY].configuration.konto(konto_id).slettet


async def dokument_in(request: web.Request, konto: Ressurs) -> Answer:
    """The one row of the document in the address. Raises NotFound when the account never had it."""
    dokument_id = uuid_in(request, "dokumentId")
    found = await request.app[DOKUMENTER].dokument(dokument_id)
    if not found.rows or found.rows[0]["konto_id"] != konto.id:
        raise NotFound(f"Kontoen {konto.id} har ikke noe dokument {dokument_id}")
    return found


def must_be_there(dokument: Any) -> None:
    """Raises Gone when the document is deleted, or its time is over and nobody has noticed yet."""
    til = dokument["tilgjengelig_til"]
    if dokument["status"] == Status.SLETTET or (til is not None and til <= datetime.now(UTC)):
        raise Gone(f"Dokumentet {dokument['dokument_id']} er slettet")


def etag_of(dokument: Any) -> str:
    """The entity-tag of a document: its id, since the content of a document never changes, and callers keep no more."""
    return f'"{dokument["dokument_id"]}"'


def must_be_as_known(request: web.Request, dokument: Any) -> None:
    """Raises HTTPPreconditionFailed where the caller demands (If-Match) that it is another. RFC 9110, 13.1.1."""
    if not is_as_known(request.headers, etag_of(dokument)):
        raise web.HTTPPreconditionFailed


def uuid_in(request: web.Request, name: str) -> UUID:
    """An id in the address. Raises NotFound when it is none: nothing can have it."""
    text = request.match_info[name]
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"{name} i adressen er ikke en UUID") from None


def kryptert_in(request: web.Request) -> bool:
    """Whether the content comes as a CMS message. Raises Unreadable."""
    given = request.query.get("kryptert", "false").lower()
    if given not in ("true", "false"):
        raise Unreadable("kryptert må være true eller false")
    return given == "true"


def location_of(request: web.Request, dokument_id: UUID) -> str:
    """The address at which persons find a document."""
    return f"{request.app[MINSIDE]}/dokumentlager/nedlasting/{dokument_id}"


def page_in(request: web.Request, usual: int = 100) -> tuple[int, int]:
    """Offset and count in the query, the count under either name (contract 5, and trap 5); ``usual`` is the count where
    none is said. Raises Unreadable.
    """
    count = next((name for name in ("antall", "til") if _given(request, name) is not None), "antall")
    return number_in(request, "fra", 0, 0, LARGEST_INT), number_in(request, count, usual, 1, MOST_AT_ONCE)


def fresh(found: Answer, response: web.Response) -> web.Response:
    """The response, saying up to when it knows everything."""
    response.headers[FRESHNESS] = found.as_of.isoformat() if found.as_of else "unknown"
    return response


def _given(request: web.Request, name: str) -> str | None:
    """A query parameter; ``null`` is what the published client writes for none."""
    text = request.query.get(name)
    return None if text in (None, "", "null") else text


def number_in(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number in the query. Raises Unreadable."""
    text = _given(request, name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text[:11]) <= most:
        raise Unreadable(f"{name} må være et heltall fra {least} til {most}")
    return int(text)
