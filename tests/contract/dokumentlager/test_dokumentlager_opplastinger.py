"""Documents in several calls (TUS 1.0.0): the same documents, exactly one each, whatever breaks off or comes twice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import opplasting_slutt
from gateway.auth.memory import MEMORY
from gateway.context import LOG, SCANNER
from gateway.opplasting import PIECE, Opplasting
from gateway.opplastinger import OPPLASTINGER
from infra.virus import Clamd
from schemas.dokumentlager import DokumentLastetOpp
from streams.domain.errors import Unacknowledged, Unavailable
from streams.domain.opplasting import LIFETIME
from streams.sealing import opened_all
from tests.support.clamd import EICAR, LIMIT
from tests.support.dokumentlager import PROVDAL, Answer, Lager, gateway_process
from tests.support.gateway import ends_of, events_after
from tests.support.tus import RESUMABLE, Upload, begun, create, metadata_of

LARGE = os.urandom(2 * PIECE + 4711)


@pytest.fixture
def korrelasjonsid() -> str:
    return str(uuid4())


async def told(lager: Lager, korrelasjonsid: str) -> list[Any]:
    """The events of documents with that correlation id."""
    if not any((await ends_of(lager.settings.kafka, "fiks.dokumentlager")).values()):
        return []
    events = await events_after(lager.settings.kafka, dict.fromkeys(range(12), 0), "fiks.dokumentlager")
    return [
        one
        for one in events
        if isinstance(one.event, DokumentLastetOpp) and str(one.event.korrelasjonsid) == korrelasjonsid
    ]


def left_of(lager: Lager, upload: Upload) -> set[str]:
    """The names of what lies in the store of an upload."""
    store = lager.settings.state / "blobs"
    return {file.name for file in store.glob(f"opplasting-*-{upload.path.rpartition('/')[2]}/*")}


async def downloaded(lager: Lager, answer: Answer) -> bytes:
    assert answer.status in {200, 204}, answer.body
    return (await lager.download(answer.headers["Fiks-Dokument-Id"])).body


async def test_the_last_byte_makes_the_document(lagre: tuple[Lager, Lager], korrelasjonsid: str) -> None:
    one, other = lagre
    before = one.blobs
    upload = await begun(one, len(LARGE), korrelasjonsid=korrelasjonsid)

    assert (await upload.send(0, LARGE[:100])).headers["Upload-Offset"] == "100"
    shown = await upload.at(other).head()
    assert (shown.headers["Upload-Offset"], shown.headers["Upload-Length"]) == ("100", str(len(LARGE)))
    assert shown.headers["Upload-Metadata"] == metadata_of(korrelasjonsid=korrelasjonsid)
    assert shown.headers["Cache-Control"] == "no-store"
    expires = parsedate_to_datetime(shown.headers["Upload-Expires"])
    assert timedelta(0) < datetime.now(UTC) + LIFETIME - expires < timedelta(minutes=10)
    last = await upload.at(other).send(100, LARGE[100:])

    assert (last.status, last.body) == (204, b"")
    assert (last.headers["Upload-Offset"], last.headers["Tus-Resumable"]) == (str(len(LARGE)), "1.0.0")
    dokument_id = last.headers["Fiks-Dokument-Id"]
    assert last.headers["Location"].endswith(f"/dokumentlager/nedlasting/{dokument_id}")
    [event] = await told(one, korrelasjonsid)
    assert (str(event.event.dokument_id), event.event.ukryptert_storrelse) == (dokument_id, len(LARGE))
    [said] = await opened_all(one.app[LOG].keys, [event])
    assert said.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert event.at.actor == f"integrasjon:{one.headers['IntegrasjonId']}"
    for lager in lagre:
        assert (await lager.download(dokument_id)).body == LARGE
    assert left_of(one, upload) == {"utfall", "ferdig"}
    assert len({name for name in one.blobs - before if not name.startswith("opplasting-")}) == 1


async def test_who_lost_the_answer_finds_the_same_document(lagre: tuple[Lager, Lager], korrelasjonsid: str) -> None:
    upload = await begun(lagre[0], 3, korrelasjonsid=korrelasjonsid)
    first = await upload.send(0, b"abc")

    for lager in lagre:
        again = [await upload.at(lager).head(), await upload.at(lager).send(3), await upload.at(lager).send(0, b"abc")]
        assert [one.status for one in again] == [200, 204, 409]
        assert {one.headers["Fiks-Dokument-Id"] for one in again[:2]} == {first.headers["Fiks-Dokument-Id"]}
        assert again[0].headers["Upload-Offset"] == "3"
    assert len(await told(lagre[0], korrelasjonsid)) == 1
    assert (await upload.delete()).status == 409


async def test_what_is_offered(lager: Lager) -> None:
    answer = await lager.session.options(lager.url + f"{lager.konto}/opplastinger")
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-defer-length,expiration,checksum,termination"


async def test_who_can_only_post(lager: Lager) -> None:
    upload = await begun(lager, 3)
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}

    async def post(method: str, **more: Any) -> Answer:
        headers = RESUMABLE | {"X-HTTP-Method-Override": method} | more.pop("headers", {})
        return await lager.ask("POST", upload.path, headers=headers, **more)

    assert (await post("HEAD")).headers["Upload-Offset"] == "0"
    assert [(await post(method)).status for method in ("PUT", "")] == [405, 405]
    assert await downloaded(lager, await post("PATCH", headers=kind, data=b"abc")) == b"abc"
    assert (await post("DELETE")).status == 409


async def test_more_parts_than_an_upload_may_have_are_refused(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is kept, and another call brings no more of it."""
    monkeypatch.setattr("gateway.opplastinger.MOST_PARTS", 3)
    upload = await begun(lager, 6)
    for offset in range(3):
        assert (await upload.send(offset, b"x")).status == 204

    for _ in range(2):
        refused = await upload.send(3, b"y")
        assert (refused.status, "for mange deler" in refused.json["message"]) == (400, True)
        assert await upload.offset() == 3
    assert left_of(lager, upload) == {"opprettet", *(f"{offset:012}" for offset in range(3))}
    assert (await upload.delete()).status == 204


async def test_one_call_with_more_than_the_parts_that_are_left(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.opplastinger.MOST_PARTS", 2)
    upload = await begun(lager, len(LARGE))
    assert (await upload.send(0, LARGE)).status == 400
    assert await upload.offset() == 2 * PIECE


async def test_what_lies_in_the_store_tells_nothing(lager: Lager) -> None:
    upload = await begun(lager, 1000, dokumentnavn="Hemmelig navn.pdf")
    await upload.send(0, b"hemmelig " * 50)

    for file in (lager.settings.state / "blobs").glob("opplasting-*/*"):
        assert b"emmelig" not in file.read_bytes()
    assert left_of(lager, upload) == {"opprettet", "000000000000"}


@pytest.mark.parametrize(
    ("metadata", "query", "headers", "status"),
    [
        (metadata_of(), "", {}, 400),
        (metadata_of(), "", {"Upload_Length": "0"}, 400),
        (metadata_of(), "", {"Upload_Length": str(1 << 40)}, 413),
        (metadata_of(), "", {"Upload_Length": "1", "Tus_Resumable": "0.2"}, 412),
        (metadata_of(), "?kryptert=kanskje", {"Upload_Length": "1"}, 400),
        (metadata_of(sikkerhetsniva=4), "", {"Upload_Length": "1"}, 400),
        (metadata_of(ttl=0), "", {"Upload_Length": "1"}, 400),
        (metadata_of(mimetype="x"), "", {"Upload_Length": "1"}, 400),
        ("filename eA==", "", {"Upload_Length": "1"}, 400),
        ("metadata e30=", "", {"Upload_Length": "1"}, 400),
        ("metadata !", "", {"Upload_Length": "1"}, 400),
        (None, "", {"Upload_Length": "1"}, 400),
    ],
)
async def test_what_cannot_become_a_document_is_refused_at_once(
    lager: Lager, metadata: str | None, query: str, headers: dict[str, str], status: int
) -> None:
    before = lager.blobs
    answer = await create(lager, metadata, query, **headers)

    assert (answer.status, answer.json["status"]) == (status, status), answer.body
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert lager.blobs <= before  # what an earlier test had deleted may go meanwhile


async def test_what_came_of_a_call_that_breaks_off_is_kept(lager: Lager) -> None:
    upload = await begun(lager, PIECE + 100)
    content = os.urandom(PIECE + 100)
    async with upload.breaking_off(0, PIECE + 100) as send:
        await send(content[:PIECE])
        while await upload.offset() < PIECE:
            await asyncio.sleep(0.05)
        await send(content[PIECE : PIECE + 7])
    while (offset := await upload.offset()) == PIECE:
        await asyncio.sleep(0.05)

    assert offset == PIECE + 7
    assert await downloaded(lager, await upload.send(offset, content[offset:])) == content


@pytest.mark.parametrize("size", [5, PIECE + 5])
async def test_what_does_not_add_up_is_not_kept(lager: Lager, size: int) -> None:
    content, before = os.urandom(size), lager.blobs
    upload = await begun(lager, size)
    sums = [base64.b64encode(hashlib.sha1(said).digest()).decode() for said in (b"annet", content)]

    refused = await upload.send(0, content, Upload_Checksum=f"sha1 {sums[0]}")
    assert (refused.status, refused.json["error"]) == (460, "Checksum Mismatch")
    assert (await upload.offset(), left_of(lager, upload)) == (0, {"opprettet"})
    await upload.break_off(0, content[:-1], size, Upload_Checksum=f"sha1 {sums[1]}")
    assert await downloaded(lager, await upload.send(0, content, Upload_Checksum=f"sha1 {sums[1]}")) == content
    assert len(lager.blobs - before) == 2  # the document, and what remembers the upload


async def test_a_length_that_is_told_later(lager: Lager) -> None:
    upload = await begun(lager, None)
    assert (await upload.head()).headers["Upload-Defer-Length"] == "1"
    assert (await upload.send(0, b"ab")).status == 204
    assert (await upload.send(2, b"", Upload_Length="3")).status == 204
    assert (await upload.send(2, b"c", Upload_Length="4")).status == 400
    assert (await upload.head()).headers["Upload-Length"] == "3"
    assert await downloaded(lager, await upload.send(2, b"c")) == b"abc"


async def test_a_length_that_is_told_to_be_reached(lager: Lager) -> None:
    upload = await begun(lager, None)
    await upload.send(0, b"ab")
    assert await downloaded(lager, await upload.send(2, Upload_Length="2")) == b"ab"

    empty = await begun(lager, None)
    assert (await empty.send(0, Upload_Length="0")).status == 400
    assert (await empty.head()).status == 410


@pytest.mark.parametrize(
    ("offset", "content", "headers", "status"),
    [
        (1, b"x", {}, 409),
        (0, b"xxxx", {}, 413),
        (0, b"x", {"Content_Type": "application/octet-stream"}, 415),
        (0, b"x", {"Tus_Resumable": "2.0.0"}, 412),
        (0, b"x", {"Upload_Checksum": "crc32 AAAA"}, 400),
        (0, b"x", {"Upload_Length": "4"}, 400),
    ],
)
async def test_a_call_that_does_not_keep_to_the_protocol_changes_nothing(
    lager: Lager, offset: int, content: bytes, headers: dict[str, str], status: int
) -> None:
    upload = await begun(lager, 3)
    assert (await upload.send(offset, content, **headers)).status == status
    assert await upload.offset() == 0


async def test_more_than_was_announced_is_not_kept(lager: Lager) -> None:
    async def chunked() -> Any:
        yield b"1234"

    upload = await begun(lager, 3)
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    answer = await lager.ask("PATCH", upload.path, data=chunked(), headers=RESUMABLE | kind)
    assert answer.status == 413
    assert await upload.offset() == 0


CALLS = st.tuples(
    st.sampled_from(["sent", "summed", "summed wrongly", "misplaced", "too much", "broken off with a sum"]),
    st.integers(0, 1500),
    st.booleans(),
)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, max_size=8), seed=st.integers(0, 1 << 30))
async def test_whatever_the_calls(lagre: tuple[Lager, Lager], calls: list[tuple[str, int, bool]], seed: int) -> None:
    """Wherever they cut, whatever is wrong with some of them, and whoever of the gateways gets each."""
    content = hashlib.shake_256(str(seed).encode()).digest(3000)
    upload, offset = await begun(lagre[0], len(content)), 0
    for what, size, which in calls:
        at, some = upload.at(lagre[which]), content[offset : min(offset + size, len(content) - 1)]
        sums = [f"md5 {base64.b64encode(hashlib.md5(one).digest()).decode()}" for one in (some, some + b"x")]
        match what:
            case "sent":
                answer, expected = await at.send(offset, some), 204
            case "summed":
                answer, expected = await at.send(offset, some, Upload_Checksum=sums[0]), 204
            case "summed wrongly":
                answer, expected = await at.send(offset, some, Upload_Checksum=sums[1]), 460
            case "misplaced":
                answer, expected = await at.send(offset + 1, some), 409
            case "too much":
                answer, expected = await at.send(offset, content[offset:] + b"x"), 413
            case _:
                await at.break_off(offset, some, 3000 - offset, Upload_Checksum=sums[0])
                continue
        assert answer.status == expected
        offset += len(some) if expected == 204 else 0
        assert await at.offset() == offset
    assert await downloaded(lagre[0], await upload.send(offset, content[offset:])) == content


async def test_of_two_who_send_the_same_part_one_is_heard(lagre: tuple[Lager, Lager], korrelasjonsid: str) -> None:
    content = os.urandom(1000)
    for size in (999, 1000):
        upload = await begun(lagre[0], 1000, korrelasjonsid=korrelasjonsid)
        answers = await asyncio.gather(
            *(upload.at(lager).send(0, content[:size]) for lager in lagre for _ in range(3)), return_exceptions=True
        )
        statuses = sorted(one.status for one in answers if isinstance(one, Answer))
        assert statuses == [204, *[409] * 5]
    assert await downloaded(lagre[0], await upload.head()) == content
    assert len(await told(lagre[0], korrelasjonsid)) == 1


async def test_gateways_that_are_killed_at_some_moment(lager: Lager) -> None:
    """kill -9 of the process that has the upload, as it comes and as the document is made of it."""
    for wait in (0.02, 0.1, 0.2):
        id_, content = str(uuid4()), os.urandom(5 * PIECE)
        upload = await begun(lager, len(content), korrelasjonsid=id_)
        async with gateway_process(lager) as (other, process):
            sending = asyncio.create_task(upload.at(other).send(0, content))
            await asyncio.sleep(wait)
            process.kill()
            await asyncio.gather(sending, return_exceptions=True)
        offset = await upload.offset()
        answer = await upload.send(offset, content[offset:])
        assert await downloaded(lager, answer) == content
        assert len(await told(lager, id_)) == 1


async def test_two_processes_that_have_the_same_upload(lager: Lager) -> None:
    async with gateway_process(lager) as (other, _):
        for size in (1000, PIECE + 1):
            id_, content = str(uuid4()), os.urandom(size)
            upload = await begun(lager, size, korrelasjonsid=id_)
            await asyncio.gather(*(upload.at(at).send(0, content) for at in (lager, other, lager, other)))
            answers = await asyncio.gather(*(upload.at(at).head() for at in (lager, other)))
            assert len({one.headers["Fiks-Dokument-Id"] for one in answers}) == 1
            assert await downloaded(other, answers[0]) == content
            assert len(await told(lager, id_)) == 1


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Callable[[Lager, bytes, str], Awaitable[Upload]]:
    """An upload all bytes of which have come, and whose gateway was killed before it made a document of it."""

    async def make(lager: Lager, content: bytes, korrelasjonsid: str) -> Upload:
        upload = await begun(lager, len(content), korrelasjonsid=korrelasjonsid)
        store = lager.app[OPPLASTINGER]
        found = await store.find(lager.konto_id, upload.path.rpartition("/")[2])
        assert isinstance(found, Opplasting)

        async def chunks() -> Any:
            yield content

        await store.append(found, chunks(), None)
        return upload

    return make


async def test_one_that_is_whole_becomes_a_document_when_it_is_asked_for(
    lagre: tuple[Lager, Lager], korrelasjonsid: str, whole: Any
) -> None:
    upload = await whole(lagre[0], LARGE, korrelasjonsid)

    answers = await asyncio.gather(
        *(ask() for lager in lagre for ask in (upload.at(lager).head, lambda at=lager: upload.at(at).send(len(LARGE))))
    )

    assert sorted(one.status for one in answers) == [200, 200, 204, 204]
    [dokument_id] = {one.headers["Fiks-Dokument-Id"] for one in answers}
    [event] = await told(lagre[0], korrelasjonsid)
    assert str(event.event.dokument_id) == dokument_id
    assert (await lagre[0].download(dokument_id)).body == LARGE


@pytest.mark.parametrize("late", ["content", "decide"])
async def test_one_that_another_gateway_finishes_meanwhile(
    lagre: tuple[Lager, Lager],
    whole: Callable[[Lager, bytes, str], Awaitable[Upload]],
    monkeypatch: pytest.MonkeyPatch,
    korrelasjonsid: str,
    late: str,
) -> None:
    """While this one still reads it, and when it has read it and would decide."""
    one, other = lagre
    upload, store = await whole(one, b"innhold", korrelasjonsid), one.app[OPPLASTINGER]
    read, decide, ids = store.content, store.decide, []

    async def finish() -> None:
        ids.append((await upload.at(other).head()).headers["Fiks-Dokument-Id"])

    async def read_late(found: Opplasting) -> Any:
        await finish()
        async for piece in read(found):
            yield piece

    async def decide_late(found: Opplasting, outcome: bytes) -> bool:
        await finish()
        return await decide(found, outcome)

    monkeypatch.setattr(store, late, read_late if late == "content" else decide_late)
    answer = await upload.head()

    assert (answer.status, [answer.headers.get("Fiks-Dokument-Id")]) == (200, ids)
    assert len(await told(one, korrelasjonsid)) == 1


@pytest.mark.parametrize("is_on_the_log", [True, False])
async def test_a_log_that_was_silent_has_one_event_in_the_end(
    lagre: tuple[Lager, Lager],
    korrelasjonsid: str,
    monkeypatch: pytest.MonkeyPatch,
    is_on_the_log: bool,
) -> None:
    monkeypatch.setattr(opplasting_slutt, "SETTLING", 0.1)
    one, other = lagre
    log, append = one.app[LOG], one.app[LOG].append

    async def silent(event: object, about: Any) -> Any:
        if is_on_the_log:
            await append(event, about)
        raise Unacknowledged("taus")

    upload = await begun(one, 3, korrelasjonsid=korrelasjonsid)
    monkeypatch.setattr(log, "append", silent)
    assert (await upload.send(0, b"abc")).status == 503
    assert (await upload.head()).status == (200 if is_on_the_log else 503)
    monkeypatch.undo()
    monkeypatch.setattr(opplasting_slutt, "SETTLING", 0.1)

    answers = [await upload.at(lager).head() for lager in (other, one)]

    [event] = await told(one, korrelasjonsid)
    assert {one.headers["Fiks-Dokument-Id"] for one in answers} == {str(event.event.dokument_id)}
    assert await downloaded(one, answers[0]) == b"abc"
    assert left_of(one, upload) == {"utfall", "ferdig"}


async def test_a_store_that_fails_as_it_is_decided_loses_no_document(
    lager: Lager, korrelasjonsid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opplasting_slutt, "SETTLING", 0.1)
    store, decide = lager.app[OPPLASTINGER], lager.app[OPPLASTINGER].decide

    async def half(upload: Opplasting, outcome: bytes) -> bool:
        await decide(upload, outcome)
        raise Unavailable("svaret kom aldri")

    upload = await begun(lager, 3, korrelasjonsid=korrelasjonsid)
    with monkeypatch.context() as broken:
        broken.setattr(store, "decide", half)
        assert (await upload.send(0, b"abc")).status == 503
    assert await downloaded(lager, await upload.head()) == b"abc"
    assert len(await told(lager, korrelasjonsid)) == 1


async def test_one_that_is_given_up_frees_what_it_took(lager: Lager) -> None:
    upload = await begun(lager, 100)
    await upload.send(0, b"abc")

    assert (await upload.delete()).status == 204
    assert left_of(lager, upload) == {"utfall"}
    assert [(await call).status for call in (upload.head(), upload.send(3, b"x"), upload.delete())] == [410, 410, 410]


async def test_one_that_is_damaged_in_the_store_is_to_be_begun_anew(lager: Lager, korrelasjonsid: str) -> None:
    """Who asks again would hear of a fault for as long as it lives."""
    upload = await begun(lager, len(LARGE), korrelasjonsid=korrelasjonsid)
    await upload.send(0, LARGE[:-1])
    [part] = (lager.settings.state / "blobs").glob(f"opplasting-*-{upload.path.rpartition('/')[2]}/{PIECE:012d}")
    sealed = bytearray(part.read_bytes())
    sealed[1000] ^= 1
    part.write_bytes(sealed)
    before = lager.blobs

    last = await upload.send(len(LARGE) - 1, LARGE[-1:])

    assert (last.status, "Begynn på en ny" in last.json["message"]) == (410, True)
    assert [(await call).status for call in (upload.head(), upload.send(len(LARGE)))] == [410, 410]
    assert left_of(lager, upload) == {"utfall"}
    assert lager.blobs <= before, "nor is anything left of a document"
    assert await told(lager, korrelasjonsid) == []


async def test_one_that_is_given_up_as_its_last_byte_comes(lagre: tuple[Lager, Lager]) -> None:
    """Either it is a document or it is given up, and both callers are told which."""
    for _ in range(10):
        id_ = str(uuid4())
        upload = await begun(lagre[0], 3, korrelasjonsid=id_)
        sent, gone = await asyncio.gather(upload.send(0, b"abc"), upload.at(lagre[1]).delete())
        events = len(await told(lagre[0], id_))
        assert (sent.status, gone.status, events) in {(204, 409, 1), (410, 204, 0), (404, 204, 0)}, (sent.body,)


async def test_one_that_has_expired_is_gone(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as past:
        past.setattr("gateway.opplastinger.LIFETIME", timedelta(seconds=-1))
        upload = await begun(lager, 3)
    assert [(await call).status for call in (upload.head(), upload.send(0, b"abc"), upload.delete())] == [410] * 3


@pytest.mark.parametrize("name", ["x", "0" * 42, "bbabbbba-6b91-4b9f-8867-c1092fd72202", "f" * 42, "%2e%2e%2f"])
async def test_unknown_ones(lager: Lager, name: str) -> None:
    answer = await Upload(lager, f"{lager.konto}/opplastinger/{name}").head()
    assert answer.status in {404, 410}
    assert answer.headers["Tus-Resumable"] == "1.0.0"


async def test_of_another_account_or_organisation_it_is_unknown(lager: Lager) -> None:
    upload = await begun(lager, 3)
    stranger = await lager.as_organisation(PROVDAL)
    assert [(await call).status for call in (upload.at(stranger).head(), upload.at(stranger).delete())] == [403, 403]
    theirs = Upload(stranger, upload.path.replace(lager.konto, stranger.konto))
    assert [(await call).status for call in (theirs.head(), theirs.send(0, b"abc"), theirs.delete())] == [404] * 3


async def test_an_encrypted_one(lager: Lager) -> None:
    content = os.urandom(PIECE + 4711)
    message = await lager.encrypted(content)
    upload = await begun(lager, len(message), "?kryptert=true", sikkerhetsniva=4)
    await upload.send(0, message[:1000])
    assert await downloaded(lager, await upload.send(1000, message[1000:])) == content


async def test_one_that_cannot_be_deciphered_leaves_nothing(lager: Lager, korrelasjonsid: str) -> None:
    before = lager.blobs
    upload = await begun(lager, 3, "?kryptert=true", korrelasjonsid=korrelasjonsid)
    answer = await upload.send(0, b"abc")

    assert answer.status == 400
    assert (await upload.head()).status == 410
    assert (left_of(lager, upload), await told(lager, korrelasjonsid)) == ({"utfall"}, [])
    assert len(lager.blobs - before) == 1


async def test_one_too_large_to_be_scanned_is_given_up(scanned: Lager, korrelasjonsid: str) -> None:
    upload = await begun(scanned, LIMIT + 1, korrelasjonsid=korrelasjonsid)
    assert (await upload.send(0, b"x" * (LIMIT + 1))).status == 400
    assert (await upload.head()).status == 410
    assert (left_of(scanned, upload), await told(scanned, korrelasjonsid)) == ({"utfall"}, [])


async def test_an_infected_one_is_never_handed_out(scanned: Lager, korrelasjonsid: str) -> None:
    upload = await begun(scanned, len(EICAR), korrelasjonsid=korrelasjonsid)
    await upload.send(0, EICAR)
    [event] = await told(scanned, korrelasjonsid)
    assert (await scanned.download(str(event.event.dokument_id))).status == 400


async def test_one_that_waits_for_the_scanner_stays_whole(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, scanner = await begun(lager, 3), Clamd("tcp://127.0.0.1:1")
    with monkeypatch.context() as down:
        down.setattr(type(lager.app[SCANNER]), "scanning", lambda _self: scanner.scanning())
        assert [(await call).status for call in (upload.send(0, b"abc"), upload.head())] == [503, 503]
    assert await downloaded(lager, await upload.head()) == b"abc"


async def test_one_whose_time_has_passed_as_it_came(lager: Lager) -> None:
    while True:
        til = datetime.now(UTC) + timedelta(seconds=1)
        answer = await create(lager, metadata_of(ttl=None, tilgjengeligTil=til.isoformat()), Upload_Length="3")
        if answer.status == 201:
            break
        assert answer.status == 400, "it took longer than that to be asked"
    upload = Upload(lager, answer.headers["Location"])
    while datetime.now(UTC) < til:
        await asyncio.sleep(0.1)
    assert (await upload.send(0, b"abc")).status == 400
    assert (await upload.head()).status == 410


async def test_who_loses_the_right_goes_no_further(
    lager: Lager, korrelasjonsid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await begun(lager, 6, korrelasjonsid=korrelasjonsid)
    await upload.send(0, b"abc")
    with monkeypatch.context() as revoked:
        revoked.setattr(lager.app[MEMORY], "may", lambda *_: False)
        assert [(await call).status for call in (upload.head(), upload.send(3, b"def"), upload.delete())] == [403] * 3
    answers = iter([True])  # lost while the document is made
    with monkeypatch.context() as revoked:
        revoked.setattr(lager.app[MEMORY], "may", lambda *_: next(answers, False))
        assert (await upload.send(3, b"def")).status == 403
    assert await told(lager, korrelasjonsid) == []
    assert await downloaded(lager, await upload.head()) == b"abcdef"


async def test_of_an_account_that_is_closed_it_can_only_be_given_up(
    lager: Lager, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await begun(lager, 6)
    await upload.send(0, b"abc")
    closed: Callable[[Any, UUID], bool] = lambda *_: True  # noqa: E731
    monkeypatch.setattr("gateway.dokumentlager.is_closed", closed)
    assert [(await call).status for call in (upload.head(), upload.send(3, b"def"))] == [410, 410]
    assert (await create(lager, metadata_of(), Upload_Length="1")).status == 410
    assert (await upload.delete()).status == 204
    assert left_of(lager, upload) == {"utfall"}
