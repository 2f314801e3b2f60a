"""What went wrong, as an answer: the one place where exceptions become ErrorMessage bodies. Contract: section 9."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.randomness import new_hex
from gateway.template import template_of
from gateway.tus import CHECKSUM_MISMATCH, Refused
from infra.logs import logger
from infra.masking import masked_text
from schemas.errors import Unreadable
from streams.domain.errors import (
    Gone,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PerhapsAccepted,
    Rejected,
    TooLate,
    Unavailable,
)

log = logger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)

STATUS: dict[type[Exception], HTTPStatus] = {
    Unreadable: HTTPStatus.BAD_REQUEST,
    TooLate: HTTPStatus.CONFLICT,
    Rejected: HTTPStatus.BAD_REQUEST,
    NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    NotAllowed: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Gone: HTTPStatus.GONE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    PerhapsAccepted: HTTPStatus.INTERNAL_SERVER_ERROR,
}
HTTP_TEXTS = {
    404: "Adressen finnes ikke",
    405: "Metoden er ikke tillatt for denne adressen",
    412: "Dokumentet er et annet enn det If-Match krever",
    413: "Innholdet er for stort",
    417: "Forventningen i Expect kan ikke innfris",
}
PHRASES = {one.value: one.phrase for one in HTTPStatus} | {CHECKSUM_MISMATCH: "Checksum Mismatch"}
BUG = "Det skjedde en uventet feil hos oss. Oppgi errorId hvis du melder fra"

AS_LIST = web.RequestKey("as_list", bool)
"""``request[AS_LIST] = True``: a 400 of this call is a list of what is wrong (contract fiks-io.md 1.6)."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ErrorMessage(msgspec.Struct, rename="camel", frozen=True):
    """The body of an answer that is no success. ``timestamp`` is in milliseconds, ``path`` as it was called, but for
    what may be the number of a person.
    """

    timestamp: int
    status: int
    error: str
    error_id: UUID
    path: str
    original_path: str
    message: str


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers what handlers raise, and gives each call an id, the caller's own if it is a sensible one."""
    given = request.headers.get("X-Request-Id", "")
    sensible = _REQUEST_ID.fullmatch(given) and masked_text(given) == given  # it goes on the log, where no fnr may be
    request[REQUEST_ID] = given if sensible else new_hex()
    try:
        response = await handler(request)
    except web.HTTPException as fault:
        response = _of_http(request, fault)
    except Refused as fault:
        response = _answer(request, fault.status, str(fault), fault.headers)
    except tuple(STATUS) as fault:
        response = _of_ours(request, fault)
    except Exception as fault:
        response = _of_bug(request, fault)
    if not response.prepared:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
        if isinstance(response, web.Response) and response.status >= HTTPStatus.BAD_REQUEST and _tells_nothing(request):
            response.body = None
            response.headers.pop("Content-Type", None)
    return response


def handing_out_content(handler: Any) -> None:
    """What the handler answers is content alone (see ``_tells_nothing``)."""
    handler.hands_out_content = True


def _tells_nothing(request: web.Request) -> bool:
    """Whether a failure has an empty body: what an integration asked for is content, and it does not name JSON.

    The Fiks IO client for .NET ignores the status and takes any body for the payload (contract fiks-io.md, trap 18).
    The clients for Java raise the status all the same, with an empty text.
    """
    hands_out_content = getattr(request.match_info.handler, "hands_out_content", False)
    return hands_out_content and "IntegrasjonId" in request.headers and "json" not in request.headers.get("Accept", "")


@contextmanager
def hidden(missing: str) -> Iterator[None]:
    """Nobody may learn what exists of others: no access to it is said as what is ``missing``."""
    try:
        yield
    except NotAllowed as fault:
        raise NotFound(missing) from fault


def _of_ours(request: web.Request, fault: Exception) -> web.Response:
    status = next(status for kind, status in STATUS.items() if isinstance(fault, kind))
    headers = {}
    if isinstance(fault, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="fiks"'  # without it Jetty clients lose status and body
    if isinstance(fault, Unavailable):
        headers["Retry-After"] = str(fault.retry_after)
    return _answer(request, status, str(fault) or HTTP_TEXTS.get(status, status.phrase), headers)


def _of_http(request: web.Request, fault: web.HTTPException) -> web.Response:
    headers = {"Allow": fault.headers["Allow"]} if "Allow" in fault.headers else {}
    return _answer(request, HTTPStatus(fault.status), HTTP_TEXTS.get(fault.status, fault.reason), headers)


def _of_bug(request: web.Request, fault: Exception) -> web.Response:
    error_id = uuid4()
    log.error("unexpected fault", error_id=error_id, request_id=request[REQUEST_ID], exc_info=fault)
    return _said(request, HTTPStatus.INTERNAL_SERVER_ERROR, BUG, {}, error_id)


def _answer(request: web.Request, status: int, message: str, headers: Mapping[str, str]) -> web.Response:
    """Whoever is refused may name the id to those who look after gateways: the log has it, and nothing of the call."""
    error_id = uuid4()
    about = {"status": int(status), "method": request.method, "route": template_of(request)}
    log.info("call refused", error_id=error_id, request_id=request[REQUEST_ID], **about)
    return _said(request, status, message, headers, error_id)


def _said(request: web.Request, status: int, message: str, headers: Mapping[str, str], error_id: UUID) -> web.Response:
    as_list = status == HTTPStatus.BAD_REQUEST and request.get(AS_LIST, False)
    response = error_message(request.path, status, message, error_id, as_list=as_list)
    response.headers.update(headers)
    return response


def error_message(
    path: str, status: int, message: str, error_id: UUID | None = None, *, as_list: bool = False
) -> web.Response:
    """The answer to a call that failed, alone or ``as_list``."""
    told = error_body(path, status, message, error_id)
    body = msgspec.json.encode([told] if as_list else told)
    return web.Response(body=body, status=status, reason=PHRASES[status], content_type="application/json")


def error_body(path: str, status: int, message: str, error_id: UUID | None = None) -> ErrorMessage:
    """What is said of a fault. It repeats nothing that may be the number of a person."""
    path = masked_text(path)
    return ErrorMessage(
        timestamp=time.time_ns() // 1_000_000,
        status=int(status),
        error=PHRASES[status],
        error_id=error_id or uuid4(),
        path=path,
        original_path=path,
        message=masked_text(message),
    )
