"""Answers to what is no HTTP, which aiohttp refuses before any middleware sees it: the same ErrorMessage as elsewhere.

aiohttp would answer in plain text and log the offending bytes, which may be a password or a name.
"""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.problems import error_message
from infra.logs import logger

log = logger(__name__)

NAME = "Fiks"
"""What answers tell of the server; aiohttp would name itself and Python, with their versions."""
TEXT = "Ugyldig innhold: kallet er ikke gyldig HTTP"


def _answer(
    _handler: RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    error_id = uuid4()
    log.info("malformed call refused", error_id=error_id, status=status, fault=type(exc).__name__)
    if request.writer.output_size > 0:
        raise ConnectionError("an answer has begun already, so the connection can only be cut")
    response = error_message(request.path, HTTPStatus(status), TEXT, error_id)
    response.headers["Server"] = NAME
    response.force_close()
    return response


def answer_as_elsewhere() -> None:
    """Let every server of this process answer so. aiohttp has no other place for it."""
    RequestHandler.handle_error = _answer  # type: ignore[method-assign, assignment]
