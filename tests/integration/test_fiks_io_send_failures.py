"""Sending by Fiks IO while the log is away, and a huge message: nothing half done, and little memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from gateway.context import BLOBS, LOG
from infra.sealed_blobs import opening
from schemas.dokumentlager import DokumentLastetOpp, DokumentslettingBegjart
from schemas.fiks_io import MeldingSendt
from streams.domain.errors import TooLarge, Unacknowledged, Unavailable
from streams.domain.fiks_io import key_id_of, stream_of
from streams.log import Log
from tests.support.fiks_io import JAVA, Sender, java, running_sender
from tests.support.files import stored_in
from tests.support.gateway import ends_of, events_after, until_log_takes
from tests.support.memory import resident
from tests.support.records import records_on
from tests.support.stack import OwnKafka, temporary_folder

MEGA = 1 << 20
SMALL, LARGE = b"innhold" * 1000, bytes(6 * MEGA)
DOKUMENTER, KEYS = "fiks.dokumentlager", "fiks.nokkel"


@pytest_asyncio.fixture(scope="module")
async def sender() -> AsyncIterator[Sender]:
    with temporary_folder() as folder:
        kafka = OwnKafka(folder)
        await kafka.start()
        async with running_sender(kafka.bootstrap, folder / "state") as made:
            yield made
        await kafka.stop()


def blobs(sender: Sender) -> set[str]:
    return stored_in(sender.blobs)


async def test_while_the_log_is_away_nothing_is_accepted_and_nothing_is_left() -> None:
    with temporary_folder() as folder:
        kafka = OwnKafka(folder)
        await kafka.start()
        async with running_sender(kafka.bootstrap, folder / "state") as sender:
            await sender.sent(SMALL)
            marks, told, before = await ends_of(kafka.bootstrap, "fiks.io"), blobs(sender), keys_on(sender)
            await kafka.kill()

            for content in (None, SMALL, LARGE):
                said = sender.metadata(headere={"klientMeldingId": str(uuid4())})  # its key is made first
                status, answer = await sender.send(java(said, content))
                assert (status, answer["status"]) == (503, 503)

            assert blobs(sender) == told
            await kafka.start()
            await until_log_takes(sender.caller.app)
            assert (await sender.send(java(sender.metadata(), SMALL)))[0] == 202
            [recorded] = await events_after(kafka.bootstrap, marks, "fiks.io")
            assert blobs(sender) == told | {recorded.event.blob}
            assert records_on(kafka.bootstrap, DOKUMENTER) == []
            key_id = key_id_of(stream_of(recorded.event.mottaker_konto_id, recorded.event.melding_id))
            assert keys_on(sender) - before == {key_id.encode()}, "one key, which one tombstone destroys"
        await kafka.stop()


def keys_on(sender: Sender) -> set[bytes]:
    return {one.key for one in records_on(sender.caller.settings.kafka, KEYS)}


def failing(monkeypatch: pytest.MonkeyPatch, kind: type, fault: Exception) -> None:
    """The log refuses events of that type."""
    append = Log.append

    async def refuse(log: Log, event: object, about: Any) -> Any:
        if isinstance(event, kind):
            raise fault
        return await append(log, event, about)

    monkeypatch.setattr(Log, "append", refuse)


async def test_a_document_without_its_message_is_taken_back(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = await ends_of(sender.caller.settings.kafka, DOKUMENTER)
    failing(monkeypatch, MeldingSendt, Unavailable("borte"))

    assert (await sender.send(java(sender.metadata(), LARGE)))[0] == 503

    made, gone = [one.event for one in await events_after(sender.caller.settings.kafka, marks, DOKUMENTER)]
    assert isinstance(made, DokumentLastetOpp)
    assert isinstance(gone, DokumentslettingBegjart)
    assert gone.dokument_id == made.dokument_id


async def test_what_may_be_on_the_log_keeps_its_content(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, kind in ((SMALL, MeldingSendt), (LARGE, MeldingSendt), (LARGE, DokumentLastetOpp)):
        told, marks = blobs(sender), await ends_of(sender.caller.settings.kafka, DOKUMENTER)
        with monkeypatch.context() as patch:
            failing(patch, kind, Unacknowledged("kanskje"))
            # a client sends it again by itself on a 503, so that says that nothing was accepted (contract 1.4)
            expected = 500 if kind is MeldingSendt else 503
            assert (await sender.send(java(sender.metadata(), content)))[0] == expected
        assert len(blobs(sender) - told) == 1
        said = [type(one.event) for one in await events_after(sender.caller.settings.kafka, marks, DOKUMENTER)]
        assert said == ([DokumentLastetOpp] if content is LARGE and kind is MeldingSendt else [])


async def test_what_was_not_taken_leaves_neither_content_nor_key(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, marks = blobs(sender), await ends_of(sender.caller.settings.kafka, KEYS)
    failing(monkeypatch, MeldingSendt, TooLarge("for stort"))

    assert (await sender.send(java(sender.metadata(), SMALL)))[0] == 400

    assert blobs(sender) == told
    said = [one for one in records_on(sender.caller.settings.kafka, KEYS) if one.offset >= marks[one.partition]]
    made, destroyed = said
    assert (made.key, bool(made.value), bool(destroyed.value)) == (destroyed.key, True, False)


async def test_a_huge_message_takes_little_memory(sender: Sender) -> None:
    megabytes, peak, kafka = 300, 0, sender.caller.settings.kafka

    async def body() -> AsyncIterator[bytes]:
        nonlocal peak
        yield java(sender.metadata(), end=False)
        yield f'--{JAVA}\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n'.encode()
        yield b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80"
        part = b"\x04\x84" + MEGA.to_bytes(4) + bytes(MEGA)
        for _ in range(megabytes):
            peak = max(peak, resident())
            yield part
        yield bytes(4) + f"\r\n--{JAVA}--\r\n".encode()

    await sender.sent(LARGE)
    marks, before = await ends_of(kafka, DOKUMENTER), resident()

    status, answer = await sender.send(body())

    [recorded] = await events_after(kafka, marks, DOKUMENTER)
    dokument: DokumentLastetOpp = recorded.event
    assert (status, answer["dokumentlagerId"]) == (202, str(dokument.dokument_id))
    assert dokument.ukryptert_storrelse == megabytes * (MEGA + 6) + 19
    key = (await sender.caller.app[LOG].keys.get_many([dokument.nokkel_id]))[dokument.nokkel_id]
    last = dokument.ukryptert_storrelse - 1
    pieces = opening(sender.caller.app[BLOBS], key, dokument.blob, last + 1, last - 9, last)
    assert b"".join([piece async for piece in pieces]) == bytes(10)
    assert peak - before < 64 * MEGA
