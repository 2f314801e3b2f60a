"""The dictionaries of PDF files (ISO 32000-1, 7.3.7), as text that comes from strangers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

Dictionary = dict[bytes, bytes]
"""Names of entries, without the slash, and their values as they are written; a text comes as ``()``."""

STREAM = re.compile(rb">>[\0\s]*stream[ \t]*(?:\r\n?|\n)")
"""Where a dictionary ends that the bytes of a stream follow."""

_ONE = rb"(?:%[^\r\n]*|(?P<value>/?[^\0\s()<>\[\]{}/%]+|<[^<>]*>|/)|(?P<open><<|\[)|(?P<close>>>|\])|(?P<text>\())"
_TOKEN = re.compile(rb"[\0\s]*" + _ONE)
_NESTED = re.compile(rb"[^()<>\[\]{}%]*" + _ONE)
"""A token behind any number of plain values: of what nests they are not looked at one by one."""
_PARENTHESIS = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")


def dictionary(text: bytes) -> Dictionary | None:
    """The entries of the dictionary that ``text`` begins with. None when it does not end."""
    tokens = list(_tokens(text))
    if not tokens or tokens.pop() != b">>":
        return None
    entries, at = {}, 1
    while at + 1 < len(tokens):
        is_reference = tokens[at + 3 : at + 4] == [b"R"]
        end = at + (4 if is_reference else 2)
        name = _ESCAPE.sub(lambda code: bytes([int(code[1], 16)]), tokens[at].removeprefix(b"/"))
        entries[name] = b" ".join(tokens[at + 1 : end])
        at = end
    return entries


def _tokens(text: bytes) -> Iterator[bytes]:
    """The tokens of the outermost dictionary, from ``<<`` to ``>>``; what nests in it comes as one token."""
    depth, at, nested = 0, 0, 0
    while token := (_TOKEN if depth < 2 else _NESTED).match(text, at):
        at = token.end()
        match token.lastgroup:
            case "open":
                depth += 1
                if depth == 1:
                    yield token["open"]
                elif depth == 2:
                    nested = token.start("open")
            case "close":
                depth -= 1
                if depth == 0:
                    yield b">>"
                    return
                if depth == 1:
                    yield text[nested:at]
            case "text":
                at = _end_of_text(text, at)
                if depth == 1:
                    yield b"()"
            case "value" if depth == 1:
                yield token["value"]


def _end_of_text(text: bytes, at: int) -> int:
    """Where the literal string ends whose opening parenthesis is behind us."""
    depth = 1
    for found in _PARENTHESIS.finditer(text, at):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)
