"""Our client for Python against the platform: HTTP by a stand-in with the contract's interface, AMQP by our server."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from pamqp import commands
from pamqp.frame import marshal

from fiks_io import (
    Denied,
    EgenKonto,
    FiksIO,
    File,
    HttpError,
    Integrasjon,
    Lost,
    Miljo,
    MottattMelding,
    Refused,
    Signer,
    Unavailable,
)
from gateway.amqp.deliveries import Melding
from schemas.konfigurasjon import PrivilegieTildelt, PrivilegieTrukketTilbake
from streams.domain.fiks_io_konto import SENDE_MOTTA
from tests.support.amqp import (
    AKTOR,
    KONTO_ID,
    MELDING,
    ORG,
    OTHER_KONTO,
    PASSORD,
    Amqp,
    certified,
    running_amqp,
)
from tests.support.cms import encrypt, key_pair
from tests.support.eventually import eventually
from tests.support.io_platform import INTEGRASJON, Platform, running_platform

SIGNER, OURS, OLD, OTHERS = (key_pair(name) for name in ("avsender", "vår", "vår gamle", "annen"))
TYPE = "no.ks.fiks.prøve.v1"
FILES = [File("brev.pdf", b"%PDF-1.4"), File("vedlegg æøå.txt", "Blåbær".encode())]


@dataclass
class World:
    """A platform with two accounts, and the clients of both."""

    amqp: Amqp
    platform: Platform
    tls: ssl.SSLContext

    def klient(self, konto_id: UUID = KONTO_ID, **how: object) -> FiksIO:
        """The client of one of the accounts; both are our integration's."""

        async def token() -> str:
            made = self.amqp.token(jti=str(uuid4()))
            self.platform.token = made
            return made

        pairs = (OURS, OLD) if konto_id == KONTO_ID else (OTHERS,)
        konto = EgenKonto(konto_id, pairs, Signer(SIGNER.certificate, SIGNER.key))
        miljo = Miljo(self.platform.address, "localhost", self.amqp.port)
        return FiksIO(miljo, Integrasjon(INTEGRASJON, PASSORD), token, konto, tls=self.tls, **how)  # type: ignore[arg-type]

    def cut(self) -> None:
        """All connections break, by no fault of the gateway's."""
        for link in list(self.amqp.server._links):
            link._transport.abort()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("fiks_io.consuming.FIRST_PAUSE", 0.05)
    context, authority = certified(tmp_path)
    (tmp_path / "content").mkdir()
    async with running_amqp(context) as amqp, running_platform(tmp_path / "content", amqp.queues) as platform:
        platform.keys |= {KONTO_ID: OURS.certificate, OTHER_KONTO: OTHERS.certificate}
        yield World(amqp, platform, ssl.create_default_context(cafile=authority))


@asynccontextmanager
async def reading(klient: FiksIO, **how: object) -> AsyncIterator[AsyncIterator[MottattMelding]]:
    async with klient, klient.meldinger(**how) as meldinger:  # type: ignore[arg-type]
        yield meldinger


async def files_of(melding: MottattMelding) -> dict[str, bytes]:
    async with melding.innhold() as innhold:
        return {name: innhold.read(name) for name in innhold.names}


# --- Catalogue -------------------------------------------------------------------------------------------------------


async def test_looks_up_accounts(world: World) -> None:
    async with world.klient() as klient:
        konto = await klient.katalog.konto(OTHER_KONTO)
        assert konto is not None
        assert (konto.konto_id, konto.konto_navn, konto.organisasjonsnummer) == (OTHER_KONTO, "Postmottak", "310991007")
        assert konto.status == await klient.katalog.status(OTHER_KONTO)
        assert konto.status.antall_uavhentede_meldinger == 2
        assert await klient.katalog.konto(UUID(int=1)) is None
        with pytest.raises(HttpError) as fault:
            await klient.katalog.status(UUID(int=1))
        assert (fault.value.status, fault.value.body) == (404, '{"message": "Fant ikke konto"}')


async def test_asks_for_a_key_once(world: World) -> None:
    async with world.klient() as klient:
        for _ in range(3):
            assert await klient.katalog.certificate(OTHER_KONTO) == OTHERS.certificate
        assert len(world.platform.asked) == 1


async def test_an_account_without_a_key_gets_nothing(world: World) -> None:
    async with world.klient() as klient:
        with pytest.raises(HttpError, match="404"):
            await klient.send(UUID(int=1), TYPE, FILES)
    assert world.platform.sent == []


# --- Sending ---------------------------------------------------------------------------------------------------------


async def test_sends_and_receives_and_answers(world: World) -> None:
    """All the way and back, with what goes through a dialogue."""
    own = uuid4()
    async with reading(world.klient()) as ours, reading(world.klient(OTHER_KONTO)) as theirs:
        async with world.klient() as klient:
            sent = await klient.send(
                OTHER_KONTO,
                TYPE,
                FILES,
                ttl=timedelta(hours=1),
                headere={"sak": "26/1 ø"},
                klient_melding_id=own,
                klient_korrelasjon_id="dialog 7",
            )
        assert (sent.avsender_konto_id, sent.mottaker_konto_id, sent.melding_type) == (KONTO_ID, OTHER_KONTO, TYPE)
        assert (sent.ttl, sent.dokumentlager_id) == (timedelta(hours=1), None)
        melding = await anext(theirs)
        said = melding.metadata
        assert (said.melding_id, said.melding_type, said.avsender_konto_id) == (sent.melding_id, TYPE, KONTO_ID)
        assert (said.ttl, said.headere["sak"], said.klient_melding_id) == (timedelta(hours=1), "26/1 ø", own)
        assert (said.klient_korrelasjon_id, said.svar_pa_melding, said.resendt) == ("dialog 7", None, False)
        assert await files_of(melding) == {"brev.pdf": b"%PDF-1.4", "vedlegg æøå.txt": "Blåbær".encode()}
        answer = await melding.svar("no.ks.fiks.svar", [File("svar.txt", b"ja")])
        await melding.ack()
        back = await anext(ours)
        assert (back.metadata.melding_id, back.metadata.svar_pa_melding) == (answer.melding_id, sent.melding_id)
        assert back.metadata.headere == {"klientKorrelasjonsId": "dialog 7", "klientKorrelasjonId": "dialog 7"}
        assert await files_of(back) == {"svar.txt": b"ja"}
        await back.ack()
    await eventually(lambda: world.amqp.queues.outcomes(OTHER_KONTO) == [["acked"]])


async def test_sends_what_has_no_payload(world: World) -> None:
    async with reading(world.klient(OTHER_KONTO)) as meldinger, world.klient() as klient:
        sent = await klient.send(OTHER_KONTO, TYPE)
        assert sent.ttl == timedelta(days=7)
        melding = await anext(meldinger)
        assert not melding.metadata.har_payload
        with pytest.raises(Refused):
            await files_of(melding)


async def broken() -> AsyncIterator[bytes]:
    yield BLOCK
    raise LookupError("the source is gone")


async def test_a_payload_that_breaks_off_is_never_sent_as_a_whole_one(world: World) -> None:
    """The fault that is raised is the source's own."""
    async with world.klient() as klient:
        with pytest.raises(LookupError, match="the source is gone"):
            await klient.send(OTHER_KONTO, TYPE, [File("a.bin", broken())])
    await eventually(lambda: world.platform.cut == 1)
    assert world.platform.sent == []


async def test_two_files_of_one_name_are_not_sent(world: World) -> None:
    async with world.klient() as klient:
        with pytest.raises(ValueError, match="same name"):
            await klient.send(OTHER_KONTO, TYPE, [FILES[0], FILES[0]])
    assert world.platform.sent == []


@pytest.mark.parametrize("name", ["../a", "/a", "META-INF/a", "mimetype", "", "a\nb"])
def test_a_name_that_no_receiver_would_take(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        File(name, b"")


@pytest.mark.parametrize("files", [[], FILES], ids=["without payload", "with payload"])
async def test_a_refusal_is_told_as_it_was_said(world: World, files: list[File]) -> None:
    async with world.klient() as klient:
        await klient.katalog.certificate(OTHER_KONTO)
        world.platform.fault = web.HTTPBadRequest(text='{"message": "TTL er for kort"}')
        with pytest.raises(HttpError) as fault:
            await klient.send(OTHER_KONTO, TYPE, files)
    assert (fault.value.status, fault.value.body) == (400, '{"message": "TTL er for kort"}')


async def test_a_redirect_is_not_followed_with_secrets(world: World) -> None:
    world.platform.fault = web.HTTPFound("http://127.0.0.1:1/")
    async with world.klient() as klient:
        with pytest.raises(HttpError, match="302"):
            await klient.send(OTHER_KONTO, TYPE)


async def test_nobody_who_answers(world: World) -> None:
    klient = world.klient()
    klient._miljo = Miljo("http://127.0.0.1:1", "localhost", 1)
    async with klient:
        with pytest.raises(Unavailable):
            await klient.katalog.status(KONTO_ID)
        with pytest.raises(Unavailable):
            async with klient.meldinger():
                pytest.fail("nobody is there")


# --- Receiving -------------------------------------------------------------------------------------------------------


async def test_settles_in_each_way(world: World) -> None:
    world.amqp.queues.put(KONTO_ID, *[MELDING] * 3)
    async with reading(world.klient()) as meldinger:
        first, second, third = [await anext(meldinger) for _ in range(3)]
        await first.ack()
        await second.nack()
        await third.requeue()
        again = await anext(meldinger)
        assert again.metadata.resendt
        await again.ack()
    outcomes = [["acked"], ["rejected"], ["requeued", "acked"]]
    await eventually(lambda: world.amqp.queues.outcomes(KONTO_ID) == outcomes)


async def test_holds_as_many_as_it_was_told(world: World) -> None:
    world.amqp.queues.put(KONTO_ID, *[MELDING] * 5)
    async with reading(world.klient(), prefetch=2) as meldinger:
        await anext(meldinger)
        await eventually(lambda: len(world.amqp.queues.queue(KONTO_ID).leased) == 2)
    await eventually(lambda: not world.amqp.queues.queue(KONTO_ID).leased)


async def test_comes_back_with_a_new_token_when_the_connection_breaks(world: World) -> None:
    world.amqp.queues.put(KONTO_ID, *[MELDING] * 3)
    async with reading(world.klient()) as meldinger:
        first = await anext(meldinger)
        token = world.platform.token
        world.cut()
        with pytest.raises(Lost):
            while True:
                await first.ack()
                await asyncio.sleep(0)
        again = [await anext(meldinger) for _ in range(3)]
        assert [one.metadata.resendt for one in again] == [True] * 3
        assert world.platform.token != token
        for one in again:
            await one.ack()
    await eventually(lambda: [row[-1] for row in world.amqp.queues.outcomes(KONTO_ID)] == ["acked"] * 3)


async def test_comes_back_when_it_was_refused_for_a_while(world: World) -> None:
    """The server closes the connection with 320, and refuses the consumer until the right is given again."""
    right = {"fiks_org_id": ORG, "aktor": AKTOR, "ressurs_id": KONTO_ID, "privilegium": SENDE_MOTTA}
    async with reading(world.klient()) as meldinger:
        waiting = asyncio.create_task(anext(meldinger))  # type: ignore[arg-type]
        world.amqp.memory.meet(PrivilegieTrukketTilbake(**right))
        await eventually(lambda: not world.amqp.queues.queue(KONTO_ID).turns)
        world.amqp.memory.meet(PrivilegieTildelt(**right))
        world.amqp.queues.put(KONTO_ID, MELDING)
        await (await waiting).ack()


async def test_comes_back_when_its_consumer_is_cancelled(world: World) -> None:
    """Which other servers do when a queue moves."""
    async with reading(world.klient()) as meldinger:
        waiting = asyncio.create_task(anext(meldinger))  # type: ignore[arg-type]
        await eventually(lambda: bool(world.amqp.queues.queue(KONTO_ID).turns))
        (link,) = world.amqp.server._links
        (tag,) = link._session._channels._open[1].consumers
        link._transport.write(marshal(commands.Basic.Cancel(tag, nowait=True), 1))
        await eventually(lambda: link not in world.amqp.server._links)
        world.amqp.queues.put(KONTO_ID, MELDING)
        await (await waiting).ack()


async def test_the_first_connection_must_succeed(world: World) -> None:
    world.amqp.memory.meet(
        PrivilegieTrukketTilbake(fiks_org_id=ORG, aktor=AKTOR, ressurs_id=KONTO_ID, privilegium=SENDE_MOTTA)
    )
    async with world.klient() as klient:
        with pytest.raises(Denied, match="ACCESS_REFUSED"):
            async with klient.meldinger():
                pytest.fail("it was refused")


async def test_an_account_that_is_none_or_is_hidden_is_not_tried_again(world: World) -> None:
    async with world.klient(konto_id=uuid4()) as klient:
        with pytest.raises(Denied, match="NOT_FOUND"):
            async with klient.meldinger():
                pytest.fail("there is none")


async def test_a_certificate_that_nobody_knows_is_not_trusted(world: World) -> None:
    world.tls = ssl.create_default_context()
    async with world.klient() as klient:
        with pytest.raises(Unavailable, match="certificate"):
            async with klient.meldinger():
                pytest.fail("it was trusted")


async def test_what_was_handled_is_not_handed_out_again(world: World) -> None:
    """Only what comes again is asked for, as with the client for Java."""
    headers = dict(MELDING.headers)
    known, new = (Melding(headers | {"melding-id": str(UUID(int=number))}, b"x") for number in (0x10, 0x11))
    asked = []

    async def is_handled(melding_id: UUID) -> bool:
        asked.append(melding_id)
        return melding_id == UUID(int=0x10)

    async with reading(world.klient(), is_handled=is_handled) as meldinger:
        world.amqp.queues.put(KONTO_ID, known, new)
        assert [(await anext(meldinger)).metadata.resendt for _ in range(2)] == [False, False]
        world.cut()
        again = await anext(meldinger)
        assert (again.metadata.melding_id, again.metadata.resendt) == (UUID(int=0x11), True)
        await again.ack()
    assert asked == [UUID(int=0x10), UUID(int=0x11)]
    await eventually(lambda: [row[-1] for row in world.amqp.queues.outcomes(KONTO_ID)] == ["acked"] * 2)


async def test_goes_on_when_what_was_handled_cannot_be_acknowledged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke just then: it comes again, and is asked for again."""
    tries = []

    async def once_lost(message: object) -> None:
        tries.append(message)
        if len(tries) == 1:
            world.cut()
            raise Lost

    async def is_handled(melding_id: UUID) -> bool:
        return True

    monkeypatch.setattr("fiks_io.client.acknowledge", once_lost)
    world.amqp.queues.put(KONTO_ID, MELDING)
    async with reading(world.klient(), is_handled=is_handled) as meldinger:
        await (await anext(meldinger)).requeue()
        waiting = asyncio.create_task(anext(meldinger))  # type: ignore[arg-type]
        await eventually(lambda: len(tries) == 2)
        world.amqp.queues.put(KONTO_ID, MELDING)
        await (await waiting).nack()


async def test_tries_again_whatever_the_token_source_raises(world: World) -> None:
    klient = world.klient()
    token, answers = klient._token, [None, LookupError("no key"), OSError("no network"), None]

    async def at_times() -> str:
        if fault := answers.pop(0):
            raise fault
        return await token()

    klient._token = at_times
    async with reading(klient) as meldinger:
        world.cut()
        world.amqp.queues.put(KONTO_ID, MELDING)
        await (await anext(meldinger)).ack()
    assert not answers


FAULTY = {
    "no id": {"melding-id": None},
    "no type": {"type": None},
    "no sender": {"avsender-id": None},
    "id that is none": {"melding-id": "1-1-1-1-1"},
    "answer to nothing": {"svar-til": ""},
    "document that is none": {"dokumentlager-id": "x"},
}


@pytest.mark.parametrize("name", FAULTY)
async def test_what_is_not_understood_is_given_back(world: World, name: str) -> None:
    """So the platform tells its sender after three attempts, and what comes after it is read."""
    headers = {key: value for key, value in (MELDING.headers | FAULTY[name]).items() if value is not None}
    world.amqp.queues.put(KONTO_ID, Melding(headers, b"x"))
    async with reading(world.klient()) as meldinger:
        waiting = asyncio.create_task(anext(meldinger))  # type: ignore[arg-type]
        await eventually(lambda: world.amqp.queues.outcomes(KONTO_ID)[0][:3] == ["requeued"] * 3)
        world.amqp.queues.put(KONTO_ID, MELDING)
        await (await waiting).ack()


async def test_a_payload_for_an_old_key_is_read(world: World) -> None:
    async with world.klient(OTHER_KONTO) as klient:
        world.platform.keys[KONTO_ID] = OLD.certificate
        await klient.send(KONTO_ID, TYPE, FILES)
    async with reading(world.klient()) as meldinger:
        assert len(await files_of(await anext(meldinger))) == 2


async def test_a_payload_that_is_no_container_is_given_as_it_came(world: World) -> None:
    world.amqp.queues.put(KONTO_ID, Melding(MELDING.headers, encrypt(b"Hei", OURS)))
    async with reading(world.klient()) as meldinger:
        melding = await anext(meldinger)
        with pytest.raises(Refused, match="zip"):
            await files_of(melding)
        assert b"".join([chunk async for chunk in melding.kryptert()])[:2] == b"\x30\x80"


# --- README ----------------------------------------------------------------------------------------------------------


async def test_the_example_of_the_readme_works(world: World, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "clients/python/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(code, shown)
    secret = serialization.BestAvailableEncryption(b"x")
    p12 = pkcs12.serialize_key_and_certificates(None, SIGNER.key, SIGNER.certificate, None, secret)
    (tmp_path / "virksomhet.p12").write_bytes(p12)
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "konto.crt").write_bytes(OURS.certificate.public_bytes(pem))
    (tmp_path / "konto.key").write_bytes(OURS.key.private_bytes(pem, private, serialization.NoEncryption()))
    assert shown["klient"](tmp_path, b"x", Integrasjon(INTEGRASJON, PASSORD), KONTO_ID)
    await shown["send"](world.klient(OTHER_KONTO), KONTO_ID, tmp_path / "konto.crt")
    world.amqp.queues.put(KONTO_ID, Melding(MELDING.headers, encrypt(b"Hei", OURS)), Melding(MELDING.headers))
    receiving = asyncio.create_task(shown["motta"](world.klient(), tmp_path))
    settled = [["acked"], ["rejected"], ["acked"]]
    await eventually(lambda: receiving.done() or world.amqp.queues.outcomes(KONTO_ID) == settled)
    receiving.cancel()
    (received,) = await asyncio.to_thread(lambda: list(tmp_path.glob("*/brev.pdf")))
    assert received.read_bytes() == (tmp_path / "konto.crt").read_bytes()
    assert world.platform.sent[1]["meldingType"] == "no.ks.fiks.eksempel.v1.mottatt"
    with pytest.raises(asyncio.CancelledError):
        await receiving


# --- Large -----------------------------------------------------------------------------------------------------------

SIZE = 300_000_000 if "TEST_LARGE" in os.environ else 100_000_000
BLOCK = random.Random(1).randbytes(1_000_000)


async def large() -> AsyncIterator[bytes]:
    for _ in range(SIZE // len(BLOCK)):
        yield BLOCK


async def test_large_content_in_constant_memory(world: World, tmp_path: Path) -> None:
    """Sent, kept by the platform, fetched, checked and written to a file, all in this process."""
    async with reading(world.klient(OTHER_KONTO)) as meldinger, world.klient() as klient:
        tracemalloc.start()
        try:
            sent = await klient.send(OTHER_KONTO, TYPE, [File("stor.bin", large())])
            melding = await anext(meldinger)
            async with melding.innhold() as innhold:
                (path,) = await innhold.extract(tmp_path / "ut")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await melding.ack()
    assert sent.dokumentlager_id == melding.metadata.dokumentlager_id
    assert path.stat().st_size == SIZE
    with path.open("rb") as file:
        assert all(file.read(len(BLOCK)) == BLOCK for _ in range(SIZE // len(BLOCK)))
    assert peak < 40_000_000


async def test_a_large_payload_that_is_gone_or_cut(world: World) -> None:
    async with reading(world.klient(OTHER_KONTO)) as meldinger, world.klient() as klient:
        await klient.send(OTHER_KONTO, TYPE, [File("stor.bin", BLOCK * 6)])
        melding = await anext(meldinger)
        path = world.platform.folder / str(melding.metadata.dokumentlager_id)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(Refused):
            await files_of(melding)
        path.unlink()
        with pytest.raises(HttpError, match="404"):
            await files_of(melding)


# --- Secrets ---------------------------------------------------------------------------------------------------------


async def test_nothing_secret_is_logged_or_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    klient = world.klient()
    world.amqp.queues.put(KONTO_ID, MELDING)
    async with reading(klient) as meldinger:
        melding = await anext(meldinger)
        await klient.send(OTHER_KONTO, TYPE, FILES)
        world.cut()
        await anext(meldinger)
        world.platform.fault = web.HTTPUnauthorized(text="nei")
        with pytest.raises(HttpError) as fault:
            await klient.katalog.status(KONTO_ID)
    shown = caplog.text + repr((klient._konto, klient._integrasjon, melding, melding.metadata, fault.value, FILES))
    for secret in (PASSORD, world.platform.token, world.platform.token.split(".")[2], "PDF-1.4"):
        assert secret not in shown
