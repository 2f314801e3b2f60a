"""What a benchmark was asked for on its command line."""

from __future__ import annotations

import re
import sys


def asked(name: str, usage: str = "", form: str = "") -> list[str]:
    """The arguments. Where they, joined by spaces, are not of that form, the process ends with the usage instead."""
    arguments = sys.argv[1:]
    if not re.fullmatch(form, " ".join(arguments)):
        print(f"usage: make bench NAME={name}", f'[ARGS="{usage}"]' if usage else "without ARGS", file=sys.stderr)
        sys.exit(2)
    return arguments
