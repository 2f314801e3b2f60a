"""What is refused by REST v2: the answer, what was appended, and that no content is left, nor a key that nothing needs.
Contract: 3.1, 6.2 and 9.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientError

from gateway import body as bodies
from gateway import uploads
from gateway.forsendelse import MOST_DOKUMENTER
from infra.keys import id_of
from schemas.svarut import Feilkode
from schemas.topics import NOKKEL
from streams.domain.svarut import key_id_of
from tests.support.gateway import BOUNDARY, Caller, ends_of, events_after, form, keys_after, metadata, pdf

PDF = pdf()
A = [('filename="a.pdf"', PDF)]
AB = [*A, ('filename="b.pdf"', PDF)]
MOTTAKER = json.loads(metadata())["mottaker"]


@dataclass(frozen=True)
class Refused:
    """``feil`` are the faults of the event that must be appended; none: nothing may be."""

    body: bytes
    message: str
    feil: tuple[tuple[Feilkode, str | None], ...] = ()
    kind: str = f'multipart/form-data; boundary="{BOUNDARY}"'


UNREADABLE = {
    "not multipart": Refused(b"{}", "multipart/form-data", kind="application/json"),
    "no boundary": Refused(form(metadata()), "multipart/form-data", kind="multipart/form-data"),
    "another boundary": Refused(form(metadata()), "multipart", kind="multipart/form-data; boundary=x"),
    "empty body": Refused(b"", "multipart"),
    "no parts": Refused(b"--%s--\r\n" % BOUNDARY.encode(), "forsendelse"),
    "missing part": Refused(form(metadata("a.pdf"), A).replace(b'"forsendelse"', b'"annet"'), "forsendelse"),
    "cut off in the metadata": Refused(form(metadata("a.pdf"))[:200], "ikke fullstendig"),
    "no JSON": Refused(form(b"{"), "JSON"),
    "not UTF-8": Refused(form(metadata().replace("å".encode(), b"\xe5")), "JSON"),
    "wrong type": Refused(form(metadata(tittel=3)), "feltet tittel"),
    "missing field": Refused(form(metadata(mottaker=None)), "feltet mottaker mangler"),
    "too long": Refused(form(metadata(tittel="x" * 1001)), "feltet tittel"),
    "type that ends its header": Refused(
        form(metadata(dokumenter=[{"filnavn": "a.pdf", "mimeType": "text/plain\r\nX: y"}])), "mimeType"
    ),
    "too many links": Refused(form(metadata(lenker=[{"url": "https://ks.no", "tekst": "t"}] * 6)), "feltet lenker"),
}

FAULTY = {
    "recipient that is none": Refused(
        form(metadata("a.pdf", mottaker=MOTTAKER | {"digitalId": "01010112345"}), A),
        "Ugyldig innhold",
        ((Feilkode.UGYLDIG_MOTTAKER, "mottaker.digitalId"),),
    ),
    "no address": Refused(
        form(metadata("a.pdf", mottaker={"navn": "K"}), A), "Ugyldig innhold", ((Feilkode.MANGLER_ADRESSE, "mottaker"),)
    ),
    "name that ends its header": Refused(
        form(metadata("a\r\nb.pdf"), [("filename*=UTF-8''a%0D%0Ab.pdf", PDF)]),
        "filnavnet",
        ((Feilkode.UGYLDIG_FILNAVN, "1"),),
    ),
    "empty document": Refused(
        form(metadata("a.pdf", "b.pdf"), [*A, ('filename="b.pdf"', b"")]),
        "Kan ikke lagre tomt dokument",
        ((Feilkode.TOMT_DOKUMENT, "2"),),
    ),
    "no pdf": Refused(
        form(metadata("a.pdf"), [('filename="a.pdf"', b"<html>")]),
        "Feil under lesing av",
        ((Feilkode.UGYLDIG_PDF, "1"),),
    ),
    "pdf without pages": Refused(
        form(metadata("a.pdf", "b.pdf"), [*A, ('filename="b.pdf"', pdf(pages=0))]),
        "ingen sider",
        ((Feilkode.UGYLDIG_PDF, "2"),),
    ),
    "giro page that is none": Refused(
        form(metadata(dokumenter=[{"filnavn": "a.pdf", "mimeType": "application/pdf", "giroarkSider": [1, 3]}]), A),
        "giroarkSider",
        ((Feilkode.KAN_IKKE_SKRIVES_UT, "1"),),
    ),
    "password": Refused(
        form(metadata("a.pdf", "b.pdf"), [*A, ('filename="b.pdf"', pdf(password="hemmelig"))]),
        "passordbeskyttet",
        ((Feilkode.PASSORDBESKYTTET_PDF, "2"),),
    ),
    "document missing": Refused(form(metadata("a.pdf", "b.pdf"), A), "ikke sendt", ((Feilkode.DOKUMENT_MANGLER, "2"),)),
    "document unknown": Refused(form(metadata("a.pdf"), AB), "ikke oppgitt", ((Feilkode.UKJENT_DOKUMENT, "2"),)),
    "document twice": Refused(form(metadata("a.pdf"), A * 2), "ikke oppgitt", ((Feilkode.UKJENT_DOKUMENT, "2"),)),
    "too many": Refused(
        form(metadata(*(f"{number}.pdf" for number in range(MOST_DOKUMENTER + 1)))),
        f"høyst {MOST_DOKUMENTER} dokumenter",
        (
            (Feilkode.FOR_MANGE_DOKUMENTER, None),
            *((Feilkode.DOKUMENT_MANGLER, str(number + 1)) for number in range(MOST_DOKUMENTER)),
        ),
    ),
    "too many, all of them sent": Refused(
        form(
            metadata(*(f"{number}.pdf" for number in range(MOST_DOKUMENTER + 1))),
            [(f'filename="{number}.pdf"', PDF) for number in range(MOST_DOKUMENTER + 1)],
        ),
        f"høyst {MOST_DOKUMENTER} dokumenter",
        ((Feilkode.FOR_MANGE_DOKUMENTER, None),),
    ),
    "said to be encrypted": Refused(
        form(metadata("a.pdf", "b.pdf", kryptert=True), [('filename="a.pdf"', b"0\x80\x06\x09"), AB[1]]),
        "kryptert",
        ((Feilkode.MA_KRYPTERES, "1"), (Feilkode.MA_KRYPTERES, "2")),
    ),
    "level 4 in clear": Refused(
        form(metadata("a.pdf", krevNiva4Innlogging=True), A), "kryptert", ((Feilkode.MA_KRYPTERES, None),)
    ),
    "cut off in the second document": Refused(
        form(metadata("a.pdf", "b.pdf"), AB)[:-300], "ikke fullført", ((Feilkode.UFULLSTENDIG_OPPLASTING, None),)
    ),
    "cut off before the last boundary": Refused(
        form(metadata("a.pdf"), A, end=False), "ikke fullført", ((Feilkode.UFULLSTENDIG_OPPLASTING, None),)
    ),
}


@dataclass(frozen=True)
class Before:
    """What there was before a call."""

    caller: Caller
    letters: dict[int, int]
    keys: dict[int, int]
    blobs: list[str]

    async def assert_nothing_came(self) -> None:
        """Nothing was said, no key begun, no content kept."""
        assert await before(self.caller) == self

    async def assert_refused_for(self, *feil: tuple[Feilkode, str | None]) -> None:
        """The log tells of a letter with these faults, and of it nothing else is left.

        Its one key stays, that of its documents if they had one: it seals what the event tells of persons.
        """
        kafka = self.caller.settings.kafka
        [recorded] = await appended(self.caller, self.letters)
        assert recorded.at.type == "ForsendelseMottatt"
        assert tuple((one.kode, one.sted) for one in recorded.event.feil) == feil
        assert {dokument.blob for dokument in recorded.event.dokumenter} <= {None}
        [(name, is_made)] = await keys_after(kafka, self.keys)
        assert (id_of(name), is_made) == (key_id_of(recorded.event.forsendelse_id), True)
        assert self.caller.blobs == self.blobs


async def before(caller: Caller) -> Before:
    kafka = caller.settings.kafka
    return Before(caller, await ends_of(kafka), await ends_of(kafka, NOKKEL.name), caller.blobs)


@pytest.mark.parametrize("case", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_leaves_no_trace(caller: Caller, case: Refused) -> None:
    """No document was received, so there is no key either."""
    was = await before(caller)

    status, body = await caller.send(case.body, **{"Content-Type": case.kind})

    assert (status, body["status"], body["error"]) == (400, 400, "Bad Request")
    assert case.message in body["message"]
    await was.assert_nothing_came()


@pytest.mark.parametrize("case", FAULTY.values(), ids=FAULTY)
async def test_what_is_faulty_is_said_and_nothing_of_it_kept(caller: Caller, case: Refused) -> None:
    was = await before(caller)

    status, body = await caller.send(case.body)

    assert (status, body["status"]) == (400, 400)
    assert case.message in body["message"]
    await was.assert_refused_for(*case.feil)


HOW_MUCH_CAME = pytest.mark.parametrize("missing", [100, 0], ids=["a part", "all but the end of the body"])


@HOW_MUCH_CAME
async def test_a_client_that_goes_away_leaves_no_content(caller: Caller, missing: int) -> None:
    was = await before(caller)
    whole = form(metadata("a.pdf", "b.pdf"), [*A, ('filename="b.pdf"', PDF * 5000)])

    async def going() -> AsyncIterator[bytes]:
        yield whole[: len(whole) - missing]
        raise ConnectionResetError

    with pytest.raises(ClientError):
        await caller.send(going())

    await was.assert_refused_for((Feilkode.UFULLSTENDIG_OPPLASTING, None))


@HOW_MUCH_CAME
async def test_a_client_that_falls_silent_is_let_go(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    monkeypatch.setattr(bodies, "LONGEST_SILENCE", 0.2)
    was, whole = await before(caller), form(metadata("a.pdf"), A)

    async def silent() -> AsyncIterator[bytes]:
        yield whole[: len(whole) - missing]
        await asyncio.Event().wait()

    status, body = await caller.send(silent())

    assert (status, "ikke fullført" in body["message"]) == (400, True)
    await was.assert_refused_for((Feilkode.UFULLSTENDIG_OPPLASTING, None))


async def test_a_call_that_never_ends_is_let_go(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LONGEST_CALL", 0.5)
    was = await before(caller)

    async def drop_by_drop() -> AsyncIterator[bytes]:
        yield form(metadata("a.pdf"), A)[:-100]
        while True:
            await asyncio.sleep(0.01)
            yield b"x"

    status, body = await caller.send(drop_by_drop())

    assert (status, "ikke fullført" in body["message"]) == (400, True)
    await was.assert_refused_for((Feilkode.UFULLSTENDIG_OPPLASTING, None))


async def appended(caller: Caller, marks: dict[int, int]) -> list[Any]:
    found: list[Any] = []
    while not found:
        found = await events_after(caller.settings.kafka, marks)
    return found
