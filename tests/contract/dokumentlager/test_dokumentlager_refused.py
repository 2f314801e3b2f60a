"""Uploads that are refused, and leave nothing behind: neither content nor event."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp.web_protocol import RequestHandler

from gateway.context import SCANNER, TRAFFIC
from infra.virus import Clamd
from tests.support.clamd import EICAR, LIMIT, SIGNATURE
from tests.support.dokumentlager import BOUNDARY, Lager, form, said_of
from tests.support.eventually import eventually
from tests.support.records import records_on

ENHET = {"kommunenummer": "4601", "gardsnummer": "1", "bruksnummer": "2"}


@pytest_asyncio.fixture
async def nothing_is_left(lager: Lager) -> AsyncIterator[None]:
    """No blob, and no event of a document that there was not before: what earlier tests sent may still expire or be on
    its way out, so only what is new counts.
    """
    blobs, told = lager.blobs, _told(lager)
    yield
    assert lager.blobs <= blobs
    assert _told(lager) == told


def _told(lager: Lager) -> set[bytes]:
    """The streams that are on the log."""
    return {one.key for one in records_on(lager.settings.kafka, "fiks.dokumentlager")}


def ago(**much: int) -> str:
    return (datetime.now(UTC) - timedelta(**much)).isoformat()


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize(
    ("said", "about"),
    [
        ({"ttl": None}, "ttl"),
        ({"ttl": 60, "tilgjengeligTil": "2999-01-01T00:00:00Z"}, "ttl"),
        ({"ttl": None, "tilgjengeligTil": ago(hours=1)}, "passert"),
        ({"ttl": None, "tilgjengeligTil": "2999-01-01T00:00:00"}, "tilgjengeligTil"),
        ({"ttl": None, "tilgjengeligTil": "9999-12-31T23:59:59-10:00"}, "år 9999"),
        ({"ttl": 0}, "passert"),
        ({"ttl": 2**62}, "ttl"),
        ({"ttl": 2**63}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"dokumentnavn": None}, "dokumentnavn"),
        ({"dokumentnavn": ""}, "dokumentnavn"),
        ({"dokumentnavn": "a\r\nSet-Cookie: x"}, "dokumentnavn"),
        ({"dokumentnavn": " \u00a0 "}, "dokumentnavn"),
        ({"mimetype": None}, "mimetype"),
        ({"mimetype": "tekst"}, "mimetype"),
        ({"mimetype": "text/html\r\nX: y"}, "mimetype"),
        ({"mimetype": 'text/html; charset="utf-8'}, "mimetype"),
        ({"mimetype": 'text/html; charset="utf-8\\"'}, "mimetype"),
        ({"sikkerhetsniva": 2}, "sikkerhetsniva"),
        ({"sikkerhetsniva": 4}, "kryptert"),
        ({"korrelasjonsid": "nei"}, "korrelasjonsid"),
        ({"eksponertFor": None}, "eksponertFor"),
        ({"eksponertFor": ["12858010053"]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "PERSON", "fnr": "1285801005"}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "PERSON", "fnr": "12858010054"}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "ORGANISASJON", "orgnr": "310991008"}]}, "eksponertFor"),
        ({"eksponertFor": [{"fnr": "12858010053"}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "ALLE"}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "ORGANISASJON", "orgnr": "310991007", "ressursType": "X"}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "AUTORISASJON", "privilegium": "", "ressurs": str(uuid4())}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "AUTORISASJON", "privilegium": "ALT", "ressurs": str(uuid4())}]}, "eksponertFor"),
        ({"eksponertFor": [{"type": "MATRIKKELENHET", "matrikkelenhet": ENHET | {"bruksnummer": "x"}}]}, "eksponert"),
    ],
)
async def test_metadata_that_cannot_be(lager: Lager, said: dict[str, Any], about: str) -> None:
    answer = await lager.upload(form(said_of(**said), b"x"))

    assert answer.status == 400
    assert about in answer.json["message"] and answer.json["errorId"]
    assert "12858010053" not in answer.json["message"]


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("name", ["dokumentnavn", "mimetype", "eksponertFor"])
async def test_metadata_that_lacks_what_the_contract_requires(lager: Lager, name: str) -> None:
    said = {key: value for key, value in json.loads(said_of()).items() if key != name}
    answer = await lager.upload(form(json.dumps(said).encode(), b"x"))

    assert answer.status == 400
    assert name in answer.json["message"]


def parts(*told: tuple[str, str | None, bytes]) -> bytes:
    heads = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n'
        + (f"Content-Type: {kind}\r\n\r\n" if kind else "\r\n")
        for name, kind, _ in told
    ]
    body = b"".join(head.encode() + content + b"\r\n" for head, (_, _, content) in zip(heads, told, strict=True))
    return body + f"--{BOUNDARY}--\r\n".encode()


METADATA = ("metadata", "application/json", said_of())
DOKUMENT = ("dokument", "application/octet-stream", b"x")


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize(
    "body",
    [
        parts(DOKUMENT, METADATA),
        parts(METADATA),
        parts(DOKUMENT),
        parts(METADATA, METADATA, DOKUMENT),
        parts(METADATA, DOKUMENT, DOKUMENT),
        parts(METADATA, DOKUMENT, ("noe", None, b"annet")),
        parts(("metadata", "text/plain", said_of()), DOKUMENT),
        parts(("metadata", None, said_of()), DOKUMENT),
        parts(("metadata", "application/json", b"{"), DOKUMENT),
        parts(("metadata", "application/json", b"[]"), DOKUMENT),
        parts(METADATA, ("dokument", None, b"")),
        form(said_of(), b"x" * 2_000_000, end=False),
        form(said_of(), b"x" * 300_000, end=False)[:-2],
        form(said_of(), b"x")[:-4],
        b"",
    ],
    ids=lambda body: str(len(body)),
)
async def test_bodies_that_are_not_a_metadata_and_a_document(lager: Lager, body: bytes) -> None:
    answer = await lager.upload(body)

    assert (answer.status, answer.json["status"]) == (400, 400)


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/mixed; boundary=x", ""])
async def test_what_is_no_form(lager: Lager, kind: str) -> None:
    answer = await lager.ask(
        "POST", f"{lager.konto}/dokumenter/", data=form(said_of(), b"x"), headers={"Content-Type": kind}
    )

    assert answer.status == 400


@pytest.mark.usefixtures("nothing_is_left")
async def test_metadata_without_end(lager: Lager) -> None:
    assert (await lager.upload(form(said_of(dokumentnavn="x" * 3_000_000), b"x"))).status == 413


@pytest.mark.parametrize("after", [0, 100, 400_000])
async def test_an_upload_that_breaks_off_never_counts(lager: Lager, after: int, nothing_is_left: None) -> None:
    body = form(said_of(), b"x" * 900_000)
    _, writer = await asyncio.open_connection("127.0.0.1", lager.settings.gateway_port)
    head = f"POST {lager.konto}/dokumenter/ HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in lager.headers.items()
    )
    writer.write(f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + body[:after])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    await eventually(lambda: lager.app[TRAFFIC].running == 0)


async def test_an_encrypted_document_of_the_highest_level_is_deciphered(lager: Lager) -> None:
    content = b"hemmelig" * 100_000
    body = form(said_of(sikkerhetsniva=4), await lager.encrypted(content))

    answer = await lager.upload(body, query="?kryptert=true")

    assert answer.status == 201 and answer.json["ukryptertStorrelse"] == len(content)
    assert (await lager.download(answer.json["id"])).body == content


@pytest.mark.usefixtures("nothing_is_left")
async def test_what_says_that_it_is_encrypted_must_be(lager: Lager) -> None:
    whole = await lager.encrypted(b"x" * 900_000)
    texts = set()
    for content in (b"x" * 1000, whole[:-5], whole[:400], whole + b"x", b""):
        answer = await lager.upload(form(said_of(), content), query="?kryptert=true")
        assert answer.status == 400
        texts.add(answer.json["message"])
    assert len(texts) == 1
    assert (await lager.upload(form(said_of(), await lager.encrypted(b"")), query="?kryptert=true")).status == 400
    assert (await lager.upload(form(said_of(), whole), query="?kryptert=kanskje")).status == 400


async def test_a_change_that_cannot_be(lager: Lager) -> None:
    address = f"{lager.konto}/dokumenter/{await lager.uploaded()}"
    for said in ({}, {"ttl": None}, {"ttl": 0}, {"ttl": 1, "tilgjengeligTil": "2999-01-01T00:00:00Z"}, {"ttl": "x"}):
        assert (await lager.ask("PATCH", address, json=said)).status == 400
    assert (await lager.ask("PATCH", f"{lager.konto}/dokumenter/{uuid4()}", json={"ttl": 1})).status == 404
    assert (await lager.ask("PATCH", f"{lager.konto}/dokumenter/nei", json={"ttl": 1})).status == 404
    assert (await lager.ask("DELETE", f"{lager.konto}/korrelasjonsid/nei")).status == 404


@pytest.mark.parametrize("what", ["", "/metadata"])
async def test_what_there_is_none_of(lager: Lager, what: str) -> None:
    for dokument_id in (str(uuid4()), "nei"):
        answer = await lager.download(dokument_id, what, Accept="application/json")
        assert (answer.status, answer.json["status"]) == (404, 404)


async def test_no_failure_can_be_taken_for_the_content_by_an_integration(lager: Lager) -> None:
    """The Fiks IO client for .NET looks at the length of what it gets, and not at the status."""
    unknown = replace(lager, headers=lager.headers | {"IntegrasjonPassord": "galt"})
    for caller, status in ((lager, 404), (unknown, 401)):
        answer = await caller.download(str(uuid4()))
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (status, "0", b"")
        assert "Content-Type" not in answer.headers
    person = await lager.as_person("12858010053")
    assert (await person.download(str(uuid4()))).json["status"] == 404


async def test_who_shows_nothing_gets_nothing(lager: Lager) -> None:
    answer = await lager.session.get(f"{lager.url}/dokumentlager/nedlasting/{uuid4()}")

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="fiks"')


@pytest.mark.usefixtures("nothing_is_left")
async def test_what_is_too_large_to_be_scanned_is_not_taken_in(scanned: Lager) -> None:
    answer = await scanned.upload(form(said_of(), EICAR + b"x" * LIMIT))
    assert answer.status == 400 and "for stort til å bli undersøkt" in answer.json["message"]


async def test_malware_is_told_of_and_never_handed_out(scanned: Lager) -> None:
    lager, korrelasjonsid = scanned, str(uuid4())
    assert (await lager.upload(form(said_of(), b"rent"))).status == 201

    answer = await lager.upload(form(said_of(korrelasjonsid=korrelasjonsid), b"x" * 70_000 + EICAR))

    assert answer.status == 400 and SIGNATURE in answer.json["message"]
    sok = {"korrelasjonsid": korrelasjonsid}
    [known] = (await lager.ask("POST", f"{lager.konto}/dokumenter/sok", json=sok)).json["dokumenter"]
    assert (await lager.download(known["id"])).status == 400
    address = f"{lager.konto}/dokumenter/{known['id']}"
    while "skadevare" not in str((await lager.ask("GET", address)).json["hendelser"]):
        await asyncio.sleep(0.05)
    assert (await lager.ask("DELETE", address)).status == 200
    while "destruert" not in str((await lager.ask("GET", address)).json["hendelser"]):
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("nothing_is_left")
async def test_while_the_scanner_is_down_nothing_is_taken(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Clamd("tcp://127.0.0.1:1")
    monkeypatch.setattr(type(lager.app[SCANNER]), "scanning", lambda _self: scanner.scanning())

    answer = await lager.upload(form(said_of(), b"x"))

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_who_is_refused_at_once_is_told_so_and_may_send_the_rest(
    lager: Lager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published clients hear of no answer before they have sent all, however long that takes: aiohttp by itself
    cuts them off after a while, here at once.
    """
    monkeypatch.setitem(RequestHandler.__init__.__kwdefaults__, "lingering_time", 0.0)
    piece, pieces = bytes(1 << 20), 50
    head = form(said_of(ttl=0), b"\0").split(b"\0")[0]
    fields = {**lager.headers, "Host": "localhost", "Content-Length": str(len(head) + pieces * len(piece))}
    fields["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", lager.settings.gateway_port)
    writer.write(f"POST {lager.konto}/dokumenter/ HTTP/1.1\r\n{lines}\r\n".encode() + head)

    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    length = int(re.findall(rb"Content-Length: (\d+)", answer)[0])
    assert "passert" in json.loads(await reader.readexactly(length))["message"]
    for _ in range(pieces):
        writer.write(piece)
        await writer.drain()
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 "), "the connection is as good as new"
    writer.close()
    await writer.wait_closed()


async def test_a_stranger_who_is_refused_is_let_go(lager: Lager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RequestHandler.__init__.__kwdefaults__, "lingering_time", 0.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", lager.settings.gateway_port)
    fields = "Host: localhost\r\nContent-Length: 1000000000\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    writer.write(f"POST {lager.konto}/dokumenter/ HTTP/1.1\r\n{fields}\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 401 "), "and then nothing more, the connection being closed"
    writer.close()
    await writer.wait_closed()
