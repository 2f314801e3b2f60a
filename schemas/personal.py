"""Where the personal text of an event lies, and how to change it in place.

This is the seam at which personal fields are sealed before an event is encoded and opened after it was decoded
(DESIGN.md, rule 8): ciphertext is text, so a sealed event fits the same schema.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from schemas.derive import fields_of, is_personal, optional_of

T = TypeVar("T")
Change = Callable[[str], str]


def map_personal(event: T, change: Change) -> T:
    """The event with ``change`` applied to every personal text, also inside parts, lists and optional fields."""
    fields = _fields_with_personal(type(event))  # type: ignore[arg-type]  # a class is hashable
    if not fields:
        return event
    changed = {name: _mapped(getattr(event, name), change) for name in fields}
    return msgspec.structs.replace(event, **changed)  # type: ignore[type-var]


def _mapped(value: Any, change: Change) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_mapped(one, change) for one in value)
    return map_personal(value, change)


@cache
def _fields_with_personal(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field, annotation in fields_of(cls) if _holds_personal(annotation))


def _holds_personal(annotation: Any) -> bool:
    if (inner := optional_of(annotation)) is not None:
        return _holds_personal(inner)
    if is_personal(annotation):
        return True
    if get_origin(annotation) is tuple:
        return _holds_personal(get_args(annotation)[0])
    return issubclass(annotation, msgspec.Struct) and bool(_fields_with_personal(annotation))
