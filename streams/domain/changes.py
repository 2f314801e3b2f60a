"""What becomes of a thing by an event that says only what is new of it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def changed(known: T, event: Any) -> T:
    """``known``, a dataclass, with those fields of the event that are not null."""
    own = {one.name for one in fields(known)}  # type: ignore[arg-type]  # a dataclass
    said = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
    return replace(known, **{name: said[name] for name in own & said.keys() - {"id", "fiks_org_id"}})  # type: ignore[type-var]
