"""Calls to the platform over HTTP, as an integration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession

from fiks_io.errors import HttpError, Unavailable
from fiks_io.maskinporten import Token

MOST_OF_FAULT = 64 * 1024
"""Octets of an answer that are shown when it is not what was asked for."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Integrasjon:
    """Who calls: an integration, and its password."""

    integrasjon_id: UUID
    passord: str = field(repr=False)


class Api:
    """The platform's HTTP interface at ``url``, such as ``https://api.fiks.ks.no``."""

    def __init__(self, session: ClientSession, url: str, integrasjon: Integrasjon, token: Token) -> None:
        self._session, self._url, self._integrasjon, self._token = session, url.rstrip("/"), integrasjon, token

    @asynccontextmanager
    async def call(
        self, method: str, path: str, *, expected: int = 200, as_anybody: bool = False, **content: Any
    ) -> AsyncIterator[ClientResponse]:
        """A call that is answered as ``expected``. Raises HttpError, Unavailable, and what the token source raises."""
        headers = {} if as_anybody else await self._who()
        try:
            async with self._session.request(
                method, self._url + path, headers=headers, allow_redirects=False, **content
            ) as response:
                if response.status != expected:
                    body = await response.content.read(MOST_OF_FAULT)
                    raise HttpError(response.status, body.decode(errors="replace"))
                yield response
        except (ClientError, TimeoutError) as fault:
            raise Unavailable(f"{method} {path}: {type(fault).__name__}") from fault

    async def _who(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {await self._token()}",
            "IntegrasjonId": str(self._integrasjon.integrasjon_id),
            "IntegrasjonPassord": self._integrasjon.passord,
        }


async def read(response: ClientResponse, kind: type[T]) -> T:
    """What the answer says, as a ``kind``. Raises HttpError when it does not."""
    body = await response.read()
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        raise HttpError(response.status, body[:MOST_OF_FAULT].decode(errors="replace")) from None
