"""Two organisations with an account of Fiks IO each, in a whole system: a gateway, a worker, Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from gateway.context import LOG
from gateway.seed import PROVDAL, TESTVIK
from schemas.envelope import fact
from schemas.fiks_io import MeldingSendt
from tests.support.certificates import pem
from tests.support.dokumentlager import Answer, Lager, Powers
from tests.support.gateway import running_gateway
from tests.support.stack import OwnKafka, OwnPostgres
from tests.support.workers import prepare, working

KONTOER = "/fiks-io/konto/api/v1/kontoer"
KATALOG = "/fiks-io/katalog/api/v1"
ROOT = "/fiks-io/root/api/v1/kontoer"


@dataclass(frozen=True)
class Io:
    """Who calls: administrators and integrations of A (Testvik) and B (Prøvdal), the operator, and nobody known.

    ``a_konto`` and ``b_konto`` are active accounts with a key; the integration of each may send and receive with it.
    """

    a: Lager
    b: Lager
    a_machine: Lager
    b_machine: Lager
    operator: Lager
    nobody: Lager
    a_konto: str
    b_konto: str

    async def konto(self, administrator: Lager, **says: Any) -> str:
        """A new account of the administrator's organisation."""
        konto = {"fiksOrgId": str(administrator.fiks_org_id), "navn": "Fagsystem"}
        return str((await done(administrator, "POST", KONTOER, {"konto": konto} | says))["kontoId"])


async def done(who: Lager, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """The answer of what must succeed."""
    answer = await who.ask(method, path, json=body, params=query)
    assert 200 <= answer.status < 300, (answer.status, answer.body)
    return answer.json if answer.body else None


async def refused(who: Lager, status: int, method: str, path: str, body: Any = None, **query: Any) -> Any:
    """The answer of what must not."""
    answer: Answer = await who.ask(method, path, json=body, params=query)
    assert answer.status == status, (answer.status, answer.body)
    return answer.json


async def give(administrator: Lager, machine: Lager, privilegium: str, on: str) -> None:
    """Let an integration do something."""
    right = {"aktor": machine.headers["IntegrasjonId"], "privilegium": privilegium}
    await done(administrator, "POST", f"/autorisasjon-update/api/v1/ressurs/{on}/tilganger", right)


async def take(administrator: Lager, machine: Lager, privilegium: str, on: str) -> None:
    """Let it no more."""
    right = {"aktor": machine.headers["IntegrasjonId"], "privilegium": privilegium}
    await done(administrator, "DELETE", f"/autorisasjon-update/api/v1/ressurs/{on}/tilganger", **right)


async def opened(io: Io, administrator: Lager, machine: Lager) -> str:
    """A new account that the machine may use."""
    konto = await io.konto(administrator, skalAktiveres=True)
    await give(administrator, machine, "SVARINN.SENDE_MOTTA", konto)
    return konto


async def taken_in(io: Io, avsender: str, mottaker: str, time: datetime) -> str:
    """A message from one of B to one of A that a gateway took in by whose clock it was ``time``; the id."""
    melding = MeldingSendt(
        mottaker_konto_id=UUID(mottaker),
        melding_id=uuid4(),
        avsender_konto_id=UUID(avsender),
        mottaker_org_id=io.a.fiks_org_id,
        avsender_org_id=io.b.fiks_org_id,
        avsender_navn="Fagsystem",
        melding_type="no.ks.fiks.arkiv.v1.ping",
        ttl=600_000,
        utloper=time + timedelta(minutes=10),
    )
    await io.a.app[LOG].append(melding, fact(melding, time=time, id=str(uuid4()), source="urn:test"))
    return str(melding.melding_id)


@asynccontextmanager
async def running_io(folder: Path) -> AsyncIterator[Io]:
    """All of it, started and stopped."""
    kafka, postgres = OwnKafka(folder), OwnPostgres(folder)
    await asyncio.gather(kafka.start(), postgres.start())
    await prepare(postgres.dsn)
    gateway = running_gateway(kafka.bootstrap, folder / "state", postgres.dsn)
    async with gateway as caller, working(caller.settings):
        any_ = Lager(caller.settings, caller.app, caller.session, postgres.dsn, Powers(), caller.headers)
        machines = [await any_.as_organisation(one) for one in (TESTVIK, PROVDAL)]
        a, b = [await one.as_administrator() for one in machines]
        nobody = Lager(caller.settings, caller.app, caller.session, postgres.dsn, Powers(), {})
        io = Io(a, b, *machines, await any_.as_operator(), nobody, "", "")
        for one in (a, b):
            await done(
                one, "POST", f"/konfigurasjon/api/v1/organisasjoner/{one.fiks_org_id}/tjenester/FIKS_IO/initialiser"
            )
        kontoer = []
        for administrator, machine in zip((a, b), machines, strict=True):
            kontoer.append(await io.konto(administrator, offentligNokkel=pem(), skalAktiveres=True))
            await give(administrator, machine, "SVARINN.SENDE_MOTTA", kontoer[-1])
        yield replace(io, a_konto=kontoer[0], b_konto=kontoer[1])
    await postgres.stop()
    await kafka.stop()
