"""A read-only Schema Registry: what Confluent's clients ask when they read our topics. Its truth is the lock file.

Source: docs.confluent.io, Schema Registry API Reference. Errors have that API's shape, not that of a Fiks ErrorMessage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from gateway import body
from gateway.auth.demands import open_to_all
from gateway.routes import Routes
from schemas.registry import Released, by_id, released

BASE = "/schema-registry"
CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
COMPATIBILITY = {"compatibilityLevel": "BACKWARD_TRANSITIVE"}
LONGEST_ID = 10
"""Digits of the id of a schema, at most."""
READ_ONLY = "schemas are released with the code, not here; this registry is read-only"
_DIGITS = re.compile(r"[0-9]+")

routes = Routes()


class Refused(Exception):
    """No. The first three digits of the code are the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


Answer = Callable[[web.Request], Any]


def _answers(path: str) -> Callable[[Answer], Answer]:
    """Serve GET of ``path`` with the JSON value that the function returns."""

    def register(answer: Answer) -> Answer:
        @routes.get(BASE + path, demands=open_to_all)
        async def handler(request: web.Request) -> web.Response:
            return _json(answer, request)

        return answer

    return register


@_answers("/schemas/ids/{id}")
def schema(request: web.Request) -> Any:
    """The schema of an id. ``?subject=`` is not looked at: an id means one schema whoever asks."""
    return {"schema": json.dumps(_by_id(request).schema)}


@_answers("/schemas/ids/{id}/versions")
def versions_of_id(request: web.Request) -> Any:
    """Where the id is used."""
    found = _by_id(request)
    return [{"subject": found.subject, "version": found.version}]


@_answers("/schemas/ids/{id}/subjects")
def subjects_of_id(request: web.Request) -> Any:
    """The subjects that use the id."""
    return [_by_id(request).subject]


@_answers("/schemas/types")
def types(_: web.Request) -> Any:
    """The kinds of schemas there are."""
    return ["AVRO"]


@_answers("/subjects")
def subjects(_: web.Request) -> Any:
    """Every subject: the Avro full name of an event type."""
    return sorted({one.subject for one in released()})


@_answers("/subjects/{subject}/versions")
def versions(request: web.Request) -> Any:
    """The versions of a subject."""
    return [one.version for one in _of_subject(request)]


@_answers("/subjects/{subject}/versions/{version}")
def version(request: web.Request) -> Any:
    """One version of a subject; ``latest`` (or -1) is the newest."""
    of_subject, wanted = _of_subject(request), request.match_info["version"]
    if wanted in ("latest", "-1"):
        return _whole(of_subject[-1])
    if not _DIGITS.fullmatch(wanted):
        raise Refused(42202, f"the version {wanted!r} is neither a number from 1 on nor 'latest'")
    found = next((one for one in of_subject if str(one.version) == wanted.lstrip("0")), None)
    if found is None:
        raise Refused(40402, f"there is no version {wanted} of {of_subject[0].subject}")
    return _whole(found)


@_answers("/config")
def config(_: web.Request) -> Any:
    """How schemas may change. They are held to more than this level says: older readers must read newer events too."""
    return COMPATIBILITY


@_answers("/config/{subject}")
def config_of(request: web.Request) -> Any:
    """How the schemas of a subject may change: as all others."""
    _of_subject(request)
    return COMPATIBILITY


@_answers("/mode")
def mode(_: web.Request) -> Any:
    """Nothing can be written here."""
    return {"mode": "READONLY"}


@_answers("/")
def root(_: web.Request) -> Any:
    """Here is a registry."""
    return {}


@routes.post(BASE + "/subjects/{subject}", demands=open_to_all)
async def lookup(request: web.Request) -> web.Response:
    """The id and version under which a schema is released, which must be the same but for the order of its keys."""
    asked = (await body.whole(request)).decode(errors="replace")
    return _json(lambda _: _released_as(_of_subject(request), asked), request)


@routes.any(BASE + "/{rest:.*}", demands=open_to_all)
async def anything_else(request: web.Request) -> web.Response:
    """Writing is refused, and what is not there is not found."""
    reading = request.method in ("GET", "HEAD")
    return _json(lambda _: _refuse(404, "HTTP 404 Not Found") if reading else _refuse(405, READ_ONLY), request)


def _json(answer: Answer, request: web.Request) -> web.Response:
    try:
        said, status = answer(request), 200
    except Refused as refused:
        said, status = {"error_code": refused.code, "message": str(refused)}, int(str(refused.code)[:3])
    headers = {"Allow": "GET"} if status == 405 else {}
    return web.Response(body=json.dumps(said), status=status, headers=headers, content_type=CONTENT_TYPE)


def _refuse(code: int, message: str) -> Any:
    raise Refused(code, message)


def _whole(one: Released) -> dict[str, Any]:
    return {"subject": one.subject, "version": one.version, "id": one.id, "schema": json.dumps(one.schema)}


def _by_id(request: web.Request) -> Released:
    wanted = request.match_info["id"]
    found = by_id().get(int(wanted)) if _DIGITS.fullmatch(wanted) and len(wanted) <= LONGEST_ID else None
    if found is None:
        raise Refused(40403, f"there is no schema with the id {wanted}")
    return found


def _of_subject(request: web.Request) -> list[Released]:
    """The versions of the subject in the path, oldest first; there is at least one."""
    subject = request.match_info["subject"]
    found = [one for one in released() if one.subject == subject]
    if not found:
        raise Refused(40401, f"there is no subject {subject}")
    return found


def _released_as(of_subject: list[Released], asked: str) -> dict[str, Any]:
    try:
        wanted = json.loads(json.loads(asked)["schema"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(
            42201, "the body must be a JSON object with an Avro schema, as text, in the field schema"
        ) from None
    found = next((one for one in of_subject if one.schema == wanted), None)
    if found is None:
        raise Refused(40403, f"the schema is not released as {of_subject[0].subject}")
    return _whole(found)
