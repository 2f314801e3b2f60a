"""The AMQP server on real sockets: who comes in and what is told of it, loss of rights, slow readers, stopping."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import aio_pika
import pytest
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import AMQPConnectionError, ChannelAccessRefused, ChannelNotFoundEntity
from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.body import ContentBody
from pamqp.frame import marshal
from prometheus_client import REGISTRY

from gateway.amqp import server as serving
from gateway.amqp.deliveries import Melding, Outcome
from gateway.amqp.handshake import GREETING
from gateway.amqp.link import Link
from gateway.amqp.queues import queue_of
from gateway.auth.passwords import hashed
from schemas.audit import AutentiseringFeilet, TilgangNektet
from schemas.envelope import By
from schemas.fiks_io_konto import KontoDeaktivert
from schemas.konfigurasjon import (
    ROOT,
    AktorAktivert,
    AktorDeaktivert,
    IntegrasjonSlettet,
    OrganisasjonOpprettet,
    PassordLaget,
    PrivilegieTrukketTilbake,
)
from streams.domain.errors import Unavailable
from streams.domain.fiks_io_konto import SENDE_MOTTA
from tests.support.amqp import (
    AKTOR,
    KONTO_ID,
    MASKIN,
    MELDING,
    ORG,
    ORGNR,
    OTHER_QUEUE,
    PASSORD,
    QUEUE,
    STRANGE_KONTO,
    STRANGE_QUEUE,
    Amqp,
    certified,
    running_amqp,
)
from tests.support.amqp_raw import Raw
from tests.support.eventually import eventually
from tests.support.fiks_protokoll import KONTO, SYSTEM, konto, system

OTHERS = UUID(int=0xB1)
"""Another organisation than that of the integration."""
NOBODYS = UUID(int=0xC1)
"""No account."""


@pytest.fixture
async def collected() -> AsyncIterator[None]:
    """Connections that were refused are collected while a loop runs: else aio-pika leaves a coroutine behind."""
    yield
    gc.collect()


@pytest.fixture
async def amqp() -> AsyncIterator[Amqp]:
    async with running_amqp() as running:
        yield running


@contextlib.asynccontextmanager
async def connected(
    amqp: Amqp, secret: str | None = None, user: str | None = None, **more: Any
) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """A client that has logged in."""
    connection = await aio_pika.connect(
        host="127.0.0.1", port=amqp.port, login=user or amqp.user, password=secret or amqp.secret, **more
    )
    try:
        yield connection
    finally:
        await connection.close()


Connect = Callable[..., Awaitable[Raw]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes clients that the test need not close."""
    made: list[Raw] = []

    async def connecting(amqp: Amqp, heartbeat: int | None = 0) -> Raw:
        """A client; it has logged in and opened channel 1, unless its heartbeat is None."""
        made.append(raw := await Raw.connected(amqp.port))
        if heartbeat is not None:
            await raw.log_in(amqp.user, amqp.secret, heartbeat)
            await raw.ask(commands.Channel.Open(), 1)
        return raw

    yield connecting
    for raw in made:
        await raw.drop()


# --- Who comes in ----------------------------------------------------------------------------------------------------


async def test_who_proves_itself_comes_in(amqp: Amqp) -> None:
    async with connected(amqp) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE)
        assert queue.declaration_result.message_count == 0
    assert amqp.log.said == []


async def test_who_called_for_another_organisation_is_told_with_what_it_is_given(amqp: Amqp) -> None:
    supplier = {"authority": "iso6523-actorid-upis", "ID": "0192:310993999"}
    async with connected(amqp, f"{PASSORD} {amqp.token(supplier=supplier)}") as connection:
        queue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        await queue.consume(keeping([]))
        await queue.get(fail=False)
    assert amqp.queues.asked == [By(AKTOR, ORGNR, supplier="310993999")] * 2


def wrong_secrets(amqp: Amqp) -> list[str]:
    """What proves nothing: password or token is wrong, of another, expired, or missing."""
    return [
        f"{PASSORD} galt",
        f"galt {amqp.token()}",
        f"{PASSORD}{amqp.token()}",
        f"{PASSORD} {amqp.token(scope='annet')}",
        f"{PASSORD} {amqp.token(consumer={'authority': 'iso6523-actorid-upis', 'ID': '0192:310992003'})}",
        f"{PASSORD} {amqp.token(exp=1)}",
        f"{PASSORD} {amqp.issuers.idporten.sign(ID_PORTEN | {'iss': amqp.issuers.idporten.name})}",
        "",
    ]


@pytest.mark.usefixtures("collected")
async def test_who_proves_nothing_is_refused_and_told_of(amqp: Amqp) -> None:
    refused = wrong_secrets(amqp)
    for secret in refused:
        with pytest.raises(aio_pika.exceptions.AMQPError, match="ACCESS_REFUSED"):
            await aio_pika.connect(host="127.0.0.1", port=amqp.port, login=amqp.user, password=secret or " ")
    events = [event for event, _ in amqp.log.said]
    assert [type(event) for event in events] == [AutentiseringFeilet] * len(refused)
    assert {(event.fiks_org_id, event.integrasjon_id, event.rute) for event in events} == {
        (ORG, MASKIN, "AMQP connection.start-ok")
    }


ID_PORTEN = {"pid": "12858010053", "acr": "idporten-loa-high", "scope": "ks:fiks", "iat": 1, "exp": 2**33}


@pytest.mark.parametrize("user", ["00000000-0000-0000-0000-00000000ffff", "ingen", "\udce6"])
async def test_who_is_not_known_is_refused_in_the_same_way(amqp: Amqp, connect: Connect, user: str) -> None:
    raw = await connect(amqp, heartbeat=None)
    raw.writer.write(GREETING)
    await raw.hear()
    said = marshal(commands.Connection.StartOk({}, "PLAIN", f"\0XYZ\0{amqp.secret}", "en_US"), 0)
    name = user.encode("utf-8", "surrogateescape")
    grown = (int.from_bytes(said[3:7], "big") + len(name) - 3).to_bytes(4, "big")
    response = len(f"\0XYZ\0{amqp.secret}").to_bytes(4, "big")
    longer = (int.from_bytes(response, "big") + len(name) - 3).to_bytes(4, "big")
    raw.writer.write((said[:3] + grown + said[7:]).replace(response + b"\0XYZ", longer + b"\0" + name))
    close = await raw.hear()
    assert close.reply_code == 403
    assert close.reply_text.startswith("ACCESS_REFUSED - Autentisering feilet for integrasjon med id ")


@pytest.mark.usefixtures("collected")
async def test_while_the_configuration_is_not_known_nobody_comes_in_and_nobody_is_told_of(amqp: Amqp) -> None:
    amqp.memory.ready = False
    with pytest.raises(AMQPConnectionError, match="INTERNAL_ERROR"):
        await aio_pika.connect(host="127.0.0.1", port=amqp.port, login=amqp.user, password=amqp.secret)
    assert amqp.log.said == []


async def test_a_proof_that_has_begun_serves_the_next_attempt(amqp: Amqp, connect: Connect) -> None:
    """Clients give up after five seconds, and come back: what they waited for must not be begun anew each time."""
    raw = await connect(amqp, heartbeat=None)
    login = commands.Connection.StartOk({}, "PLAIN", f"\0{amqp.user}\0{amqp.secret}", "en_US")
    raw.writer.write(GREETING + marshal(login, 0))
    assert (await raw.hear()).name == "Connection.Start"
    await raw.drop()
    await eventually(lambda: len(amqp.passwords._proven) == 1)


async def test_no_more_log_in_at_once_than_can_be_answered(
    amqp: Amqp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.auth.passwords.MOST_PROVING", 0)
    raw = await connect(amqp, heartbeat=None)
    assert (await raw.log_in(amqp.user, amqp.secret)).reply_code == 541
    monkeypatch.undo()
    again = await connect(amqp)
    assert (await again.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"


@pytest.mark.usefixtures("collected")
async def test_a_refusal_stands_while_the_log_is_away(amqp: Amqp) -> None:
    amqp.log.away = True
    with pytest.raises(aio_pika.exceptions.AMQPError, match="ACCESS_REFUSED"):
        await aio_pika.connect(host="127.0.0.1", port=amqp.port, login=amqp.user, password="galt token")


async def test_an_account_is_read_by_right_and_who_has_none_is_told_of(amqp: Amqp) -> None:
    async with connected(amqp) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await (await channel.get_queue(STRANGE_QUEUE, ensure=False)).consume(keeping([]))
    ((event, about),) = amqp.log.said
    assert isinstance(event, TilgangNektet)
    assert (event.rute, event.ressurs_id, event.privilegier) == ("AMQP basic.consume", STRANGE_KONTO, (SENDE_MOTTA,))
    assert (event.kaller.integrasjon_id, about.actor) == (MASKIN, AKTOR)


async def test_a_new_secret_is_proved_as_the_first_was(amqp: Amqp, connect: Connect) -> None:
    update, refused = commands.Connection.UpdateSecret, wrong_secrets(amqp)
    for secret in refused:
        raw = await connect(amqp)
        assert (await raw.ask(update(amqp.secret, "utløpt"))).name == "Connection.UpdateSecretOk"
        assert (await raw.ask(update(secret, "utløpt"))).reply_code == 403
    assert [event.rute for event, _ in amqp.log.said] == ["AMQP connection.update-secret"] * len(refused)


# --- Losing rights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        IntegrasjonSlettet(fiks_org_id=ORG, integrasjon_id=MASKIN),
        PassordLaget(fiks_org_id=ORG, integrasjon_id=MASKIN, passord_hash=hashed("nytt")),
        PrivilegieTrukketTilbake(fiks_org_id=ORG, aktor=AKTOR, ressurs_id=KONTO_ID, privilegium=SENDE_MOTTA),
    ],
)
async def test_who_loses_its_right_loses_the_connection(amqp: Amqp, event: Any, connect: Connect) -> None:
    raw = await connect(amqp)
    await raw.ask(commands.Basic.Consume(queue=QUEUE), 1)
    amqp.memory.meet(event)
    assert (await raw.hear()).reply_code == 320


@pytest.mark.usefixtures("collected")
async def test_who_is_switched_off_at_home_loses_the_connection_and_gets_no_other(amqp: Amqp, connect: Connect) -> None:
    """One without a consumer too."""
    raw = await connect(amqp)
    amqp.memory.meet(AktorDeaktivert(fiks_org_id=OTHERS, aktor=AKTOR))
    assert (await raw.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"
    amqp.memory.meet(AktorDeaktivert(fiks_org_id=ORG, aktor=AKTOR))
    assert (await raw.hear()).reply_code == 320
    with pytest.raises(AMQPConnectionError, match="ACCESS_REFUSED"):
        await aio_pika.connect(host="127.0.0.1", port=amqp.port, login=amqp.user, password=amqp.secret)
    [(event, about)] = amqp.log.said
    assert (event.integrasjon_id, about.on_behalf_of) == (MASKIN, event.kaller.orgnr)
    amqp.memory.meet(AktorAktivert(fiks_org_id=ORG, aktor=AKTOR))
    async with connected(amqp):
        assert len(amqp.log.said) == 1


@pytest.mark.usefixtures("collected")
async def test_while_it_is_not_known_who_may_what_nobody_keeps_a_connection_or_gets_one(
    amqp: Amqp, connect: Connect
) -> None:
    raw = await connect(amqp)
    await raw.ask(commands.Basic.Consume(queue=QUEUE), 1)
    amqp.memory.is_current = False
    assert (await raw.hear()).reply_code == 320
    with pytest.raises(AMQPConnectionError, match="INTERNAL_ERROR"):
        await aio_pika.connect(host="127.0.0.1", port=amqp.port, login=amqp.user, password=amqp.secret)
    amqp.memory.is_current = True
    async with connected(amqp):
        assert amqp.log.said == []


async def test_an_account_of_a_system_that_is_hidden_is_as_one_that_there_is_not_and_its_owner_is_told(
    amqp: Amqp,
) -> None:
    amqp.memory.meet(
        OrganisasjonOpprettet(fiks_org_id=OTHERS, orgnr="310992003", navn="Prøvdal"),
        system(SYSTEM, OTHERS),
        konto(KONTO, SYSTEM, "arkiv.full", fiks_org_id=OTHERS),
    )
    async with connected(amqp) as connection:
        for konto_id in (KONTO, NOBODYS):
            channel = await connection.channel()
            with pytest.raises(ChannelNotFoundEntity):
                await (await channel.get_queue(queue_of(konto_id), ensure=False)).consume(keeping([]))
    await eventually(lambda: len(amqp.log.said) == 2)  # behind the answer
    assert {(event.fiks_org_id, event.ressurs_id) for event, _ in amqp.log.said} == {(OTHERS, KONTO), (ROOT, NOBODYS)}


async def test_who_loses_another_right_keeps_the_connection(amqp: Amqp, connect: Connect) -> None:
    raw, other = await connect(amqp), await connect(amqp)
    await raw.ask(commands.Basic.Consume(queue=OTHER_QUEUE), 1)
    await other.ask(commands.Basic.Consume(queue=QUEUE), 1)
    amqp.memory.meet(
        PrivilegieTrukketTilbake(fiks_org_id=ORG, aktor=AKTOR, ressurs_id=KONTO_ID, privilegium=SENDE_MOTTA)
    )
    assert (await other.hear()).reply_code == 320
    assert (await raw.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"


async def test_who_loses_the_right_while_it_waits_for_a_message_does_not_get_it(
    amqp: Amqp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, comes, asked = await connect(amqp), asyncio.Event(), amqp.queues.get

    async def late(konto_id: UUID, by: By) -> Any:
        await comes.wait()
        return await asked(konto_id, by)

    monkeypatch.setattr(amqp.queues, "get", late)
    amqp.queues.put(KONTO_ID, MELDING)
    answer = asyncio.create_task(raw.ask(commands.Basic.Get(queue=QUEUE), 1))
    await asyncio.sleep(0.2)
    amqp.memory.meet(
        PrivilegieTrukketTilbake(fiks_org_id=ORG, aktor=AKTOR, ressurs_id=KONTO_ID, privilegium=SENDE_MOTTA)
    )
    comes.set()
    said = await answer
    assert (said.name, getattr(said, "reply_code", 0)) == ("Channel.Close", 403)
    assert amqp.queues.outcomes(KONTO_ID) == [[Outcome.UNSEEN]]


async def test_a_connection_outlives_its_token(amqp: Amqp, connect: Connect) -> None:
    """Trap 31: clients fetch a new one only when they connect."""
    raw = await connect(amqp, heartbeat=None)
    ends = int(time.time()) + 1
    await raw.log_in(amqp.user, f"{PASSORD} {amqp.token(exp=ends)}")
    await raw.ask(commands.Channel.Open(), 1)
    while time.time() <= ends:
        await asyncio.sleep(0.1)
    amqp.memory.meet(OrganisasjonOpprettet(fiks_org_id=uuid4(), navn="En annen", orgnr="310992003"))
    assert (await raw.ask(commands.Basic.Consume(queue=QUEUE), 1)).name == "Basic.ConsumeOk"
    amqp.queues.put(KONTO_ID, MELDING)
    assert (await raw.hear()).name == "Basic.Deliver"


async def test_what_waits_for_an_account_that_was_deactivated_is_read_as_before(amqp: Amqp, connect: Connect) -> None:
    listening, coming = await connect(amqp), await connect(amqp)
    await listening.ask(commands.Basic.Consume(queue=QUEUE), 1)
    amqp.memory.meet(KontoDeaktivert(fiks_org_id=ORG, konto_id=KONTO_ID, endret=datetime.now(UTC), endret_av="ansatt"))
    amqp.queues.put(KONTO_ID, MELDING)
    assert (await listening.hear()).name == "Basic.Deliver"
    assert (await coming.ask(commands.Basic.Consume(queue=QUEUE), 1)).name == "Basic.ConsumeOk"


# --- Delivering ------------------------------------------------------------------------------------------------------


async def test_consumers_of_one_account_take_turns(amqp: Amqp) -> None:
    taken: list[list[AbstractIncomingMessage]] = [[], []]
    async with connected(amqp) as one, connected(amqp) as other:
        for connection, own in zip((one, other), taken, strict=True):
            channel = await connection.channel()
            await channel.set_qos(10)
            await (await channel.get_queue(QUEUE, ensure=False)).consume(keeping(own))
        amqp.queues.put(KONTO_ID, *[MELDING] * 30)
        await eventually(lambda: len(taken[0]) + len(taken[1]) == 20)
        assert len(taken[0]) == len(taken[1]) == 10
        for message in taken[0] + taken[1]:
            await message.ack()
        await eventually(lambda: len(taken[0]) + len(taken[1]) == 30)


def keeping(taken: list[AbstractIncomingMessage]) -> Any:
    async def keep(message: AbstractIncomingMessage) -> None:
        taken.append(message)

    return keep


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 5_000_000])
async def test_a_body_of_any_size_arrives_whole(amqp: Amqp, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    amqp.queues.put(KONTO_ID, Melding(MELDING.headers, body))
    async with connected(amqp) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        message = await queue.get()
        assert message is not None
        assert message.body == body
        assert message.headers == MELDING.headers
        await message.ack()


async def test_a_client_that_does_not_read_gets_no_more_than_fits(amqp: Amqp, connect: Connect) -> None:
    raw = await connect(amqp)
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    raw.say(commands.Basic.Consume(queue=QUEUE), 1)
    amqp.queues.put(KONTO_ID, *[Melding({}, bytes(100_000))] * 1000)
    queue = amqp.queues.queue(KONTO_ID)
    async with connected(amqp) as connection:
        channel = await connection.channel()
        await channel.set_qos(1)
        messages: list[AbstractIncomingMessage] = []
        await eventually(lambda: bool(queue.leased) and all(not one.messages for one in queue.turns))
        assert len(queue.leased) < 200, "sockets hold a few MB, and we no more than we promised"
        await (await channel.get_queue(QUEUE, ensure=False)).consume(keeping(messages))
        await eventually(lambda: bool(messages))
    raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await eventually_read(raw, 1000)
    raw.writer.close()


async def eventually_read(raw: Raw, least: int) -> None:
    """Read until almost all have come: what the other one had is returned and comes as well."""
    seen = 0
    while seen < least:
        frame = await raw.hear()
        seen += getattr(frame, "name", "") == "Basic.Deliver"


async def test_a_client_that_asks_and_does_not_read_is_not_listened_to(
    amqp: Amqp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.amqp.link.OCTETS", 4096)
    monkeypatch.setattr("gateway.amqp.link.FLOOD", 2**20)
    raw = await connect(amqp)
    raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
    (link,) = amqp.server._links
    asked, number = marshal(commands.Basic.Cancel("x" * 255), 1) * 100, 0
    while raw.writer.transport.get_write_buffer_size() < 2**16:
        raw.writer.write(asked)
        number += 100
        await asyncio.sleep(0)
    assert link._transport.get_write_buffer_size() < 2**21, "a piece of what came may have been answered at once"
    raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(number):
        assert (await raw.hear()).name == "Basic.CancelOk"


async def test_a_fault_of_ours_in_one_connection_does_not_reach_another(
    amqp: Amqp, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    raw, other = await connect(amqp), await connect(amqp)
    monkeypatch.setattr("gateway.amqp.channels.handle", lambda *_: 1 / 0)
    assert (await raw.ask(commands.Basic.Qos(0, 1, False), 1)).reply_code == 541
    monkeypatch.undo()
    assert (await other.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"


async def test_a_fault_of_ours_by_which_the_transport_ends_is_no_attempt(
    amqp: Amqp, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    amqp.queues.put(KONTO_ID, MELDING)
    raw = await connect(amqp)
    await raw.ask(commands.Basic.Get(queue=QUEUE), 1)
    flush, faults = Link._flush, iter([ZeroDivisionError("feil")])

    def failing_once(link: Link) -> None:
        for fault in faults:
            raise fault
        flush(link)

    monkeypatch.setattr(Link, "_flush", failing_once)
    raw.say(commands.Basic.Qos(0, 1, False), 1)
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID) == [["returned"]])


# --- Time, limits, stopping ------------------------------------------------------------------------------------------


NEVER = 1e9
"""For ``STANDSTILL`` in tests that are not about standing still: whatever the machine does, no client is excused."""


async def test_heartbeats_come_and_who_sends_none_is_left(
    amqp: Amqp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "STANDSTILL", NEVER)
    amqp.queues.put(KONTO_ID, MELDING)
    raw = await connect(amqp, heartbeat=3)  # so long that the first of ours comes before the client is left
    await raw.ask(commands.Basic.Get(queue=QUEUE), 1)
    heard = []
    while (frame := await raw.hear()) is not None:
        heard.append(frame.name)
    assert "Heartbeat" in heard
    assert amqp.queues.outcomes(KONTO_ID) == [["lost"]]


def stand_still() -> None:
    """Let the loop do nothing for as long as matters: the gateway's part, and the client's as well."""
    asyncio.get_running_loop().call_soon(time.sleep, serving.STANDSTILL + 0.5)


async def test_who_goes_away_while_we_stand_still_has_failed_at_nothing(amqp: Amqp, connect: Connect) -> None:
    amqp.queues.put(KONTO_ID, MELDING)
    raw = await connect(amqp)
    await raw.ask(commands.Basic.Get(queue=QUEUE), 1)
    raw.writer.transport.abort()
    stand_still()
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID) == [["returned"]])


@pytest.mark.parametrize("code", [200, 500])
async def test_who_says_that_it_goes_away_since_we_stood_still_has_failed_at_nothing(
    amqp: Amqp, connect: Connect, code: int
) -> None:
    """aiormq closes with 500 when it does not hear of us."""
    amqp.queues.put(KONTO_ID, MELDING)
    raw = await connect(amqp)
    await raw.ask(commands.Basic.Get(queue=QUEUE), 1)
    raw.say(commands.Connection.Close(code, "reader unexpected closed", 0, 0))
    stand_still()
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID) == [["returned"]])


async def test_nobody_is_left_for_what_we_did_not_hear_while_we_stood_still(amqp: Amqp, connect: Connect) -> None:
    amqp.queues.put(KONTO_ID, MELDING)
    raw = await connect(amqp, heartbeat=1)
    await raw.ask(commands.Basic.Get(queue=QUEUE), 1)
    stand_still()
    while (await raw.hear()).name != "Heartbeat":
        pass
    raw.say(commands.Basic.Ack(1), 1)
    await eventually(lambda: amqp.queues.outcomes(KONTO_ID) == [["acked"]])


async def test_what_is_anothers_by_now_costs_those_the_connection_who_have_something_in_hand(
    amqp: Amqp, connect: Connect
) -> None:
    amqp.queues.put(KONTO_ID, MELDING)
    busy, idle = await connect(amqp), await connect(amqp)
    await busy.ask(commands.Basic.Get(queue=QUEUE), 1)
    for forfeited in amqp.queues.forfeited:
        forfeited()
    while (frame := await busy.hear()).name != "Connection.Close":
        pass
    assert (frame.reply_code, amqp.queues.outcomes(KONTO_ID)) == (320, [["returned"]])
    assert (await idle.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"


GOING: dict[str, Callable[[Raw, socket.socket], None]] = {
    "in order": lambda raw, _: raw.writer.close(),
    "without a word": lambda _, near: near.shutdown(socket.SHUT_WR),
    "reset": lambda raw, _: raw.writer.transport.abort(),
}
"""How a client goes."""


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("going", GOING)
@pytest.mark.parametrize(
    ("octets", "looks", "outcome"), [(1, 0, "lost"), (1, 4, "lost"), (4 << 20, 4, "returned")], ids=str
)
async def test_a_message_that_never_came_to_its_consumer_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: int, looks: int, outcome: str, going: str, over_tls: bool
) -> None:
    """As over a path that loses large packets alone: the client waits in vain, and goes. On the gateway's own loop."""
    monkeypatch.setattr(serving, "TICK", 0.1)
    monkeypatch.setattr(serving, "STANDSTILL", NEVER)

    async def script() -> list[list[Outcome]]:
        async with reading_little(tmp_path, over_tls) as (amqp, raw, near):
            await raw.ask(commands.Basic.Consume(queue=QUEUE), 1)
            amqp.queues.put(KONTO_ID, replace(MELDING, body=bytes(octets)))
            await raw.hear()
            await asyncio.sleep(looks * serving.TICK)
            GOING[going](raw, near)
            await asyncio.sleep(serving.TICK)  # what was said last is heard before the end
            raw.writer.transport.abort()
            return await ended(amqp)

    assert await asyncio.to_thread(uvloop.run, script()) == [[outcome]]


GONE_WITH_IT = GOING | {
    "with an error": lambda raw, _: raw.say(commands.Connection.Close(541, "the handler is broken", 0, 0))
}


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("going", GONE_WITH_IT)
async def test_a_message_that_came_at_last_can_have_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, going: str, over_tls: bool
) -> None:
    """It was on its way when that was looked at; and who got it went at once, before the next time."""
    monkeypatch.setattr(serving, "TICK", 0.5)
    monkeypatch.setattr(serving, "STANDSTILL", NEVER)

    async def script() -> list[list[Outcome]]:
        async with reading_little(tmp_path, over_tls) as (amqp, raw, near):
            await raw.ask(commands.Basic.Consume(queue=QUEUE), 1)
            await asyncio.sleep(serving.TICK)
            amqp.queues.put(KONTO_ID, replace(MELDING, body=bytes(4 << 20)))
            await raw.hear()
            await asyncio.sleep(1.2 * serving.TICK)
            left = (4 << 20) + 1
            while left > 0:
                frame = await raw.hear()
                left -= len(frame.value) if isinstance(frame, ContentBody) else 1
            GONE_WITH_IT[going](raw, near)
            await asyncio.sleep(0.05)
            raw.writer.transport.abort()
            return await ended(amqp)

    assert await asyncio.to_thread(uvloop.run, script()) == [["lost"]]


async def ended(amqp: Amqp) -> list[list[Outcome]]:
    """How the lease of the one message ended. Judged by who asks: in a thread nothing stops who waits in vain."""
    await eventually(lambda: any(amqp.queues.outcomes(KONTO_ID)))
    return amqp.queues.outcomes(KONTO_ID)


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
async def test_who_reads_slowly_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over_tls: bool) -> None:
    """Over TLS what waits may lie where nobody sees that it becomes less."""
    monkeypatch.setattr(serving, "TICK", 0.1)
    monkeypatch.setattr("gateway.amqp.pulse.STALL_LIMIT", 2.0)
    monkeypatch.setattr(serving, "STANDSTILL", 0.5)  # or the client, on the same loop, cannot read in time either

    async def script() -> int:
        async with reading_little(tmp_path, over_tls) as (amqp, raw, _):
            for _ in range(2):
                amqp.queues.put(KONTO_ID, replace(MELDING, body=bytes(4 << 20)))
                raw.say(commands.Basic.Get(queue=QUEUE), 1)
            for _ in range(24):
                await asyncio.sleep(0.15)
                await raw.hear()
            ended = sum(map(len, amqp.queues.outcomes(KONTO_ID)))
            await raw.drop()
            return ended

    assert await asyncio.to_thread(uvloop.run, script()) == 0, "it has both in hand"


@contextlib.asynccontextmanager
async def reading_little(folder: Path, over_tls: bool) -> AsyncIterator[tuple[Amqp, Raw, socket.socket]]:
    """A server, and a client that has opened channel 1, whose host takes little at a time and lingers for no time."""
    context, authority = certified(folder)
    trusted = ssl.create_default_context(cafile=str(authority)) if over_tls else None
    async with running_amqp(context if over_tls else None) as amqp:
        near = socket.socket()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        near.setblocking(False)
        await asyncio.get_running_loop().sock_connect(near, ("127.0.0.1", amqp.port))
        named = "localhost" if over_tls else None
        raw = Raw(*await asyncio.open_connection(sock=near, limit=2**10, ssl=trusted, server_hostname=named))
        await raw.log_in(amqp.user, amqp.secret)
        await raw.ask(commands.Channel.Open(), 1)
        yield amqp, raw, near


async def test_who_is_alive_but_deaf_is_closed_and_nobody_else(amqp: Amqp, connect: Connect) -> None:
    """In the watchdog's own time. The published client recovers from that, and not from the loss of its channel."""
    second, close = 2, commands.Channel.Close(200, "", 0, 0)
    crashed = commands.Channel.Close(
        200, "Closed due to exception from Consumer (amq.ctag-1) method handleDelivery", 0, 0
    )
    consume, cancel = commands.Basic.Consume(queue=QUEUE, consumer_tag="a"), commands.Basic.Cancel("a")
    hears = [
        [],
        [(consume, 1), (cancel, 1)],
        [(consume, 1), (cancel, 1), (close, 1)],
        [(consume, 1), (close, 1), (commands.Channel.Open(), second), (consume, second)],
        [(consume, 1), (commands.Channel.Open(), second), (consume, second), (close, 1)],
    ]
    deaf = [
        [(consume, 1), (close, 1)],
        [(consume, 1), (crashed, 1)],
        [(consume, 1), (close, 1), (commands.Channel.Open(), 1)],
        [(commands.Channel.Open(), second), (consume, second), (close, second)],
    ]

    async def played(said: list[tuple[Method, int]]) -> Raw:
        raw = await connect(amqp)
        for method, channel in said:
            await raw.ask(method, channel)
        return raw

    listening = [await played(said) for said in hears]  # these first: their time would have come first, too
    closed = [await raw.hear() for raw in [await played(said) for said in deaf]]
    assert [(one.name, one.reply_code) for one in closed] == [("Connection.Close", 320)] * len(deaf)
    for raw in listening:
        raw.say(commands.Channel.Open(), 9)
        assert (await raw.hear()).name == "Channel.OpenOk"


async def test_of_those_who_do_not_log_in_the_oldest_makes_way(
    amqp: Amqp, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(serving, "MOST_STRANGERS", 2)
    known = await connect(amqp)
    oldest, younger, _ = [await connect(amqp, heartbeat=None) for _ in range(3)]
    assert await oldest.hear() is None
    younger.writer.write(GREETING)
    assert (await younger.hear()).name == "Connection.Start"
    assert (await known.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"


async def test_as_many_make_way_as_come_at_the_same_time(amqp: Amqp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_STRANGERS", 1)
    came = [Mock(spec=Link) for _ in range(4)]
    for link in came:  # none of them has ended yet as the next one comes
        amqp.server.arrived(link)
    assert [link.abort.call_count for link in came] == [1, 1, 1, 0]
    for link in came:
        amqp.server.left(link)


async def test_one_process_has_only_so_many_connections(
    amqp: Amqp, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(serving, "MOST", 1)
    first = await connect(amqp)
    assert await (await connect(amqp, heartbeat=None)).hear() is None
    assert (await first.ask(commands.Basic.Qos(0, 1, False), 1)).name == "Basic.QosOk"


async def test_stopping_waits_for_what_is_in_hand(connect: Connect) -> None:
    async with running_amqp() as amqp:
        port, idle, busy = amqp.port, await connect(amqp), await connect(amqp)
        amqp.queues.put(KONTO_ID, MELDING)
        await idle.ask(commands.Basic.Consume(queue=OTHER_QUEUE), 1)
        await busy.ask(commands.Basic.Get(queue=QUEUE), 1)
        stopping = asyncio.create_task(amqp.server.stop())
        assert (await idle.hear()).reply_code == 320
        idle.say(commands.Connection.CloseOk())
        busy.say(commands.Basic.Ack(1), 1)
        while (frame := await busy.hear()).name != "Connection.Close":
            pass
        assert frame.reply_code == 320
        busy.say(commands.Connection.CloseOk())
        await stopping
        assert amqp.queues.outcomes(KONTO_ID) == [["acked"]]
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection("127.0.0.1", port)


async def test_stopping_does_not_wait_for_ever_and_counts_no_attempt(connect: Connect) -> None:
    async with running_amqp() as amqp:
        busy = await connect(amqp)
        amqp.queues.put(KONTO_ID, MELDING)
        await busy.ask(commands.Basic.Get(queue=QUEUE), 1)
        stopping = asyncio.create_task(amqp.server.stop(grace=0.1))
        while (frame := await busy.hear()).name != "Connection.Close":
            pass
        busy.say(commands.Connection.CloseOk())
        await stopping
        assert (frame.reply_code, amqp.queues.outcomes(KONTO_ID)) == (320, [["returned"]])


@pytest.mark.usefixtures("collected")
async def test_tls_names_its_host(tmp_path: Path) -> None:
    context, authority = certified(tmp_path)
    client = ssl.create_default_context(cafile=str(authority))
    async with running_amqp(context) as amqp:
        connection = await aio_pika.connect(
            host="localhost", port=amqp.port, login=amqp.user, password=amqp.secret, ssl=True, ssl_context=client
        )
        assert (await (await connection.channel()).get_queue(QUEUE)).name == QUEUE
        await connection.close()
        with pytest.raises(ConnectionError):
            await aio_pika.connect(host="127.0.0.1", port=amqp.port, login=amqp.user, password=amqp.secret)


async def test_it_runs_on_the_loop_of_the_gateway(tmp_path: Path) -> None:
    """uvloop's transports are none of asyncio's."""
    context, authority = certified(tmp_path)

    async def script() -> bytes | None:
        client = ssl.create_default_context(cafile=str(authority))
        async with running_amqp(context) as amqp:
            amqp.queues.put(KONTO_ID, Melding({}, bytes(1_000_000)), MELDING)
            async with connected(amqp, ssl=True, ssl_context=client) as connection:
                queue = await (await connection.channel()).get_queue(QUEUE)
                return b"".join([(await queue.get(no_ack=True)).body for _ in range(2)])  # type: ignore[union-attr]

    assert await asyncio.to_thread(uvloop.run, script()) == bytes(1_000_000) + MELDING.body


@pytest.mark.parametrize("asked", [commands.Basic.Consume(queue=QUEUE, nowait=True), commands.Basic.Get(queue=QUEUE)])
async def test_a_message_that_cannot_be_written_costs_nobody_else(amqp: Amqp, connect: Connect, asked: Any) -> None:
    """Sending refuses such a name; should one come all the same, its queue must not suffer."""
    raw, other = await connect(amqp), await connect(amqp)
    amqp.queues.put(KONTO_ID, Melding({"x" * 256: "y"}))
    assert (await raw.ask(asked, 1)).reply_code == 541
    assert (await other.ask(commands.Queue.Declare(queue=QUEUE, passive=True), 1)).message_count == 1
    assert amqp.queues.outcomes(KONTO_ID) == [["unseen"]]


@pytest.mark.parametrize("fault", [Unavailable("databasen er borte"), RuntimeError("feil")])
async def test_a_queue_that_cannot_answer_costs_the_connection(
    amqp: Amqp, connect: Connect, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def away(_: object) -> None:
        raise fault

    monkeypatch.setattr(amqp.queues, "get", away)
    raw = await connect(amqp)
    assert (await raw.ask(commands.Basic.Get(queue=QUEUE), 1)).reply_code == 541


async def test_time_goes_on_for_others_when_one_connection_meets_a_fault(
    amqp: Amqp, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, other = await connect(amqp), await connect(amqp, heartbeat=3)  # long: it must not be left before it hears us
    amqp.queues.put(KONTO_ID, MELDING)
    await raw.ask(commands.Basic.Get(queue=QUEUE), 1)
    first = next(iter(amqp.server._links))
    monkeypatch.setattr("gateway.amqp.link.Link.tick", failing_for(first, Link.tick))
    while await raw.hear() is not None:
        pass
    assert (await other.hear()).name == "Heartbeat"
    assert amqp.queues.outcomes(KONTO_ID) == [["returned"]], "that is no attempt of anybody's"


def failing_for(one: Link, tick: Callable[[Link, float], None]) -> Callable[[Link, float], None]:
    def failing(link: Link, now: float) -> None:
        assert link is not one
        tick(link, now)

    return failing


async def test_what_happens_is_measured(amqp: Amqp) -> None:
    def seen(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    before = seen("fiks_amqp_settled_total", outcome="acked"), seen("fiks_amqp_closed_total", reason="CLIENT")
    amqp.queues.put(KONTO_ID, MELDING)
    async with connected(amqp) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE, ensure=False)
        taken: list[AbstractIncomingMessage] = []
        await queue.consume(keeping(taken))
        assert (seen("fiks_amqp_connections"), seen("fiks_amqp_consumers")) == (1, 1)
        await eventually(lambda: bool(taken))
        await taken[0].ack()
    await eventually(lambda: seen("fiks_amqp_connections") == 0)
    assert seen("fiks_amqp_consumers") == 0
    assert seen("fiks_amqp_settled_total", outcome="acked") == before[0] + 1
    assert seen("fiks_amqp_closed_total", reason="CLIENT") == before[1] + 1
