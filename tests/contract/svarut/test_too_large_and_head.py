"""What no event can hold is the caller's to mend; HEAD answers as GET; and no answer repeats the number of a person."""

from __future__ import annotations

import pytest

from schemas.registry import released
from schemas.topics import NOKKEL
from tests.support.gateway import Caller, ends_of, form, keys_after, metadata, pdf

PID = "12858010053"


async def test_a_letter_that_no_event_can_hold_is_refused_and_leaves_nothing(caller: Caller) -> None:
    """The key under which its document was received is destroyed: no event needs it."""
    kafka, blobs = caller.settings.kafka, caller.blobs
    marks, keys = await ends_of(kafka), await ends_of(kafka, NOKKEL.name)
    long = {"navn": "N" * 1_010_000, "adresselinje1": "Gata 1", "postnummer": "0192", "poststed": "Oslo"}
    letter = form(metadata("a.pdf", mottaker=long | {"digitalId": "310992003"}), [('filename="a.pdf"', pdf())])
    status, body = await caller.send(letter)
    assert (status, body["status"], body["error"]) == (400, 400, "Bad Request")
    assert "for stort" in body["message"]
    assert set(body) == {"timestamp", "status", "error", "errorId", "path", "originalPath", "message"}
    assert (await ends_of(kafka), caller.blobs) == (marks, blobs)
    [(name, is_made), destroyed] = await keys_after(kafka, keys)
    assert (is_made, destroyed) == (True, (name, False))
    assert (await caller.send(form(metadata("a.pdf"), [('filename="a.pdf"', pdf())])))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/docs", "/docs/", "/healthz", "/readyz"),
        *("/openapi", "/openapi/konfigurasjon-api-v1.json", "/asyncapi.json"),
        *("/schema-registry/subjects", f"/schema-registry/schemas/ids/{released()[0].id}"),
    ],
)
async def test_head_answers_as_get_without_the_body(caller: Caller, path: str) -> None:
    async with caller.session.get(caller.url + path) as answer:
        got = (answer.status, answer.headers["Content-Type"], str(len(await answer.read())))
    assert got[0] == 200
    async with caller.session.head(caller.url + path) as answer:
        assert (answer.status, answer.headers["Content-Type"], answer.headers["Content-Length"]) == got
        assert await answer.read() == b""


async def test_head_asks_the_same_of_its_caller_as_get(caller: Caller) -> None:
    url = f"{caller.url}/fullmakt/api/v1/meg"
    statuses = []
    for headers in ({}, caller.headers):
        async with caller.session.head(url, headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [401, 200]
    async with caller.session.head(f"{caller.url}/schema-registry/subjects/nope/versions") as answer:
        assert answer.status == 404
    async with caller.session.head(caller.send_url) as answer:
        assert answer.status == 405


@pytest.mark.parametrize("number", [PID, f"{PID[:6]} {PID[6:]}"])
async def test_no_error_repeats_the_number_of_a_person(caller: Caller, number: str) -> None:
    for path in (f"/nei/{number}", f"/api/v2/forsendelser/{number}/hendelser", f"/openapi/{number}"):
        async with caller.session.get(caller.url + path, headers=caller.headers) as answer:
            body = await answer.json()
        assert answer.status == 404
        assert number not in str(body)
        assert body["path"] == body["originalPath"] == path.replace(number, "***")


async def test_a_request_id_that_is_the_number_of_a_person_is_not_kept(caller: Caller) -> None:
    async with caller.session.get(f"{caller.url}/healthz", headers={"X-Request-Id": PID}) as answer:
        assert PID not in answer.headers["X-Request-Id"]
