"""Sending by REST v2 in the shape of the published client, and in others that the contract allows. Contract: 3.1."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from cryptography.x509 import load_pem_x509_certificate
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from fiks_cms import Encryptor
from fiks_cms.recipients import recipient
from gateway.auth.demands import silent_routes
from gateway.context import BLOBS, LOG, TRAFFIC
from gateway.seed import MOTTAR_SELV
from infra.sealed_blobs import opening
from schemas.envelope import Recorded
from schemas.svarut import Dokument
from streams.domain.svarut import key_id_of
from streams.sealing import opened_all
from tests.support.cms import encrypt, key_pair
from tests.support.cms import envelope as make_envelope
from tests.support.eventually import eventually
from tests.support.gateway import BOUNDARY, Caller, ends_of, events_after, form, letter, metadata, pdf

PDF = pdf()


async def chunked(body: bytes, size: int = 700) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def sent(caller: Caller, body: bytes | AsyncIterator[bytes], **headers: str) -> Recorded:
    """Send what must be accepted; what was appended, its personal texts opened."""
    marks = await ends_of(caller.settings.kafka)
    status, answer = await caller.send(body, **headers)
    assert (status, list(answer)) == (200, ["id"])
    [recorded] = await events_after(caller.settings.kafka, marks)
    assert recorded.event.forsendelse_id == UUID(answer["id"])
    [event] = await opened_all(caller.app[LOG].keys, [recorded])
    return recorded._replace(event=event)


async def content_of(caller: Caller, forsendelse_id: UUID, dokument: Dokument) -> bytes:
    assert dokument.blob
    [key] = (await caller.app[LOG].keys.get_many([key_id_of(forsendelse_id)])).values()
    last = dokument.storrelse - 1
    pieces = opening(caller.app[BLOBS], key, dokument.blob, dokument.storrelse, 0, last)
    return b"".join([piece async for piece in pieces])


async def test_what_the_published_client_sends(caller: Caller) -> None:
    name = "vedtak æøå.pdf"
    disposition = f"filename=\"vedtak ___.pdf\"; filename*=UTF-8''{quote(name)}"
    body = form(metadata(name, eksternReferanse="ref-1"), [(disposition, PDF)])

    event, at = await sent(caller, chunked(body))

    [dokument] = event.dokumenter
    assert (dokument.filnavn, dokument.storrelse, dokument.sha256) == (name, len(PDF), sha256(PDF).hexdigest())
    assert await content_of(caller, event.forsendelse_id, dokument) == PDF
    assert PDF[:64] not in (caller.settings.state / "blobs" / str(dokument.blob)).read_bytes()
    assert (event.tittel, event.ekstern_referanse, event.feil) == ("Vedtak – blåbær", "ref-1", ())
    assert (event.konto_id, event.mottaker.digital_id) == (caller.konto_id, "01010700066")
    assert at.actor == f"integrasjon:{caller.headers['IntegrasjonId']}"
    assert event.integrasjon_id == UUID(caller.headers["IntegrasjonId"])


async def test_names_that_differ_beyond_ascii_only_and_letters_taken_apart(caller: Caller) -> None:
    names = ["å.pdf", "ø.pdf", "é.pdf"]
    parts = [
        ("filename=\"_.pdf\"; filename*=UTF-8''%C3%A5.pdf", PDF + b"\n"),
        ("filename=\"_.pdf\"; filename*=UTF-8''%C3%B8.pdf", PDF),
        (f'filename="{unicodedata.normalize("NFD", "é.pdf")}"', PDF + b"\n\n"),
    ]

    event, _ = await sent(caller, form(metadata(*names), parts))

    assert [await content_of(caller, event.forsendelse_id, one) for one in event.dokumenter] == [
        content for _, content in parts
    ]


async def test_the_order_is_that_of_the_metadata(caller: Caller) -> None:
    parts = [('filename="b.pdf"', PDF), ('filename="a.pdf"', PDF + b"\n")]

    event, _ = await sent(caller, form(metadata("a.pdf", "b.pdf"), parts))

    assert [(one.filnavn, one.storrelse) for one in event.dokumenter] == [
        ("a.pdf", len(PDF) + 1),
        ("b.pdf", len(PDF)),
    ]


async def test_the_name_and_the_type_of_a_part_say_nothing(caller: Caller) -> None:
    body = form(metadata("a.pdf"), [('filename="a.pdf"', PDF)])
    body = body.replace(b"filer_0", b"filer").replace(b"application/octet-stream", b"text/html")
    body = body.replace(b"text/plain;charset=UTF-8", b"application/json")

    await sent(caller, body)


async def test_both_spellings_of_the_path_and_no_redirects(caller: Caller) -> None:
    body = form(metadata("a.pdf"), [('filename="a.pdf"', PDF)])
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answers = []
    for path in (caller.send_url, caller.send_url.rstrip("/"), caller.send_url + "/"):
        async with caller.session.post(path, data=body, headers=caller.headers | kind, allow_redirects=False) as answer:
            answers.append(answer.status)

    assert answers == [200, 200, 404]


async def test_a_letter_without_documents_and_fields_that_nobody_knows(caller: Caller) -> None:
    event, _ = await sent(caller, form(metadata(dokumenter=None, nyttFelt=[{"a": 1}])))

    assert event.dokumenter == ()


async def encrypted(caller: Caller, content: bytes) -> bytes:
    """For whoever the address tells, as senders do (contract 7.2 and 11)."""
    async with caller.session.get(f"{caller.url}/forsendelse/publickey/hent") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        encryptor = Encryptor([load_pem_x509_certificate(await answer.read())])
    return encryptor.update(content) + encryptor.finish()


@pytest.mark.parametrize("content", [PDF, pdf(pages=900)], ids=["a segment", "many"])
async def test_encrypted_documents_are_kept_as_what_they_hold(caller: Caller, content: bytes) -> None:
    envelope = await encrypted(caller, content)
    body = form(metadata("a.pdf", kryptert=True, krevNiva4Innlogging=True), [('filename="a.pdf"', envelope)])

    event, _ = await sent(caller, chunked(body, 7000))

    [dokument] = event.dokumenter
    assert (event.kryptert, event.dekryptert, event.krev_niva4_innlogging) == (True, True, True)
    assert (dokument.storrelse, dokument.sha256) == (len(content), sha256(content).hexdigest())
    assert await content_of(caller, event.forsendelse_id, dokument) == content


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda envelope: encrypt(PDF, key_pair("en annen")), "kryptert for oss"),
        (lambda envelope: envelope[:-1], "kryptert for oss"),
        (lambda envelope: envelope + b"0", "kryptert for oss"),
        (lambda envelope: PDF, "kryptert for oss"),
    ],
    ids=["for another", "cut off", "something behind", "in clear"],
)
async def test_what_cannot_be_deciphered_is_refused_and_leaves_nothing(
    caller: Caller, make: Callable[[bytes], bytes], message: str
) -> None:
    envelope, blobs = await encrypted(caller, PDF), caller.blobs
    parts = [('filename="a.pdf"', envelope), ('filename="b.pdf"', make(envelope)), ('filename="c.pdf"', envelope)]

    status, answer = await caller.send(form(metadata("a.pdf", "b.pdf", "c.pdf", kryptert=True), parts))

    assert (status, answer["message"].count("dokument ")) == (400, 1)
    assert message in answer["message"]
    assert "(dokument 2)" in answer["message"]
    assert caller.blobs == blobs


async def test_what_is_damaged_in_an_envelope_is_not_told(caller: Caller) -> None:
    async with caller.session.get(f"{caller.url}/forsendelse/publickey/hent") as answer:
        certificate = load_pem_x509_certificate(await answer.read())
    damaged = recipient(certificate, b"k" * 32)[:-256] + b"\1" * 256
    padding = bytearray(await encrypted(caller, PDF))
    padding[-1 - 10 - 16] ^= 0xFF  # behind it: the last block, and five ends of contents
    said = []
    for envelope in (
        padding,
        make_envelope(PDF, recipients=[damaged]),
        make_envelope(PDF, recipients=[damaged], gcm=True),
        make_envelope(PDF, recipients=[recipient(certificate, b"k" * 32)], gcm=True),  # the tag
    ):
        body = form(metadata("a.pdf", kryptert=True), [('filename="a.pdf"', bytes(envelope))])
        status, answer = await caller.send(body)
        said.append((status, answer["message"]))
    assert len(set(said)) == 1
    assert said[0][0] == 400


async def test_what_an_envelope_holds_is_looked_into(caller: Caller) -> None:
    faulty = {"passordbeskyttet": pdf(password="hemmelig"), "ikke en gyldig PDF": b"<html>", "tomt dokument": b""}
    for message, content in faulty.items():
        envelope = await encrypted(caller, content)
        status, answer = await caller.send(form(metadata("a.pdf", kryptert=True), [('filename="a.pdf"', envelope)]))
        assert (status, message in answer["message"]) == (400, True), answer


async def test_the_mottakersystem_is_found_when_it_is_received(caller: Caller) -> None:
    mottaker = {"navn": "Kommunen", "digitalId": MOTTAR_SELV.orgnr, "poststed": "Prøvdal", "postnummer": "0001"}

    event, _ = await sent(caller, form(metadata(mottaker=mottaker)))

    assert event.mottakersystem_id == MOTTAR_SELV.id("mottakersystem")


async def test_the_call_and_its_trace_can_be_found_again(caller: Caller) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    _, at = await sent(caller, form(metadata()), **{"X-Request-Id": "kall-1", "traceparent": trace})

    assert (at.correlation_id, at.traceparent) == ("kall-1", trace)


async def raw(caller: Caller, head: dict[str, str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(caller.settings.gateway_host, caller.settings.gateway_port)
    lines = [f"POST {caller.send_url.removeprefix(caller.url)} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


def awaiting(body: bytes) -> dict[str, str]:
    kind = f'multipart/form-data; boundary="{BOUNDARY}"'
    return {"Content-Type": kind, "Content-Length": str(len(body)), "Expect": "100-continue"}


async def test_who_waits_for_100_continue_gets_it(caller: Caller) -> None:
    body = form(metadata("a.pdf"), [('filename="a.pdf"', PDF)])
    reader, writer = await raw(caller, caller.headers | awaiting(body))

    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readline()).split()[1] == b"200"
    writer.close()


async def test_a_stranger_is_turned_away_before_it_sends_anything(caller: Caller) -> None:
    reader, writer = await raw(caller, awaiting(b"x" * 1000))

    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


async def error(caller: Caller, method: str, url: str, **options: Any) -> tuple[int, Any, dict[str, Any]]:
    async with caller.session.request(method, url, allow_redirects=False, **options) as answer:
        return answer.status, answer.headers, await answer.json()


async def test_what_a_refused_caller_names_is_in_the_gateways_log(caller: Caller) -> None:
    given = {"X-Request-Id": "sak-4711"}
    with capture_logs() as lines:
        status, headers, body = await error(
            caller, "GET", f"{caller.url}/api/v2/forsendelser/{UUID(int=1)}/hendelser", headers=given
        )
    [line] = [one for one in lines if one["event"] == "call refused"]
    assert (str(line.pop("error_id")), line.pop("request_id")) == (body["errorId"], headers["X-Request-Id"])
    assert line == {
        "event": "call refused",
        "log_level": "info",
        "status": status,
        "method": "GET",
        "route": "/api/v2/forsendelser/{forsendelseId}/hendelser",
    }


@pytest.mark.parametrize(
    ("method", "path", "with_headers", "status"),
    [
        ("GET", "/finnes/ikke", False, 404),
        ("DELETE", "/api/v2/kontoer/{konto}/forsendelser", False, 405),
        ("POST", "/api/v2/kontoer/{konto}/forsendelser", False, 401),
        ("POST", "/api/v2/kontoer/{konto}/forsendelser/status-sok", False, 401),
        ("GET", "/api/v2/forsendelser/{konto}/hendelser", False, 401),
        ("POST", "/api/v2/kontoer/{annen}/forsendelser", True, 403),
        ("GET", "/api/v2/kontoer/{konto}/forsendelser", True, 400),
        ("POST", "/api/v2/kontoer/{konto}/forsendelser", True, 400),
        ("GET", "/api/v2/forsendelser/ikke-uuid/hendelser", True, 404),
        ("GET", "/openapi/ukjent.json", False, 404),
    ],
)
async def test_every_error_is_an_error_message(
    caller: Caller, method: str, path: str, with_headers: bool, status: int
) -> None:
    path = path.format(konto=caller.konto_id, annen=MOTTAR_SELV.id("konto"))

    got, headers, body = await error(
        caller, method, caller.url + path, headers=caller.headers if with_headers else None
    )

    assert got == body["status"] == status
    assert headers["Content-Type"].startswith("application/json")
    assert set(body) == {"timestamp", "status", "error", "errorId", "path", "originalPath", "message"}
    assert body["path"] == body["originalPath"] == path
    assert isinstance(body["timestamp"], int)
    assert UUID(body["errorId"])
    assert body["message"]
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert headers["X-Request-Id"]


async def test_request_ids_are_ours_where_the_callers_are_not_sensible(caller: Caller) -> None:
    ids = []
    for given in ("a.b-1", "x" * 65, "fnr 01010700066"):
        _, headers, _ = await error(caller, "GET", caller.url + "/nei", headers={"X-Request-Id": given})
        ids.append(headers["X-Request-Id"])

    assert ids[0] == "a.b-1"
    assert all(UUID(one) for one in ids[1:])


async def test_a_body_that_is_too_large_is_refused(caller: Caller) -> None:
    url = f"{caller.url}/api/v2/kontoer/{caller.konto_id}/forsendelser/status-sok"

    spaces = b" " * (2 << 20)

    status, _, body = await error(caller, "POST", url, headers=caller.headers, data=chunked(spaces, 1 << 16))
    sending, answer = await caller.send(chunked(form(spaces), 1 << 16))

    assert (status, body["status"], sending, answer["status"]) == (413, 413, 413, 413)


async def test_every_route_says_who_may_call(caller: Caller) -> None:
    assert silent_routes(caller.app) == []


async def test_health_metrics_and_documentation_are_served(caller: Caller) -> None:
    answers = {}
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi"):
        async with caller.session.get(caller.url + path) as answer:
            answers[path] = (answer.status, await answer.text())
    async with caller.session.get(caller.url + "/openapi") as answer:
        descriptions = [one["url"] for one in await answer.json()]
    for path in descriptions:
        async with caller.session.get(caller.url + path) as answer:
            assert (await answer.json())["openapi"].startswith("3.")

    assert {status for status, _ in answers.values()} == {200}
    assert "fiks_request_seconds" in answers["/metrics"][1]
    assert str(caller.konto_id) not in answers["/metrics"][1]
    assert "://" not in answers["/docs"][1]
    assert {one.removesuffix(".json") for one in descriptions} >= {
        "/openapi/svarut-forsendelse-send-api-v2",
        "/openapi/konfigurasjon-api-v1",
    }


async def told(caller: Caller, **labels: str) -> tuple[float, float]:
    """The number of calls that /metrics tells of, and the seconds that they took."""
    async with caller.session.get(f"{caller.url}/metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    samples = {one.name: one.value for family in families for one in family.samples if one.labels == labels}
    return samples.get("fiks_request_seconds_count", 0), samples.get("fiks_request_seconds_sum", 0)


async def test_how_long_calls_took_is_told_by_their_route(caller: Caller) -> None:
    sending = {"method": "POST", "route": "/api/v2/kontoer/{kontoId}/forsendelser/", "status": "200"}
    count, seconds = await told(caller, **sending)
    body, waited = letter(), 0.0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal waited
        yield body[:-100]
        await eventually(lambda: caller.app[TRAFFIC].running > 0)
        begin = monotonic()
        await asyncio.sleep(0.2)
        waited = monotonic() - begin
        yield body[-100:]

    begin = monotonic()
    assert (await caller.send(slow()))[0] == 200
    most = monotonic() - begin

    number, took = await told(caller, **sending)
    assert number == count + 1
    assert waited <= took - seconds <= most


async def test_calls_without_a_route_are_told_as_such_whatever_they_are_named(caller: Caller) -> None:
    unknown = {"method": "*", "route": "unknown", "status": "404"}
    count, _ = await told(caller, **unknown)

    for method in ("GET", "DELETE"):
        async with caller.session.request(method, f"{caller.url}/nowhere/{caller.konto_id}") as answer:
            assert answer.status == 404

    assert (await told(caller, **unknown))[0] == count + 2
