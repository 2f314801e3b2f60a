"""Accounts of Fiks IO at a gateway, and messages in the wire shapes of both published clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.auth.grant import token_for
from gateway.auth.memory import MEMORY
from gateway.context import BLOBS, LOG
from gateway.seed import PROVDAL, TESTVIK, Organisation, credentials
from infra.sealed_blobs import opened
from schemas.envelope import fact
from schemas.fiks_io import MeldingSendt
from schemas.fiks_io_konto import KontoAktivert, OffentligNokkelSatt
from schemas.konfigurasjon import KontoOpprettet, PrivilegieTildelt
from streams.domain.fiks_io_konto import SENDE_MOTTA
from streams.domain.konfigurasjon import integrasjon_aktor
from tests.support.cms import key_pair
from tests.support.gateway import Caller, ends_of, events_after, running_gateway

TYPE = "no.ks.fiks.arkiv.v1.ping"
JAVA, DOTNET = "httpclient_boundary_52fa1e0c-8c0e-4a2c-9b57-7c5c1f3f0a11", "d9c1b2f6-5f0e-4b6f-8a53-0b3f6f3e2c01"
FILE = "6a1b0c3d-8e4f-4b7a-9d21-3f5e7a9c1b2d"
AS_JAVA = f"multipart/form-data; charset=ISO-8859-1; boundary={JAVA}"
AS_DOTNET = f'multipart/form-data; boundary="{DOTNET}"'
FIELDS = ["meldingId", "meldingType", "avsenderKontoId", "mottakerKontoId"]
FIELDS += ["ttl", "dokumentlagerId", "svarPaMelding", "headere"]


@dataclass(frozen=True)
class Sender:
    """A client that sends for ``konto``, an account of Testvik, to ``mottaker``, one of Prøvdal."""

    caller: Caller
    headers: Mapping[str, str]
    konto: UUID
    mottaker: UUID

    @property
    def blobs(self) -> Path:
        return self.caller.settings.state / "blobs"

    def metadata(self, **said: Any) -> bytes:
        """The metadata of a message between the two."""
        accounts = {"avsenderKontoId": str(self.konto), "mottakerKontoId": str(self.mottaker)}
        return specification(**accounts | said)

    async def send(self, body: bytes | AsyncIterator[bytes], kind: str = AS_JAVA, **headers: str) -> tuple[int, Any]:
        """Post a body; status and JSON of the answer."""
        url, own = f"{self.caller.url}/fiks-io/api/v1/send", {**self.headers, "Content-Type": kind} | headers
        data = BytesIO(body) if isinstance(body, bytes) else body
        async with self.caller.session.post(url, data=data, headers=own) as answer:
            return answer.status, await answer.json()

    async def sent(self, content: bytes | None = None, **said: Any) -> tuple[dict[str, Any], MeldingSendt]:
        """Send what must be taken in; the answer, and what the log says, its headers still sealed."""
        marks = await ends_of(self.caller.settings.kafka, "fiks.io")
        status, answer = await self.send(java(self.metadata(**said), content))
        assert status == 202, answer
        [recorded] = await events_after(self.caller.settings.kafka, marks, "fiks.io")
        assert str(recorded.event.melding_id) == answer["meldingId"]
        return answer, recorded.event

    async def content_of(self, melding: MeldingSendt) -> bytes:
        """What was stored as the content of a small message, opened by its key as this gateway still remembers it."""
        assert melding.blob is not None
        assert melding.nokkel is not None
        key = (await self.caller.app[LOG].keys.get_many([melding.nokkel]))[melding.nokkel]
        return await opened(self.caller.app[BLOBS], key, melding.blob, melding.storrelse)

    async def say(self, *events: Any) -> None:
        """Append configuration, and wait until the gateway knows it."""
        await configured(self.caller.app, *events)

    async def as_organisation(self, organisation: Organisation, konto: UUID, mottaker: UUID) -> Sender:
        """The integration of an organisation, for other accounts."""
        known = next(one for one in credentials(self.caller.settings.state) if one["orgnr"] == organisation.orgnr)
        headers = {
            "Authorization": f"Bearer {await token_for(self.caller.settings.issuer, organisation.orgnr)}",
            "IntegrasjonId": known["integrasjonId"],
            "IntegrasjonPassord": known["integrasjonPassord"],
        }
        return replace(self, headers=headers, konto=konto, mottaker=mottaker)


def specification(**said: Any) -> bytes:
    """The metadata as the Java client writes it, nulls and all."""
    unset = {"meldingType": TYPE, "svarPaMelding": None, "ttl": None, "headere": {}}
    return json.dumps(unset | said, ensure_ascii=False).encode()


def java(metadata: bytes, data: bytes | None = None, *, end: bool = True) -> bytes:
    """A body byte for byte as Apache HttpClient 5 writes it for the Java client."""
    body = _part(JAVA, 'form-data; name="metadata"', "application/json; charset=UTF-8", metadata)
    if data is not None:
        body += _part(JAVA, f'form-data; name="data"; filename="{FILE}"', "application/octet-stream", data)
    return body + (f"--{JAVA}--\r\n".encode() if end else b"")


def dotnet(metadata: bytes, data: bytes | None = None) -> bytes:
    """A body byte for byte as MultipartFormDataContent writes it for the .NET client."""
    head = f"--{DOTNET}\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=metadata\r\n\r\n"
    body = head.encode() + metadata
    if data is not None:
        named = f"Content-Disposition: form-data; name=data; filename={FILE}; filename*=utf-8''{FILE}\r\n\r\n"
        body += f"\r\n--{DOTNET}\r\n{named}".encode() + data
    return body + f"\r\n--{DOTNET}--\r\n".encode()


def _part(boundary: str, disposition: str, kind: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def konto_made(organisation: Organisation, konto: UUID) -> list[Any]:
    """An account of the organisation that sends and receives, and that its integration may use."""
    owner, integrasjon = organisation.id("organisasjon"), organisation.id("integrasjon")
    pem = key_pair().certificate.public_bytes(Encoding.PEM).decode()
    who = {"fiks_org_id": owner, "konto_id": konto, "endret": datetime.now(UTC), "endret_av": "person:test"}
    return [
        KontoOpprettet(fiks_org_id=owner, konto_id=konto, tjeneste="fiks_io", navn=f"Arkiv {organisation.navn}"),
        KontoAktivert(**who),
        OffentligNokkelSatt(pem=pem, **who),
        PrivilegieTildelt(
            fiks_org_id=owner, aktor=integrasjon_aktor(integrasjon), ressurs_id=konto, privilegium=SENDE_MOTTA
        ),
    ]


@asynccontextmanager
async def running_sender(kafka: str, state: Path, **more: Any) -> AsyncIterator[Sender]:
    """A gateway with an account of each of two organisations, and the client of the first."""
    async with running_gateway(kafka, state, **more) as caller:
        sender = Sender(caller, caller.headers, uuid4(), uuid4())
        await sender.say(*konto_made(TESTVIK, sender.konto), *konto_made(PROVDAL, sender.mottaker))
        yield sender


async def configured(app: web.Application, *events: Any) -> None:
    """Append configuration, and wait until the gateway knows it."""
    for event in events:
        about = fact(event, time=datetime.now(UTC), id=str(uuid4()), source="urn:test")
        async with app[MEMORY].expecting(about.id) as known:
            await app[LOG].append(event, about)
            await known
