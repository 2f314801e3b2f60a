"""The name of an upload that is made in several calls: whose it is and until when it lives stand in it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

LIFETIME = timedelta(days=7)
"""From the first call of an upload to the last that it may take."""
UTFALL = "utfall"
"""What lies under this name says that the upload was decided: it became a document, or was given up."""
FERDIG = "ferdig"
"""What lies under this name says which document it became."""

_ID = re.compile(r"([0-9a-f]{8})[0-9a-f]{32}")
_NAME = re.compile(rf"(opplasting-[0-9a-f]{{32}}-({_ID.pattern}))/(.+)")


def id_of(expires: datetime, random: str) -> str:
    """The id of a new upload. ``random`` are 32 hex digits."""
    return f"{int(expires.timestamp()):08x}{random}"


def expiry_of(opplasting_id: str) -> datetime | None:
    """When the upload of that id expires; None when it is no id."""
    found = _ID.fullmatch(opplasting_id)
    return datetime.fromtimestamp(int(found[1], 16), UTC) if found else None


def folder_of(konto_id: UUID, opplasting_id: str) -> str:
    """Where in the blob store all of an upload lies."""
    return f"opplasting-{konto_id.hex}-{opplasting_id}"


def placed(blob: str) -> tuple[str, str, datetime] | None:
    """The upload's folder, the name in it, and when the upload expires; None for a blob that belongs to none."""
    found = _NAME.fullmatch(blob)
    if found is None or (expires := expiry_of(found[2])) is None:
        return None
    return found[1], found[4], expires
