"""What may be read outside the log and its readers: masks identity numbers, personal texts and secrets, and never
lets a payload through. Used by logs and traces, whoever calls them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Any
from uuid import UUID

from schemas.catalogue import PERSONAL, event_types
from schemas.derive import derive

MASK = "***"
LONGEST = 2000
"""Characters of a text that are kept."""
MOST = 20
"""Items of a collection that are kept."""
SECRET_ENDINGS = ("passord", "password", "secret", "token", "authorization", "cookie", "apikey", "privatekey", "dsn")
PERSONAL_ENDINGS = ("fnr", "fodselsnummer", "digitalid", "navn", "epost", "email", "telefonnummer")

_ELEVEN = r"(?<!\d)\d{6}[ -]?\d{5}(?!\d)"
_ELEVEN_DIGITS = re.compile(_ELEVEN)
# Ids are words in which eleven digits may stand in a row by chance: UUIDs, trace ids (32) and SHA-256 (64).
_ID = r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{32})\b"
_ID_OR_ELEVEN_DIGITS = re.compile(f"(?P<id>{_ID})|{_ELEVEN}")


def masked_text(text: str) -> str:
    """The text with every number of eleven digits (fødselsnummer, also written 6 + 5) masked."""
    if not _ELEVEN_DIGITS.search(text):
        return text
    return _ID_OR_ELEVEN_DIGITS.sub(lambda found: found["id"] or MASK, text)


def numbers_of_eleven(text: str) -> Iterator[str]:
    """The digits of every number that ``masked_text`` masks."""
    for found in _ID_OR_ELEVEN_DIGITS.finditer(text):
        if not found["id"]:
            yield re.sub("[ -]", "", found[0])


def masked_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as JSON values that may be shown: by name where the name says so, else by what is in them."""
    return {masked_text(name): MASK if is_hidden(name) else masked(value) for name, value in fields.items()}


def masked(value: Any) -> Any:
    """A JSON value that may be shown. Of types that are not plain values only the name is told."""
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return show(value)
    return f"<{type(value).__name__}>"


@cache
def is_hidden(name: str) -> bool:
    """Whether what is called so is a secret or personal, however the name is spelled (digital_id, digitalId)."""
    plain = name.lower().replace("_", "").replace("-", "")
    return plain in _personal_names() or plain.endswith(SECRET_ENDINGS + PERSONAL_ENDINGS)


def _number(value: float) -> Any:
    return value if masked_text(text := str(value)) == text else MASK


def _items(values: Iterable[Any]) -> list[Any]:
    return [masked(value) for value, _ in zip(values, range(MOST), strict=False)]


def _words(value: object) -> str:
    return masked_text(str(value))[:LONGEST]


_SHOWN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str, _words),
    ((bool, type(None)), lambda value: value),
    ((int, float), _number),
    ((UUID, date, timedelta, PurePath, Enum), _words),
    (bytes, lambda value: f"<{len(value)} bytes>"),
    (Mapping, lambda value: masked_fields({str(name): of for name, of in value.items()})),
    ((list, tuple, set, frozenset), _items),
    (BaseException, lambda error: _words(f"{type(error).__name__}: {error}")),
)


@cache
def _personal_names() -> frozenset[str]:
    """The names of all personal fields that the catalogue knows."""
    return frozenset(name.replace("_", "") for kind in event_types().values() for name in _personal_in(derive(kind)))


def _personal_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _personal_in(branch)
    if isinstance(schema, dict):
        for field in schema.get("fields", ()):
            if _is_personal(field["type"]):
                yield field["name"]
            yield from _personal_in(field["type"])
        yield from _personal_in(schema.get("items"))


def _is_personal(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_is_personal(branch) for branch in schema)
    return isinstance(schema, dict) and (PERSONAL in schema or _is_personal(schema.get("items")))
