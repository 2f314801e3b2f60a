"""What the door asks of others, so that it need not know how they find out."""

from __future__ import annotations

from typing import Protocol


class Authority(Protocol):
    """Who may act for which organisation."""

    async def may_act_for(self, pid: str, orgnr: str, use_cache: bool = True) -> bool:
        """Whether the person may act for the organisation. Raises Unavailable while that cannot be known."""
        ...
