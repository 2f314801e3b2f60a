"""Answers to what is no HTTP, which aiohttp refuses before any middleware sees it: the same ErrorMessage as elsewhere.

aiohttp would answer in plain text and log the offending bytes, which may be a password or a name.
"""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.problems import error_message
from gateway.randomness import new_hex
from infra.logs import logger

log = logger(__name__)

NAME = "Fiks"
"""What answers tell of the server; aiohttp would name itself and Python, with their versions."""
TEXT = "Ugyldig innhold: kallet er ikke gyldig HTTP"
LONGEST_ADDRESS, LARGEST_HEADER = 8190, 1 << 14
"""Octets. aiohttp tells the two apart by nothing but the limit that was passed."""
TOO_LONG = {
    LONGEST_ADDRESS: (HTTPStatus.REQUEST_URI_TOO_LONG, f"Adressen har mer enn {LONGEST_ADDRESS} oktetter"),
    LARGEST_HEADER: (
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"En header har mer enn {LARGEST_HEADER} oktetter, med navnet sitt",
    ),
}


def _answer(
    _handler: RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    error_id, request_id = uuid4(), new_hex()
    said, text = HTTPStatus(status), TEXT
    if isinstance(exc, LineTooLong):
        said, text = TOO_LONG[exc.args[1]]
    about = {"status": int(said), "fault": type(exc).__name__}
    log.info("malformed call refused", error_id=error_id, request_id=request_id, **about)
    if request.writer.output_size > 0:
        raise ConnectionError("an answer has begun already, so the connection can only be cut")
    response = error_message(request.path, said, text, error_id)
    response.headers.update({"Server": NAME, "X-Request-Id": request_id})
    response.force_close()
    return response


def answer_as_elsewhere() -> None:
    """Let every server of this process answer so. aiohttp has no other place for it."""
    RequestHandler.handle_error = _answer  # type: ignore[method-assign, assignment]
