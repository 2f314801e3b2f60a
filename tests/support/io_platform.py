"""A stand-in for the platform's HTTP interface of Fiks IO: accounts, what is sent, and large payloads, all in a folder.

Contract: fiks-io.md 1.4, 1.5 and 2.5.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.amqp.deliveries import Melding
from gateway.multipart import Multipart
from schemas.errors import Unreadable
from tests.support.deliveries import MemoryDeliveries

LARGE = 5_000_000
"""Octets from which a payload lies in Dokumentlager."""
TOKEN, INTEGRASJON, PASSORD = "et-token", UUID(int=0xA2), "riktig"


@dataclass
class Platform:
    """What the accounts are, what came, and the queues into which it goes."""

    folder: Path
    queues: MemoryDeliveries
    keys: dict[UUID, x509.Certificate] = field(default_factory=dict)
    sent: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    cut: int = 0
    """How many calls to send broke off."""
    fault: web.HTTPException | None = None
    """What everything is answered with, if anything is."""
    address: str = ""
    token: str = TOKEN

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._door], client_max_size=2**40)
        app.add_routes(
            [
                web.post("/fiks-io/api/v1/send", self._send),
                web.get("/fiks-io/katalog/api/v1/kontoer/{konto}", self._konto),
                web.get("/fiks-io/katalog/api/v1/kontoer/{konto}/status", self._status),
                web.get("/fiks-io/katalog/api/v1/kontoer/{konto}/offentligNokkel", self._key),
                web.get("/dokumentlager/nedlasting/{dokument}", self._download),
            ]
        )
        return app

    @web.middleware
    async def _door(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.fault is not None:
            raise self.fault
        shown = [request.headers.get(name) for name in ("Authorization", "IntegrasjonId", "IntegrasjonPassord")]
        wanted = [f"Bearer {self.token}", str(INTEGRASJON), PASSORD]
        if shown != ([None] * 3 if request.path.endswith("/offentligNokkel") else wanted):
            raise web.HTTPUnauthorized(text='{"message": "Klarte ikke å validere access_token"}')
        response: web.StreamResponse = await handler(request)
        return response

    async def _send(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(await self._received(request), status=202)
        except (ConnectionError, Unreadable, asyncio.CancelledError):
            self.cut += 1
            raise

    async def _received(self, request: web.Request) -> dict[str, Any]:
        parts = Multipart(request.headers["Content-Type"], request.content.readany)
        part = await parts.next_part()
        assert part is not None
        assert (part.name, part.content_type, part.filename) == ("metadata", "application/json", None)
        metadata = json.loads(await parts.whole(100_000))
        melding_id, path, size = uuid4(), self.folder / str(uuid4()), 0
        if data := await parts.next_part():
            assert (data.name, data.content_type) == ("data", "application/octet-stream")
            assert UUID(data.filename)
            with path.open("wb") as file:
                async for chunk in parts.content():
                    size += file.write(chunk)
            assert await parts.next_part() is None
        dokument, ttl = path.name if size > LARGE else None, metadata["ttl"] or 604_800_000
        self.sent.append(metadata | {"size": size})
        headers = {"melding-id": str(melding_id), "type": metadata["meldingType"]}
        headers["avsender-id"] = metadata["avsenderKontoId"]
        headers |= {f"egendefinert-header.{name}": value for name, value in metadata["headere"].items()}
        headers |= {"svar-til": metadata["svarPaMelding"]} if metadata["svarPaMelding"] else {}
        headers |= {"dokumentlager-id": dokument} if dokument else {}
        body = path.read_bytes() if size and not dokument else b""
        self.queues.put(UUID(metadata["mottakerKontoId"]), Melding(headers, body, ttl))
        return metadata | {
            "meldingId": str(melding_id),
            "ttl": ttl,
            "dokumentlagerId": dokument,
        }

    async def _konto(self, request: web.Request) -> web.Response:
        konto_id = self._known(request)
        about = {"kontoNavn": "Postmottak", "fiksOrgId": str(UUID(int=1)), "fiksOrgNavn": "Testvik"}
        about |= {"organisasjonsnummer": "310991007", "kommunenummer": None, "noe nytt": 1}
        return web.json_response(about | {"kontoId": str(konto_id), "status": STATUS})

    async def _status(self, request: web.Request) -> web.Response:
        self._known(request)
        return web.json_response(STATUS)

    async def _key(self, request: web.Request) -> web.Response:
        certificate = self.keys[self._known(request)]
        pem = certificate.public_bytes(Encoding.PEM).decode()
        return web.json_response({"nokkel": pem, "validFrom": None, "valid": True})

    async def _download(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(self.folder / request.match_info["dokument"])

    def _known(self, request: web.Request) -> UUID:
        konto_id = UUID(request.match_info["konto"])
        if konto_id not in self.keys:
            raise web.HTTPNotFound(text='{"message": "Fant ikke konto"}')
        return konto_id


STATUS = {
    "gyldigAvsender": True,
    "gyldigMottaker": True,
    "antallKonsumenter": 1,
    "antallUavhentedeMeldinger": 2,
    "melding": None,
}


@asynccontextmanager
async def running_platform(folder: Path, queues: MemoryDeliveries) -> AsyncIterator[Platform]:
    """A platform that answers."""
    platform = Platform(folder, queues)
    async with TestServer(platform.app()) as server:
        platform.address = str(server.make_url(""))
        yield platform
