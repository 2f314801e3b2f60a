"""Whether what a caller knows of a representation is how it is: If-Match and If-None-Match. RFC 9110, 13.1. Pure.

``etag`` is the strong entity-tag of the representation, quotes included. A header that was not sent demands nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


def is_as_known(asked: Mapping[str, str], etag: str) -> bool:
    """Whether If-Match lets the call be carried out: it names the very tag, or any. Weak tags never match."""
    return "If-Match" not in asked or any(one in ("*", etag) for one in _tags(asked["If-Match"]))


def is_at_hand(asked: Mapping[str, str], etag: str) -> bool:
    """Whether If-None-Match says that the caller has it. Weak or strong makes no difference here."""
    return any(one == "*" or one.removeprefix("W/") == etag for one in _tags(asked.get("If-None-Match", "")))


def _tags(header: str) -> Iterator[str]:
    """The parts of a list of tags. A tag of ours has no comma, so it does not matter that others' may be cut."""
    return (one.strip() for one in header.split(","))
