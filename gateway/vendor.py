"""A vendor, for the demo: an integration of Testvik kommune that sends by REST v2 as the published client does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import aiohttp

from gateway.auth.grant import token_for
from gateway.sample import CLIENT_HEADERS, forsendelse, multipart
from gateway.seed import PROVDAL, TESTVIK, credentials
from infra.settings import Settings


class Vendor:
    """Each call returns the HTTP status and the JSON of the answer."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self.base = f"http://{settings.gateway_host}:{settings.gateway_port}/api/v2"
        self._session = session

    async def send(self, filnavn: str, content: bytes, reference: str) -> tuple[int, Any]:
        """Send a PDF to Prøvdal kommune."""
        content_type, body = multipart(forsendelse(PROVDAL.orgnr, filnavn, reference), filnavn, content)
        path = f"/kontoer/{TESTVIK.id('konto')}/forsendelser/"
        return await self._call("POST", path, data=body, headers={"Content-Type": content_type})

    async def status(self, id_: UUID) -> tuple[int, Any]:
        path = f"/kontoer/{TESTVIK.id('konto')}/forsendelser/status-sok"
        return await self._call("POST", path, json={"forsendelseIds": [str(id_)]})

    async def hendelser(self, id_: UUID) -> tuple[int, Any]:
        return await self._call("GET", f"/forsendelser/{id_}/hendelser")

    async def _call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self._session.request(method, self.base + path, **more) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


def own_credentials(settings: Settings) -> dict[str, str]:
    """Its kontoId, integrasjonId and integrasjonPassord."""
    (mine,) = (one for one in credentials(settings.state) if one["orgnr"] == TESTVIK.orgnr)
    return mine


@asynccontextmanager
async def vendor(settings: Settings) -> AsyncIterator[Vendor]:
    """The vendor, with a token of the test issuer and the integration's password."""
    mine = own_credentials(settings)
    headers = CLIENT_HEADERS | {
        "Authorization": f"Bearer {await token_for(settings.issuer, TESTVIK.orgnr)}",
        "IntegrasjonId": mine["integrasjonId"],
        "IntegrasjonPassord": mine["integrasjonPassord"],
    }
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Vendor(settings, session)
