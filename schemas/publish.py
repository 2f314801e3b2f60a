"""Publishes the released schemas to an external schema registry, under our ids, so that it can stand in for ours.

Confluent Schema Registry API: a subject in mode IMPORT takes the id and the version from the caller.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from schemas.registry import Released

TIMEOUT = 30
CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class Refused(Exception):
    """The registry does not take our schemas, or holds others under their names."""


class SchemaRegistry:
    """A registry at ``url`` (http or https). ``credentials`` are ``name:password`` for HTTP Basic, or None."""

    def __init__(self, url: str, credentials: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no http or https address of a schema registry")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE}
        if credentials:
            self._headers["Authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"

    def version(self, subject: str, version: int) -> dict[str, Any] | None:
        """What the registry holds as that version of the subject: ``{"id", "schema", …}``, or None."""
        try:
            return self._ask("GET", f"/subjects/{quote(subject)}/versions/{version}")
        except HTTPError as answer:
            if answer.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def import_versions(self, subject: str, versions: Iterable[Released]) -> None:
        """Put versions in with their ids. The subject is back in the registry's own mode afterwards."""
        self._ask("PUT", f"/mode/{quote(subject)}?force=true", {"mode": "IMPORT"})
        try:
            for one in versions:
                body = {"schema": json.dumps(one.schema), "schemaType": "AVRO", "id": one.id, "version": one.version}
                self._ask("POST", f"/subjects/{quote(subject)}/versions", body)
        finally:
            self._ask("DELETE", f"/mode/{quote(subject)}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        asked = Request(self._url + path, data, self._headers, method=method)  # noqa: S310  # the scheme is checked
        with urlopen(asked, timeout=TIMEOUT) as answer:  # noqa: S310
            answered: dict[str, Any] = json.load(answer)
            return answered


def publish(registry: SchemaRegistry, released: Iterable[Released]) -> list[Released]:
    """Put into the registry what it lacks. Returns what was put; repeating it is harmless.

    Raises Refused when the registry refuses, or holds another schema or another id as one of our versions.
    """
    missing: dict[str, list[Released]] = {}
    for one in released:
        if (held := registry.version(one.subject, one.version)) is None:
            missing.setdefault(one.subject, []).append(one)
        elif held["id"] != one.id or json.loads(held["schema"]) != one.schema:
            raise Refused(f"the registry holds {one.subject} version {one.version} as id {held['id']}, not as ours")
    for subject, versions in missing.items():
        try:
            registry.import_versions(subject, versions)
        except HTTPError as answer:
            raise Refused(f"{subject}: {answer.code} {answer.read().decode(errors='replace')}") from answer
    return [one for versions in missing.values() for one in versions]
