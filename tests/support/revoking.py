"""How an administrator of Testvik takes a machine its access to the seeded account of Fiks IO, by the API, and how
the machine notices: by HTTP and over AMQP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from pamqp import commands

from gateway.amqp.queues import queue_of
from gateway.seed import TESTVIK
from tests.support.amqp_raw import Raw
from tests.support.dokumentlager import Lager
from tests.support.fiks_io_konto import done, give, take

KONTO = TESTVIK.id("fiks io konto")
QUEUE = queue_of(KONTO)
RIGHT = "SVARINN.SENDE_MOTTA"
INTEGRASJONER = "/konfigurasjon/api/v1/integrasjoner"
Loss = Callable[[Lager, Lager], Awaitable[object]]


async def deleted(administrator: Lager, machine: Lager) -> None:
    await done(administrator, "DELETE", f"{INTEGRASJONER}/{machine.headers['IntegrasjonId']}")


async def with_another_password(administrator: Lager, machine: Lager) -> str:
    """Returns the password that counts now."""
    made = await done(administrator, "POST", f"{INTEGRASJONER}/{machine.headers['IntegrasjonId']}/lagPassord")
    return str(made["passord"])


async def of_another_organisation(administrator: Lager, machine: Lager) -> None:
    path = f"{INTEGRASJONER}/{machine.headers['IntegrasjonId']}"
    await done(administrator, "PATCH", path, {"autorisertOrgnr": "310992003"})


async def without_the_right(administrator: Lager, machine: Lager) -> None:
    await take(administrator, machine, RIGHT, str(KONTO))


async def deactivated(administrator: Lager, machine: Lager) -> None:
    aktor = f"fiksorgs/{administrator.fiks_org_id}/aktorer/{machine.headers['IntegrasjonId']}"
    await done(administrator, "PATCH", f"/autorisasjon-update/api/v1/{aktor}", {"aktiv": False})


async def integrasjon(administrator: Lager, like: Lager) -> Lager:
    """A new integration of the organisation, which may do nothing yet."""
    owner = str(administrator.fiks_org_id)
    ny = {"fiksOrganisasjonUuid": owner, "navn": "Mottak", "autorisertOrgnr": TESTVIK.orgnr}
    id_ = (await done(administrator, "POST", INTEGRASJONER, ny))["uuid"]
    passord = (await done(administrator, "POST", f"{INTEGRASJONER}/{id_}/lagPassord"))["passord"]
    return replace(like, headers={**like.headers, "IntegrasjonId": id_, "IntegrasjonPassord": passord})


async def reader(administrator: Lager, like: Lager) -> Lager:
    """A new integration of the organisation, which may read the account."""
    machine = await integrasjon(administrator, like)
    await give(administrator, machine, RIGHT, str(KONTO))
    return machine


async def status(gateway: Lager, machine: Lager) -> int:
    """What the gateway answers to the machine, which would like to know how many messages wait."""
    asking = replace(gateway, headers=machine.headers)
    return (await asking.ask("GET", f"/fiks-io/manuell/api/v1/kontoer/{KONTO}/meldinger/antall")).status


async def logged_in(port: int, machine: Lager) -> tuple[Raw, object]:
    """A connection, and what the login was answered with."""
    raw, token = await Raw.connected(port), machine.headers["Authorization"].removeprefix("Bearer ")
    secret = f"{machine.headers['IntegrasjonPassord']} {token}"
    return raw, await raw.log_in(machine.headers["IntegrasjonId"], secret)


async def consuming(port: int, machine: Lager) -> Raw:
    """A connection with a consumer, once the gateway has heard of the integration and its right."""
    while True:
        raw, answer = await logged_in(port, machine)
        if isinstance(answer, commands.Connection.OpenOk):
            await raw.ask(commands.Channel.Open(), 1)
            if isinstance(await raw.ask(commands.Basic.Consume(queue=QUEUE), 1), commands.Basic.ConsumeOk):
                return raw
        await raw.drop()
