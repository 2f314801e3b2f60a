"""Who owns a property unit: a port, and who stands in for it until the land register is connected."""

from __future__ import annotations

from typing import Protocol

from aiohttp.web import AppKey

from schemas.dokumentlager import Matrikkelenhet


class Eiere(Protocol):
    """Whoever can tell the owners of property units."""

    async def owns(self, pid: str, enhet: Matrikkelenhet) -> bool:
        """Whether the person owns the unit now, alone or with others. Raises Unavailable while that cannot be known."""
        ...


class UkjenteEiere:
    """Knows of no owner, so nobody is let in as one."""

    async def owns(self, pid: str, enhet: Matrikkelenhet) -> bool:
        """No."""
        return False


EIERE: AppKey[Eiere] = AppKey("eiere")
"""``app[EIERE]``: where handlers find it."""
