"""Names of files in a container: which of them are content, and which can be written to a disk without harm."""

from __future__ import annotations

import unicodedata

META_INF = "META-INF/"
MIMETYPE = "mimetype"
NEVER = "\\\ufffe\uffff"
"""The separator of other systems, and what XML cannot say."""


def is_content(name: str) -> bool:
    """Whether a file of this name is content of a message: it leads into the folder where it is put, on any system."""
    return (
        not any(part in ("", ".", "..") for part in name.split("/"))
        and not any(letter in NEVER or unicodedata.category(letter) in ("Cc", "Cs") for letter in name)
        and name[1:2] != ":"
        and not name.upper().startswith(META_INF)
        and name != MIMETYPE
    )
