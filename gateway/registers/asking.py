"""Asks another's HTTP API for JSON: bounded in time, once more where the connection failed. What was asked is a read,
so asking twice does no harm. Nothing of a question or an answer is logged: both are about persons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import ClientConnectionError, ClientError, ClientSession, ClientTimeout, ServerTimeoutError

from infra.logs import logger
from streams.domain.errors import Unavailable

log = logger(__name__)

PATIENCE = ClientTimeout(total=5, sock_connect=2)
LARGEST = 16 << 20
"""Bytes of an answer, at most: more than any that Altinn gives for a person with a thousand clients."""


class Refused(Unavailable):
    """The register does not know our token: a new one may do."""


async def ask(session: ClientSession, method: str, url: str, headers: Mapping[str, str], **body: Any) -> Any:
    """The JSON of the answer to a question; text where it is no JSON. ``body`` is aiohttp's ``json`` or ``data``.

    Raises Refused on 401, and Unavailable when there is no answer of 200 within the bounds above.
    """
    try:
        try:
            status, text = await _once(session, method, url, headers, body)
        except ServerTimeoutError:  # to wait as long again would keep our own caller waiting
            raise
        except ClientConnectionError:
            status, text = await _once(session, method, url, headers, body)
    except (ClientError, TimeoutError, ValueError) as fault:
        log.warning("a register does not answer", url=url, fault=type(fault).__name__)
        raise _away() from fault
    if status != HTTPStatus.OK:
        log.warning("a register refuses", url=url, status=status)
        raise _away(Refused if status == HTTPStatus.UNAUTHORIZED else Unavailable)
    return _json_or_text(text)


async def _once(
    session: ClientSession, method: str, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> tuple[int, str]:
    async with session.request(method, url, headers=headers, timeout=PATIENCE, allow_redirects=False, **body) as answer:
        content = bytearray()
        async for part in answer.content.iter_any():
            content += part
            if len(content) > LARGEST:
                raise ValueError(f"the answer is larger than {LARGEST} bytes")
        return answer.status, content.decode()


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _away(kind: type[Unavailable] = Unavailable) -> Unavailable:
    return kind("Et register som vi spør, svarer ikke akkurat nå. Prøv igjen")
