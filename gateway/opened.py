"""Opens the personal texts in what is about to be answered: the memory keeps them as the log has them, sealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from gateway.context import LOG
from gateway.routes import as_json
from schemas.personal import KEPT
from streams.sealing import opened_texts


async def as_opened(request: web.Request, said: Any) -> web.Response:
    """An answer as JSON in which every kept text is in the clear, ERASED where its key is gone; one query for all.

    Raises Unavailable when the keys cannot be read.
    """
    texts = {text for text in texts_in(said) if text.startswith(KEPT)}
    return as_json(_with(said, await opened_texts(request.app[LOG].keys, texts)) if texts else said)


def texts_in(said: Any) -> Iterator[str]:
    """Every text in what is JSON, but for the names of fields."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, dict):
        for one in said.values():
            yield from texts_in(one)
    elif isinstance(said, list | tuple):
        for one in said:
            yield from texts_in(one)


def _with(said: Any, texts: dict[str, str]) -> Any:
    if isinstance(said, str):
        return texts.get(said, said)
    if isinstance(said, dict):
        return {name: _with(one, texts) for name, one in said.items()}
    return [_with(one, texts) for one in said] if isinstance(said, list | tuple) else said
