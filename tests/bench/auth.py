"""What knowing who may what costs: decisions, start-up and memory, revocation on two gateways, and the send call.

Run: ``python -m tests.bench.auth``. The configuration is 500 organisations, 20,000 integrations and 500,000 grants;
each change lies on the log as it does in earnest, a command and what was decided about it. One start reads all of the
log, the next one begins with the snapshot that the first has left. ``ARGS=small`` is a tenth.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import uvloop
from aiohttp import web
from pamqp import commands

import gateway.app
from gateway.auth.demands import Caller
from gateway.auth.grant import token_for
from gateway.auth.memory import Memory
from gateway.auth.principal import PRINCIPAL, Principal
from gateway.auth.snapshot import SnapshotFile
from gateway.seed import credentials, seed
from infra.settings import Settings
from schemas.envelope import By, Envelope, decided, fact
from schemas.konfigurasjon import (
    IntegrasjonOpprettet,
    OrganisasjonOpprettet,
    PrivilegieTildelt,
    RessursOpprettet,
)
from schemas.konfigurasjon_commands import GrantPrivilegium
from schemas.topics import TOPICS
from streams import topics
from streams.domain.configuration import Configuration
from streams.domain.errors import Unavailable
from streams.domain.konfigurasjon import integrasjon_aktor
from streams.log import Log
from tests.bench.accept import LOAD, ROUNDS, SERVER, accepting, load, medians, process, ready, request
from tests.bench.arguments import asked
from tests.bench.report import Report
from tests.support.amqp_raw import Raw
from tests.support.dokumentlager import Lager, gateway_process, running_lager
from tests.support.fiks_io_konto import give
from tests.support.gateway import lasting_tokens
from tests.support.issuer import running_issuer
from tests.support.ports import free_port
from tests.support.revoking import KONTO, RIGHT, consuming, reader, status, without_the_right
from tests.support.stack import OwnKafka, temporary_folder

NAMES = UUID("0d4a2f6e-3f0b-5c52-9a7e-64a1b0a0c001")
ORGANISATIONS, INTEGRATIONS, GRANTS, ACCOUNTS = 500, 40, 25, 30
"""How many organisations, integrations of each, grants of each integration, and accounts of each organisation."""
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
ADMIN = "person:administrator"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$" + "x" * 22 + "$" + "y" * 43
DECISIONS = 300_000
REVOCATIONS = 200
AT_ONCE = 1_000


def made(organisation: int, what: str, number: int = 0) -> UUID:
    """The id of something in an organisation."""
    return uuid5(NAMES, f"{organisation}/{what}/{number}")


def configuration_of(number: int) -> Iterator[Any]:
    """All that happened in an organisation."""
    owner, service = made(number, "organisasjon"), made(number, "tjeneste")
    yield OrganisasjonOpprettet(fiks_org_id=owner, orgnr="310991007", navn=f"Kommune {number}")
    yield PrivilegieTildelt(fiks_org_id=owner, aktor=ADMIN, ressurs_id=owner, privilegium="ADMIN")
    below = partial(RessursOpprettet, fiks_org_id=owner)
    yield below(ressurs_id=service, forelder_id=owner, type="SVARUT", navn="SvarUt")
    for account in range(ACCOUNTS):
        yield below(ressurs_id=made(number, "konto", account), forelder_id=service, type="SVARUT_KONTO", navn="Konto")
    for one in range(INTEGRATIONS):
        id_ = made(number, "integrasjon", one)
        yield IntegrasjonOpprettet(
            fiks_org_id=owner, integrasjon_id=id_, autorisert_orgnr="310991007", navn="Fagsystem", passord_hash=HASH
        )
        for account in range(GRANTS):
            on = made(number, "konto", account)
            aktor = integrasjon_aktor(id_)
            yield PrivilegieTildelt(fiks_org_id=owner, aktor=aktor, ressurs_id=on, privilegium="SVARUT.SEND")


def on_the_log(number: int) -> Iterator[tuple[object, Envelope]]:
    """The same as it lies on the log: grants as a command and a decision. Causes rise within the stream."""
    for cause, event in enumerate(configuration_of(number)):
        if isinstance(event, PrivilegieTildelt):
            command = GrantPrivilegium(
                fiks_org_id=event.fiks_org_id,
                av=ADMIN,
                aktor=event.aktor,
                ressurs_id=event.ressurs_id,
                privilegium=event.privilegium,
            )
            asked = _fact(command, f"{number}/{cause}")
            yield command, asked
            yield event, decided(event, because=asked, cause=1_000_000_000 + cause, source="urn:fiks:bench")
        else:
            yield event, _fact(event, f"{number}/{cause}")


def _fact(event: object, name: str) -> Envelope:
    return fact(event, time=WHEN, id=str(uuid5(NAMES, name)), source="urn:fiks:bench", by=By(ADMIN))


async def fill(bootstrap: str, organisations: int) -> int:
    """Put it all on the log. Returns the number of records."""
    log, count = Log(bootstrap), 0
    await log.start()
    everything = chain.from_iterable(on_the_log(number) for number in range(organisations))
    while batch := list(islice(everything, AT_ONCE)):
        count += len(batch)
        await _appended(log, batch)
    await log.stop()
    return count


async def _appended(log: Log, batch: list[tuple[object, Envelope]]) -> None:
    """Append the batch, as often as it takes on a busy machine: what comes again changes nothing."""
    while True:
        try:
            return await log.append_all(batch)
        except Unavailable:
            await asyncio.sleep(0.5)


def decisions(report: Report, organisations: int) -> None:
    """How many questions a second one core answers, half of them with no."""
    configuration = Configuration()
    for number in range(organisations):
        for event in configuration_of(number):
            configuration.meet(event)
    chance = random.Random(1)
    asked = []
    for _ in range(DECISIONS):
        number = chance.randrange(organisations)
        aktor = integrasjon_aktor(made(number, "integrasjon", chance.randrange(INTEGRATIONS)))
        owner = number if chance.random() < 0.5 else (number + 1) % organisations
        asked.append((aktor, "SVARUT.SEND", made(owner, "konto", chance.randrange(GRANTS))))
    may, begin = configuration.may, time.perf_counter()
    yes = sum(may(*one) for one in asked)
    elapsed = time.perf_counter() - begin
    assert 0.4 < yes / DECISIONS < 0.6
    report.add("decisions", DECISIONS / elapsed, "1/s")


async def start_up(bootstrap: str, folder: Path) -> None:
    """A gateway until it is ready, and until a snapshot is there. Prints seconds, CPU seconds and the most MiB."""
    gateway.app.tune_garbage_collection()
    file = SnapshotFile(folder, TOPICS["fiks.konfigurasjon"])
    begin, worked, memory = time.perf_counter(), time.process_time(), Memory(bootstrap, folder=folder)
    await memory.start()
    while not memory.ready:
        await asyncio.sleep(0.01)
    elapsed, worked = time.perf_counter() - begin, time.process_time() - worked
    while not file.records():
        await asyncio.sleep(0.1)
    await memory.stop()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(elapsed, worked, most, len(memory.configuration.virksomheter))


async def revocation(report: Report) -> None:
    """From the call that takes a right at one gateway until a call by that right is refused, and the live connections
    over AMQP that lean on it are closed, at both of two: processes that are called all the while.
    """
    with lasting_tokens(), temporary_folder() as folder:
        async with (
            running_lager(folder) as (lager, _),
            gateway_process(lager) as (one, _),
            gateway_process(lager) as (other, _),
        ):
            administrator = await one.as_administrator()
            machine = await reader(administrator, one)
            took = [await revoked(administrator, machine, (one, other)) for _ in range(REVOCATIONS)]
    for name, milliseconds in (
        ("revocation", [max(one.refused) for one in took]),
        ("revocation_apart", [max(one.refused) - min(one.refused) for one in took]),
        ("revocation_amqp", [max(one.closed) for one in took]),
    ):
        parts = quantiles(milliseconds, n=100)
        report.add(f"{name}_p50", parts[49], "ms")
        report.add(f"{name}_p99", parts[98], "ms")


class Revoked(NamedTuple):
    """Milliseconds from the call that takes a right, of each gateway: to its first refusal of a call, and until its
    connection over AMQP is closed.
    """

    refused: list[float]
    closed: list[float]


async def revoked(administrator: Lager, machine: Lager, gateways: Sequence[Lager]) -> Revoked:
    """How long it takes until the right is gone. It is given back then."""

    def since(begin: float) -> float:
        return (time.perf_counter() - begin) * 1000

    async def until_refused(gateway: Lager) -> float:
        while await status(gateway, machine) == 200:
            pass
        return since(begin)

    async def until_closed(consumer: Raw) -> float:
        assert isinstance(await consumer.hear(), commands.Connection.Close)
        return since(begin)

    consumers = [await consuming(gateway.settings.amqp_port or 0, machine) for gateway in gateways]
    begin = time.perf_counter()
    refused = asyncio.gather(*map(until_refused, gateways))
    closed = asyncio.gather(*map(until_closed, consumers))
    await without_the_right(administrator, machine)
    took = Revoked(await refused, await closed)
    for consumer in consumers:
        await consumer.drop()
    await give(administrator, machine, RIGHT, str(KONTO))
    assert {await status(gateway, machine) for gateway in gateways} == {200}
    return took


async def sending(report: Report, bootstrap: str, state: Path) -> None:
    """The send call with and without the door, in turn, each gateway pinned to one core."""
    await seed(bootstrap, state)
    known = credentials(state)[0]
    path = f"/api/v2/kontoer/{known['kontoId']}/forsendelser/"
    async with running_issuer() as issuer:
        headers = {
            "Authorization": f"Bearer {await token_for(issuer.name, known['orgnr'])}",
            "IntegrasjonId": known["integrasjonId"],
            "IntegrasjonPassord": known["integrasjonPassord"],
        }
        ports = {"door": free_port(), "no-door": free_port()}
        environments = {
            name: {
                "FIKS_KAFKA": bootstrap,
                "FIKS_STATE": str(state),
                "FIKS_ISSUER": issuer.name,
                "FIKS_GATEWAY_PORT": str(port),
                "FIKS_POSTGRES": "postgresql://nobody:none@127.0.0.1:1/none",
                "FIKS_LOG_LEVEL": "WARNING",
            }
            for name, port in ports.items()
        }
        call = request(path, headers)
        with (
            process("-m", "gateway.cli", "gateway", environment=environments["door"], cores=SERVER) as door,
            process("-m", "tests.bench.auth", "no-door", environment=environments["no-door"], cores=SERVER) as open_,
        ):
            for port in ports.values():
                await ready(f"http://127.0.0.1:{port}/readyz")
                await accepting(f"http://127.0.0.1:{port}{path}", headers)
            rounds = [
                (await load(ports["no-door"], call, open_), await load(ports["door"], call, door))
                for _ in range(ROUNDS)
            ]
    without, checked = map(medians, zip(*rounds, strict=True))
    report.add("send_without_identity", without.per_second, "1/s")
    report.add("send_with_identity", checked.per_second, "1/s", to="send_without_identity")
    report.add("send_without_identity_cpu", without.cpu, "us")
    report.add("send_with_identity_cpu", checked.cpu, "us", to="send_without_identity_cpu")


def without_door(settings: Settings) -> None:
    """A gateway that believes everybody to be the seeded integration."""
    known = credentials(settings.state)[0]
    integrasjon_id, owner = UUID(known["integrasjonId"]), UUID(known["fiksOrgId"])
    principal = Principal(Caller.INTEGRATION, integrasjon_id=integrasjon_id, fiks_org_id=owner, orgnr=known["orgnr"])

    @web.middleware
    async def believe(request: web.Request, handler: Any) -> web.StreamResponse:
        request[PRINCIPAL] = principal
        return await handler(request)

    gateway.app.authenticate = lambda _: believe
    uvloop.run(gateway.app.serve(settings))


async def bench(folder: Path, organisations: int) -> Report:
    """Measure all there is."""
    report = Report("auth")
    decisions(report, organisations)
    await revocation(report)
    kafka = OwnKafka(folder, measured=True)
    await kafka.start()
    topics.apply(kafka.bootstrap, 1)
    await sending(report, kafka.bootstrap, folder / "state")
    begin = time.perf_counter()
    count = await fill(kafka.bootstrap, organisations)
    report.add("records", count, "records")
    report.add("fill", time.perf_counter() - begin, "s")
    for name in ("from_zero", "from_snapshot"):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.auth", "start-up", kafka.bootstrap, str(folder / "memory")),
            stdout=subprocess.PIPE,
        )
        out, _ = await child.communicate()
        seconds, cpu, mebibytes, known = map(float, out.split())
        assert known >= organisations
        report.add(f"start_up_{name}", seconds, "s")
        report.add(f"start_up_{name}_cpu", cpu, "s")
        report.add(f"memory_{name}", mebibytes, "MiB")
    await kafka.stop()
    return report


async def main(organisations: int) -> None:
    """Everything, on a Kafka and a PostgreSQL of its own."""
    os.sched_setaffinity(0, LOAD)
    with temporary_folder() as folder:
        report = await bench(folder, organisations)
    report.finish()


def run(arguments: Sequence[str]) -> None:
    """A part in a process of its own, or the benchmark."""
    match arguments:
        case ["start-up", bootstrap, folder]:
            uvloop.run(start_up(bootstrap, Path(folder)))
        case ["no-door"]:
            without_door(Settings())
        case _:
            uvloop.run(main(ORGANISATIONS // 10 if asked("auth", "small", "(small)?") else ORGANISATIONS))


if __name__ == "__main__":
    run(sys.argv[1:])
