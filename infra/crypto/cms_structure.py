"""Whether a CMS message (RFC 5652, 5083) is there as a whole, seen as it passes, in constant memory and without a key.

What the KS client sends when its own source fails is an envelope that was cut off and looks complete to HTTP; its
receiver may take it for whole. The lengths of BER show that. What stands in the message is nobody's business here.
"""

from __future__ import annotations

from fiks_cms.ber import OID, SEQUENCE, NotBer, Reader, encoded, oid
from fiks_cms.content import AUTH_ENVELOPED_DATA, ENVELOPED_DATA
from schemas.errors import Unreadable

SIGNED_DATA = oid("1.2.840.113549.1.7.2")
KINDS = tuple(encoded(OID, kind) for kind in (ENVELOPED_DATA, AUTH_ENVELOPED_DATA, SIGNED_DATA))
HEAD = 2 + 8 + max(map(len, KINDS))
"""Octets that tell whether it is CMS: a tag, the longest length, and which kind."""


class NotWhole(Unreadable):
    """It begins as a CMS message does, but lengths within it do not add up, or it does not end where it should."""

    def __init__(self) -> None:
        super().__init__(
            "Ugyldig innhold: delen data begynner som CMS, men er avkortet eller skadet. Send hele innholdet på nytt"
        )


class Structure:
    """Content that passes by. Whatever does not begin as a CMS message may be anything. Every call raises NotWhole."""

    def __init__(self) -> None:
        self._head = b""
        self._is_begun = False
        self._has_ended = True
        self._reader: Reader | None = None

    def update(self, data: bytes) -> None:
        """The next part of the content."""
        if self._is_begun:
            self._walk(data)
        elif len(self._head) + len(data) < HEAD:
            self._head += data
        else:
            self._begin(self._head + data)

    def finish(self) -> None:
        """The content has ended."""
        if not self._is_begun:
            self._begin(self._head)
        if not self._has_ended:
            raise NotWhole

    def _begin(self, head: bytes) -> None:
        self._is_begun = True
        if begins_as_cms(head):
            self._reader = Reader()
            self._reading = self._reader.skip()
            self._walk(head)

    def _walk(self, data: bytes) -> None:
        if self._reader is None:
            return
        self._reader.feed(data)
        try:
            self._has_ended = next(self._reading, self) is self
        except NotBer:
            raise NotWhole from None
        if self._has_ended and not self._reader.at_end_of_input:
            raise NotWhole


def begins_as_cms(head: bytes) -> bool:
    """Whether content does whose first ``HEAD`` octets these are; all of it, where it has fewer.

    It does if a SEQUENCE begins with the object identifier of a kind, or with as much of one as there is. Where nothing
    of one is there, its length must be of a form that every envelope has and no text in UTF-8 (0x80 to 0x88): "0" is
    octet 0x30 too, so "0123" is text, and of one octet nobody can tell.
    """
    if len(head) < 2 or head[0] != SEQUENCE:
        return False
    told = head[1] & 0x7F if head[1] > 0x80 else 0
    if told > 8:
        return False
    kind = head[2 + told :]
    return any(kind.startswith(one) or one.startswith(kind) for one in KINDS) if kind else head[1] >= 0x80
