"""The load of a chaos run: sends and reports of reading through any gateway, remembered as they were answered."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.auth.grant import token_for
from gateway.seed import credentials
from tests.chaos.history import Call
from tests.support.gateway import BOUNDARY, form
from tests.support.pdfs import pdf

RENEWED = 200.0
"""Seconds from one token to the next: one lasts for ten minutes, a run for as long as it likes."""
READ_SHARE = 0.2
"""How many of the acknowledged forsendelser are then reported as read."""


@dataclass(slots=True)
class Load:
    """A generator of ``rate`` calls a second. ``calls`` is the history."""

    urls: list[str]
    headers: dict[str, str]
    konto_id: str
    rate: float
    random: random.Random
    calls: list[Call] = field(default_factory=list)
    refused: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Call until told to stop, then wait for the answers that are outstanding."""
        async with ClientSession(timeout=ClientTimeout(total=30)) as session, asyncio.TaskGroup() as under_way:
            while not stop.is_set():
                call = Call(f"chaos-{len(self.calls)}")
                self.calls.append(call)
                under_way.create_task(self._call(session, call))
                await asyncio.sleep(self.random.expovariate(self.rate))

    async def _call(self, session: ClientSession, call: Call) -> None:
        metadata = {
            "tittel": "Kaos",
            "mottaker": {"navn": "Ola Nordmann", "digitalId": "15819000066", "poststed": "Oslo", "postnummer": "0155"},
            "eksternReferanse": call.tag,
            "dokumenter": [{"filnavn": "brev.pdf", "mimeType": "application/pdf"}],
        }
        body = form(json.dumps(metadata).encode(), [('filename="brev.pdf"', PDF)])
        path = f"/api/v2/kontoer/{self.konto_id}/forsendelser/"
        content_type = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
        answer = await self._post(session, path, data=body, headers=self.headers | content_type)
        if answer is None:
            self.refused += 1
            return
        call.answered = UUID(answer["id"])
        if self.random.random() < READ_SHARE:
            await self._report_read(session, call)

    async def _report_read(self, session: ClientSession, call: Call) -> None:
        await asyncio.sleep(self.random.random())
        lest = {"fnr": "15819000066", "tidspunkt": datetime.now(UTC).isoformat()}
        path = f"/api/v2/forsendelser/{call.answered}/lest"
        headers = self.headers | {"X-Request-Id": call.report}
        call.read = await self._post(session, path, json=lest, headers=headers) is not None

    async def _post(self, session: ClientSession, path: str, **request: Any) -> dict[str, Any] | None:
        """The answer of a 2xx; None when it was refused or the connection broke."""
        try:
            async with session.post(self.random.choice(self.urls) + path, **request) as answer:
                if answer.status >= 300:
                    return None
                return {} if answer.status == 204 else await answer.json()
        except (ClientError, TimeoutError, ConnectionError):
            return None


PDF = pdf(pages=1)


async def caller(issuer: str, state: Path, number: int = 0) -> tuple[dict[str, str], dict[str, str]]:
    """The headers of a seeded integration, and what was seeded for it."""
    known = credentials(state)[number]
    token = await token_for(issuer, known["orgnr"], "ks:fiks")
    headers = {
        "Authorization": f"Bearer {token}",
        "IntegrasjonId": known["integrasjonId"],
        "IntegrasjonPassord": known["integrasjonPassord"],
    }
    return headers, known


@asynccontextmanager
async def renewing(issuer: str, state: Path, headers: Mapping[int, Sequence[dict[str, str]]]) -> AsyncIterator[None]:
    """Keep the headers of ``caller`` valid, by its number, for as long as this lasts."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEWED)
            for number, of_one in headers.items():
                fresh, _ = await caller(issuer, state, number)
                for one in of_one:
                    one.update(fresh)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(renew())
        yield
        task.cancel()
