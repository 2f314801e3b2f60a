"""Personal text of events: where it lies, and how it is sealed and opened (DESIGN.md, rule 8). Pure; a cipher is given.

A sealed text is text, so a sealed event fits the same schema: ``fiks1:``, the suffix of the name of the key, a colon,
and what the cipher made of it, bound to the event's type, the field's path and the key id. Text without that beginning
was put on the log before texts were sealed, or before its field was personal, and is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, get_args, get_origin

import msgspec

from schemas.catalogue import event_type
from schemas.derive import fields_of, is_personal, optional_of

T = TypeVar("T")
Change = Callable[[str, str], str]
"""From a text and its path (``mottaker.navn``, ``dokumenter.0.filnavn``) to what shall stand there."""

ERASED = "(slettet)"
"""What a text reads as once its key is destroyed."""
SEALED = "fiks1:"
SUFFIX = "#"
KEPT = "fiks1\0"


class Cipher(Protocol):
    """Seals and opens under one key."""

    def seal(self, text: str, bound_to: bytes, within: str) -> str:
        """The text as other text, which opens in that place alone; the same in the same event is sealed the same."""

    def open(self, sealed: str, bound_to: bytes) -> str:
        """The text. Raises an exception of the cipher's when it was not sealed like that."""


class Place(NamedTuple):
    """What a sealed text is bound to, but for its path: the type of the event and the key id."""

    type: str
    key_id: str

    def at(self, path: str) -> bytes:
        """The associated data of the text at ``path``."""
        return f"{self.type}\0{path}\0{self.key_id}".encode()


def holds_personal(cls: type[Any]) -> bool:
    """Whether events (or views of events) of the class have personal fields."""
    return bool(_fields_with_personal(cls))


def seal(event: T, place: Place, name: str, cipher: Cipher, within: str) -> T:
    """The event with every personal text sealed under the key ``name``, within the event whose id is ``within``."""
    head = _head(name, place)
    return map_personal(event, lambda text, path: head + cipher.seal(text, place.at(path), within))


def name_of_key(event: object, place: Place) -> str | None:
    """The name of the key that the event is sealed under, None when none of its texts is."""
    return next((name for text in _texts(event) if (name := name_in(text, place)) is not None), None)


def name_in(text: str, place: Place) -> str | None:
    """The name of the key under which one text is sealed; None when it is not."""
    if not text.startswith(SEALED):
        return None
    suffix, colon, _ = text[len(SEALED) :].partition(":")
    if not colon:
        return None
    return f"{place.key_id}{SUFFIX}{suffix}" if suffix else place.key_id


def opened(event: T, place: Place, ciphers: Mapping[str, Cipher]) -> T:
    """The event with every text opened, or ERASED when ``ciphers`` has no key of its name; one in the clear as it is.

    Of an event without its key no text is told: those in the clear are of fields that became personal later. Raises
    what the ciphers raise.
    """
    if (name := name_of_key(event, place)) is None:
        return event
    if (cipher := ciphers.get(name)) is None:
        return map_personal(event, lambda _text, _path: ERASED)
    cut, open_ = len(_head(name, place)), cipher.open
    return map_personal(
        event, lambda text, path: open_(text[cut:], place.at(path)) if text.startswith(SEALED) else text
    )


def kept(event: T) -> T:
    """The event with every sealed text put beside its place, so that each can be kept and opened alone later on."""
    if not holds_personal(type(event)):
        return event
    kind = event_type(event)
    head = f"{KEPT}{kind.name}\0{kind.key_id(kind.stream(event))}\0"
    return map_personal(event, lambda text, path: f"{head}{path}\0{text}" if text.startswith(SEALED) else text)


def name_in_kept(text: str) -> str | None:
    """The name of the key that a kept text needs; None for one that is in the clear."""
    if not text.startswith(KEPT):
        return None
    place, _, sealed = _taken_apart(text)
    return name_in(sealed, place)


def open_kept(text: str, ciphers: Mapping[str, Cipher]) -> str:
    """As ``opened``, one text of an event that was ``kept``."""
    if not text.startswith(KEPT):
        return text
    place, path, sealed = _taken_apart(text)
    if (name := name_in(sealed, place)) is None or (cipher := ciphers.get(name)) is None:
        return ERASED
    return cipher.open(sealed[len(_head(name, place)) :], place.at(path))


def _taken_apart(text: str) -> tuple[Place, str, str]:
    kind, key_id, path, sealed = text[len(KEPT) :].split("\0", 3)
    return Place(kind, key_id), path, sealed


def _head(name: str, place: Place) -> str:
    return f"{SEALED}{name.removeprefix(place.key_id).removeprefix(SUFFIX)}:"


def map_personal(event: T, change: Change) -> T:
    """The event with ``change`` applied to every personal text, also inside parts, lists and optional fields."""
    return _changed(event, change, "")


def _changed(event: T, change: Change, above: str) -> T:
    fields = _fields_with_personal(type(event))
    if not fields:
        return event
    changed = {name: _mapped(getattr(event, name), change, above + name) for name in fields}
    return msgspec.structs.replace(event, **changed)  # type: ignore[type-var]


def _mapped(value: Any, change: Change, path: str) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        return change(value, path)
    if isinstance(value, tuple):
        return tuple(_mapped(one, change, f"{path}.{number}") for number, one in enumerate(value))
    return _changed(value, change, f"{path}.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    elif value is not None:
        for name in _fields_with_personal(type(value)):
            yield from _texts(getattr(value, name))


def _find_fields_with_personal(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field, annotation in fields_of(cls) if _holds_personal(annotation))


_fields_with_personal: Callable[[Any], tuple[str, ...]] = cache(_find_fields_with_personal)


def _holds_personal(annotation: Any) -> bool:
    if (inner := optional_of(annotation)) is not None:
        return _holds_personal(inner)
    if is_personal(annotation):
        return True
    if get_origin(annotation) is tuple:
        return _holds_personal(get_args(annotation)[0])
    return issubclass(annotation, msgspec.Struct) and bool(_fields_with_personal(annotation))
