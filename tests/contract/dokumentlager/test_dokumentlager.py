"""Documents in and out, as the published client calls, and in other ways that the contract allows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway import dokumenter
from gateway.context import LOG
from infra.crypto.segments import SEGMENT, sealed_size
from schemas.dokumentlager import DokumentDestruert
from schemas.envelope import fact
from tests.support.dokumentlager import PROVDAL, Lager, form, said_of
from tests.support.eventually import eventually_found

LARGE = os.urandom(3 * SEGMENT + 17)


async def chunked(body: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


async def test_what_the_published_client_uploads_it_downloads(lager: Lager) -> None:
    korrelasjonsid = str(uuid4())
    answer = await lager.upload(chunked(form(said_of(korrelasjonsid=korrelasjonsid), LARGE)))

    assert answer.status == 201
    dokument_id = answer.json["id"]
    assert answer.json == {
        "id": dokument_id,
        "dokumentnavn": "å b.txt",
        "mimeType": "text/plain",
        "ukryptertStorrelse": len(LARGE),
        "kryptertStorrelse": sealed_size(len(LARGE)),
    }
    assert answer.headers["Location"] == f"https://minside.kommune.no/dokumentlager/nedlasting/{dokument_id}"

    got = await lager.download(dokument_id)
    assert (got.status, got.body) == (200, LARGE)
    assert got.headers["Content-Type"] == "text/plain"
    assert got.headers["Content-Disposition"] == "attachment; filename=\"_ b.txt\"; filename*=UTF-8''%C3%A5%20b.txt"
    assert got.headers["Content-Length"] == str(len(LARGE))

    known = await lager.download(dokument_id, "/metadata")
    assert known.json == answer.json | {"korrelasjonsid": korrelasjonsid}


async def test_it_can_be_had_at_once_at_another_gateway(lagre: tuple[Lager, Lager]) -> None:
    one, other = lagre
    for _ in range(10):
        assert (await other.download(await one.uploaded(b"x"))).body == b"x"


async def test_what_was_deleted_or_changed_is_so_at_once_at_another_gateway(lagre: tuple[Lager, Lager]) -> None:
    one, other = lagre
    changed = {"ttl": None, "tilgjengeligTil": "2099-01-01T00:00:00+01:00"}
    for _ in range(10):
        dokument_id = await one.uploaded()
        address = f"{one.konto}/dokumenter/{dokument_id}"
        assert (await one.ask("PATCH", address, json=changed)).status == 200
        assert (await other.ask("GET", address)).json["tilgjengeligTil"] == "2098-12-31T23:00:00Z"

        assert (await one.ask("DELETE", address)).status == 200
        assert (await other.download(dokument_id)).status == 410
        assert (await other.ask("DELETE", address)).status == 410
        assert (await other.ask("GET", address)).json["slettet"]


async def test_what_lies_in_the_store_tells_nothing(lager: Lager) -> None:
    before = lager.blobs
    await lager.uploaded(b"hemmelig " * 1000)

    [blob] = lager.blobs - before
    assert b"hemmelig" not in (lager.settings.state / "blobs" / blob).read_bytes()


async def test_both_spellings_of_the_address_and_nothing_else(lager: Lager) -> None:
    body = form(said_of(), b"x")
    kind = {"Content-Type": "multipart/form-data; boundary=JettyHttpClient-1bcdefghijklmn"}
    answers = [
        (await lager.ask("POST", f"{lager.konto}/dokumenter{end}", data=body, headers=kind)).status
        for end in ("", "/", "//")
    ]

    assert answers == [201, 201, 404]


async def test_ranges_of_the_content_across_the_seams(lager: Lager) -> None:
    dokument_id, at = await lager.uploaded(LARGE), SEGMENT - 5
    etag = f'"{dokument_id}"'

    whole = await lager.ask("HEAD", f"/dokumentlager/nedlasting/{dokument_id}")
    assert (whole.status, whole.body) == (200, b"")
    assert (whole.headers["Content-Length"], whole.headers["Accept-Ranges"]) == (str(len(LARGE)), "bytes")
    assert whole.headers["ETag"] == etag

    part = await lager.download(dokument_id, Range=f"bytes={at}-{at + 9}")
    assert (part.status, part.body) == (206, LARGE[at : at + 10])
    assert part.headers["Content-Range"] == f"bytes {at}-{at + 9}/{len(LARGE)}"

    tail = await lager.download(dokument_id, Range="bytes=-7")
    assert tail.body == LARGE[-7:]

    beyond = await lager.download(dokument_id, Range=f"bytes={len(LARGE)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(LARGE)}")

    several = await lager.download(dokument_id, Range="bytes=0-1,10-12")
    assert several.status == 206 and several.headers["Content-Type"].startswith("multipart/byteranges")
    assert several.headers["Content-Length"] == str(len(several.body))
    assert LARGE[10:13] in several.body and f"bytes 10-12/{len(LARGE)}".encode() in several.body

    assert (await lager.download(dokument_id, **{"Range": "bytes=0-1", "If-Range": '"annet"'})).body == LARGE
    known = await lager.download(dokument_id, **{"If-None-Match": etag})
    assert (known.status, known.body) == (304, b"")


async def test_what_is_not_as_the_caller_knows_it_is_left_alone(lager: Lager) -> None:
    dokument_id = await lager.uploaded(b"innhold")
    etag, address = f'"{dokument_id}"', f"{lager.konto}/dokumenter/{dokument_id}"
    download = f"/dokumentlager/nedlasting/{dokument_id}"
    asking: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", download, {}),
        ("HEAD", download, {}),
        ("PATCH", address, {"json": {"ttl": 3600}}),
        ("DELETE", address, {}),
    ]
    for method, path, more in asking:
        for other in ('"annet"', f"W/{etag}", etag.strip('"')):
            headers = {"If-Match": other, "Accept": "application/json"}
            answer = await lager.ask(method, path, headers=headers, **more)
            assert answer.status == 412, (method, other)
            assert method == "HEAD" or answer.json["status"] == 412
    assert len((await lager.ask("GET", address)).json["hendelser"]) == 1

    for method, path, more in asking:
        for same in ("*", f'"annet", {etag}') if method != "DELETE" else (etag,):
            assert (await lager.ask(method, path, headers={"If-Match": same}, **more)).status == 200
    assert (await lager.ask("DELETE", address, headers={"If-Match": '"annet"'})).status == 410


async def test_what_the_caller_has_is_not_sent_again(lager: Lager) -> None:
    dokument_id = await lager.uploaded(b"innhold")
    etag, path = f'"{dokument_id}"', f"/dokumentlager/nedlasting/{dokument_id}"
    for method in ("GET", "HEAD"):
        for known in (etag, f"W/{etag}", "*", f'"annet",{etag}'):
            answer = await lager.ask(method, path, headers={"If-None-Match": known})
            assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
        assert (await lager.ask(method, path, headers={"If-None-Match": '"annet"'})).status == 200
    first = await lager.ask("GET", path, headers={"If-None-Match": etag, "If-Match": '"annet"'})
    assert first.status == 412


async def test_a_change_moves_the_end_and_nothing_else(lager: Lager) -> None:
    dokument_id = await lager.uploaded()
    address = f"{lager.konto}/dokumenter/{dokument_id}"
    assert (await lager.ask("GET", address)).json["tilgjengeligTil"] is None

    answer = await lager.ask("PATCH", address, json={"ttl": 3600, "tilgjengeligTil": None})

    assert answer.status == 200 and answer.json["id"] == dokument_id
    til = datetime.fromisoformat(answer.json["tilgjengeligTil"])
    assert til.tzinfo and til > datetime.now(UTC)
    known = await lager.ask("GET", address)
    assert datetime.fromisoformat(known.json["tilgjengeligTil"]) == til
    assert [one["melding"] for one in known.json["hendelser"]] == [
        "Dokumentet er lastet opp",
        f"Dokumentets levetid er endret: tilgjengelig til {til.isoformat()}",
    ]
    assert {one["aktor"] for one in known.json["hendelser"]} == {lager.headers["IntegrasjonId"]}


async def test_a_moment_may_have_an_offset_and_nanoseconds(lager: Lager) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    written = moment.astimezone(timezone(timedelta(hours=2))).isoformat().replace("+", ".123456000+")
    dokument_id = await lager.uploaded(ttl=None, tilgjengeligTil=written)

    known = await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")
    assert datetime.fromisoformat(known.json["tilgjengeligTil"]) == moment.replace(microsecond=123456)


async def test_a_deleted_document_is_gone_and_stays_known(lager: Lager) -> None:
    dokument_id = await lager.uploaded(b"bort")
    address = f"{lager.konto}/dokumenter/{dokument_id}"

    answer = await lager.ask("DELETE", address)

    assert (answer.status, answer.body) == (200, b"")
    assert (await lager.download(dokument_id)).status == 410
    assert (await lager.download(dokument_id, "/metadata")).status == 410
    assert (await lager.ask("DELETE", address)).status == 410
    assert (await lager.ask("PATCH", address, json={"ttl": 5})).status == 410
    known = (await lager.ask("GET", address)).json
    assert (known["slettet"], known["dokumentnavn"], known["ukryptertStorrelse"]) == (True, "(slettet)", 4)
    assert "Dokumentet er slettet av den som eier det" in [one["melding"] for one in known["hendelser"]]


async def test_of_many_who_delete_at_once_one_has_deleted(lagre: tuple[Lager, Lager]) -> None:
    for _ in range(5):
        dokument_id = await lagre[0].uploaded()
        deleting = (one.ask("DELETE", f"{one.konto}/dokumenter/{dokument_id}") for one in (*lagre, *lagre))
        answers = await asyncio.gather(*deleting)
        assert sorted(answer.status for answer in answers) == [200, 410, 410, 410]


async def test_what_is_deleted_is_destroyed(lager: Lager) -> None:
    before = lager.blobs
    dokument_id = await lager.uploaded(b"bort")
    [blob] = lager.blobs - before
    await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")

    while not await lager.rows(
        "select from read.dokumentlager_hendelse where dokument_id = $1 and type = 'DokumentDestruert'", dokument_id
    ):
        await asyncio.sleep(0.05)
    assert blob not in lager.blobs
    while await lager.rows("select from nokkel where name like $1", f"dokumentlager:{dokument_id}%"):
        await asyncio.sleep(0.05)


async def test_one_that_expires_is_deleted(lager: Lager) -> None:
    dokument_id = await lager.uploaded(ttl=1)

    while (await lager.download(dokument_id)).status == 200:
        await asyncio.sleep(0.1)
    assert (await lager.download(dokument_id)).status == 410
    address = f"{lager.konto}/dokumenter/{dokument_id}"
    while not (known := (await lager.ask("GET", address)).json)["slettet"]:
        await asyncio.sleep(0.1)
    assert "Dokumentet er slettet fordi tiden det skulle være tilgjengelig, er ute" in str(known["hendelser"])


async def test_all_with_a_korrelasjonsid_go_and_none_that_comes_later(lagre: tuple[Lager, Lager]) -> None:
    one, other = lagre
    korrelasjonsid = str(uuid4())
    go = await asyncio.gather(*(other.uploaded(korrelasjonsid=korrelasjonsid) for _ in range(5)))
    stays = await one.uploaded(korrelasjonsid=str(uuid4()))

    answer = await one.ask("DELETE", f"{one.konto}/korrelasjonsid/{korrelasjonsid}")
    assert (answer.status, answer.body) == (204, b"")
    later = await one.uploaded(korrelasjonsid=korrelasjonsid)

    for dokument_id in go:
        while (await one.download(dokument_id)).status == 200:
            await asyncio.sleep(0.05)
    assert [(await one.download(dokument_id)).status for dokument_id in (stays, later)] == [200, 200]
    unknown = await one.ask("DELETE", f"{one.konto}/korrelasjonsid/{uuid4()}")
    assert unknown.status == 204


async def test_search_by_everything_that_can_be_searched_by(lager: Lager) -> None:
    korrelasjonsid = str(uuid4())
    first = await lager.uploaded(b"12", dokumentnavn="Søknad.pdf", korrelasjonsid=korrelasjonsid)
    second = await lager.uploaded(b"1", dokumentnavn="Vedlegg.pdf", korrelasjonsid=korrelasjonsid)
    third = await lager.uploaded(korrelasjonsid=korrelasjonsid)
    await lager.ask("DELETE", f"{lager.konto}/dokumenter/{third}")
    await lager.download(first)

    async def found(query: str = "?fra=null&til=null", **criteria: Any) -> list[str]:
        answer = await lager.ask(
            "POST", f"{lager.konto}/dokumenter/sok{query}", json={"korrelasjonsid": korrelasjonsid} | criteria
        )
        assert answer.status == 200, answer.body
        return [one["id"] for one in answer.json["dokumenter"]]

    assert await found() == [third, second, first]
    assert await found(slettet=True) == [third]
    assert await found(lest=True) == [first]
    assert await found(dokumentnavn="søk") == await found(dokumentnavn="SØKNAD.") == [first]
    assert await found(dokumentnavn="d") == [second, first]
    assert await found("?fra=1&antall=1", dokumentnavn="d") == [first]
    assert await found(dokumentnavn="d", slettet=True) == await found(dokumentnavn="%") == []
    assert await found(fra="2020-01-01T00:00:00Z", til="2021-01-01T00:00:00+01:00") == []
    assert await found("?fra=1&antall=1") == await found("?fra=1&til=1") == [second]
    whole = await lager.ask("POST", f"{lager.konto}/dokumenter/sok?til=1", json={"korrelasjonsid": korrelasjonsid})
    assert whole.json["totaltAntallTreff"] == 3
    hit = whole.json["dokumenter"][0]
    assert hit | {"opprettet": ""} == {
        "id": third,
        "dokumentnavn": "(slettet)",
        "ukryptertStorrelse": 7,
        "kryptertStorrelse": sealed_size(7),
        "lest": False,
        "opprettet": "",
        "mimetype": "text/plain",
        "slettet": True,
        "korrelasjonsid": korrelasjonsid,
    }
    assert (await lager.ask("POST", f"{lager.konto}/dokumenter/sok")).status == 200


async def test_a_search_by_name_opens_some_at_a_time_and_counts_all(
    lager: Lager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dokumenter, "NAMES_AT_ONCE", 2)
    korrelasjonsid = str(uuid4())
    made = [
        await lager.uploaded(dokumentnavn=f"{name}.pdf", korrelasjonsid=korrelasjonsid)
        for name in ("a", "b", "ab", "b")
    ]

    async def found(fra: int, antall: int) -> tuple[int, list[str]]:
        answer = await lager.ask(
            "POST",
            f"{lager.konto}/dokumenter/sok?fra={fra}&antall={antall}",
            json={"korrelasjonsid": korrelasjonsid, "dokumentnavn": "B"},
        )
        return answer.json["totaltAntallTreff"], [one["id"] for one in answer.json["dokumenter"]]

    newest_first = [made[3], made[2], made[1]]
    for fra in range(4):
        for antall in range(1, 5):
            assert await found(fra, antall) == (3, newest_first[fra : fra + antall])


async def test_a_search_by_name_among_too_many_is_told_to_be_narrower(
    lager: Lager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dokumenter, "MOST_NAMES", 2)
    korrelasjonsid = str(uuid4())
    for _ in range(3):
        last = await lager.uploaded(dokumentnavn="a.pdf", korrelasjonsid=korrelasjonsid)
    sok, criteria = f"{lager.konto}/dokumenter/sok", {"korrelasjonsid": korrelasjonsid}

    refused = await lager.ask("POST", sok, json=criteria | {"dokumentnavn": "a"})
    assert refused.status == 400
    assert "fra, til eller korrelasjonsid" in refused.json["message"]
    assert (await lager.ask("POST", sok, json=criteria)).json["totaltAntallTreff"] == 3
    at = (await lager.ask("POST", sok, json=criteria)).json["dokumenter"][0]["opprettet"]
    narrower = await lager.ask("POST", sok, json=criteria | {"dokumentnavn": "a", "fra": at})
    assert [one["id"] for one in narrower.json["dokumenter"]] == [last]


@pytest.mark.parametrize("when", [{"fra": "0001-01-01T00:00:00+14:00"}, {"til": "9999-12-31T23:59:59-14:00"}])
async def test_a_search_by_a_time_that_no_calendar_has(lager: Lager, when: dict[str, str]) -> None:
    assert (await lager.ask("POST", f"{lager.konto}/dokumenter/sok", json=when)).status == 400


async def test_a_list_has_the_newest_first_and_nothing_deleted(lager: Lager) -> None:
    first, second, third = [await lager.uploaded() for _ in range(3)]
    await lager.ask("DELETE", f"{lager.konto}/dokumenter/{second}")

    answer = await lager.ask("GET", f"{lager.konto}/dokumenter?fra=0&til=2")

    assert [one["id"] for one in answer.json["dokumenter"]] == [third, first]
    assert answer.headers["Fiks-Fresh-As-Of"] != "unknown"


async def test_a_download_is_told_unless_it_shall_not_be(lager: Lager) -> None:
    told, untold = await lager.uploaded(), await lager.uploaded(ikkeLagreDokumentLastetNed=True)
    for dokument_id in (told, untold):
        await lager.download(dokument_id)
        await lager.ask("HEAD", f"/dokumentlager/nedlasting/{dokument_id}")

    async def history(dokument_id: str) -> list[str]:
        known = (await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")).json
        return [one["melding"] for one in known["hendelser"]]

    assert await history(told) == ["Dokumentet er lastet opp", "Dokumentet er lastet ned"]
    assert await history(untold) == ["Dokumentet er lastet opp"]


async def test_each_range_is_told_and_those_that_one_caller_asks_for_in_a_row_are_a_line(lager: Lager) -> None:
    """As a player of films does, thousands of times."""
    itself = {"id": lager.headers["IntegrasjonId"], "type": "INTEGRASJON"}
    dokument_id = await lager.uploaded(LARGE, eksponertFor=[itself, {"fnr": "12858010053", "type": "PERSON"}])
    person = await lager.as_person("12858010053")
    for caller, times in ((lager, 3), (person, 1), (lager, 1), (person, 2)):
        for at in range(times):
            assert (await caller.download(dokument_id, Range=f"bytes={at}-{at}")).status == 206

    async def history(query: str = "") -> list[dict[str, str]]:
        answer = await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}{query}")
        lines: list[dict[str, str]] = answer.json["hendelser"]
        return lines

    lines = await history()
    told: list[Any] = []

    async def are_told() -> bool:
        told[:] = await lager.rows(
            "select time, actor from read.audit where stream = $1 and type = 'DokumentLastetNed' order by \"offset\"",
            dokument_id,
        )
        return len(told) >= 7

    await eventually_found(are_told)
    assert len(told) == 7, "each access is on the record"
    assert [(one["melding"].split(", sist ")[0], one["aktor"]) for one in lines[1:]] == [
        ("Dokumentet er lastet ned 3 ganger", lines[0]["aktor"]),
        ("Dokumentet er lastet ned", lines[2]["aktor"]),
        ("Dokumentet er lastet ned", lines[0]["aktor"]),
        ("Dokumentet er lastet ned 2 ganger", lines[2]["aktor"]),
    ]
    assert lines[0]["aktor"] != lines[2]["aktor"]
    assert [datetime.fromisoformat(one["dato"]) for one in lines[1:]] == [told[at]["time"] for at in (0, 3, 4, 5)]
    assert datetime.fromisoformat(lines[1]["melding"].split(", sist ")[1]) == told[2]["time"]
    assert await history("?fra=1&antall=2") == await history("?fra=1&til=2") == lines[1:3]
    assert await history("?fra=5") == []


async def test_the_history_of_an_account_comes_in_pages_too(lager: Lager) -> None:
    administrator = await lager.as_administrator()
    lines = (await administrator.ask("GET", lager.konto)).json["hendelser"]
    assert lines
    assert (await administrator.ask("GET", f"{lager.konto}?fra=0&antall=1")).json["hendelser"] == lines[:1]
    assert (await administrator.ask("GET", f"{lager.konto}?fra=1")).json["hendelser"] == lines[1:]
    assert (await administrator.ask("GET", f"{lager.konto}?antall=10001")).status == 400


@pytest.mark.parametrize(
    "query", ["?fra=-1", "?fra=2147483648", "?til=0", "?antall=10001", "?fra=a", "?til=1e3", "?antall=²"]
)
async def test_pages_that_there_are_none_of(lager: Lager, query: str) -> None:
    assert (await lager.ask("GET", f"{lager.konto}/dokumenter{query}")).status == 400


async def test_content_that_is_gone_from_the_store_is_a_fault_and_told(lager: Lager) -> None:
    before = lager.blobs
    dokument_id = await lager.uploaded()
    [blob] = lager.blobs - before
    (lager.settings.state / "blobs" / blob).unlink()

    answers = [await lager.download(dokument_id, Accept="application/json") for _ in range(3)]

    assert [one.status for one in answers] == [500] * 3
    assert blob not in answers[0].json["message"]
    known = (await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")).json
    told = [one["melding"] for one in known["hendelser"]]
    assert told.count("Dokumentets innhold er skadet og kan ikke lastes ned") == 1, (
        "once a day, however often asked for"
    )


async def test_content_that_was_changed_in_the_store_is_never_handed_out(lager: Lager) -> None:
    before = lager.blobs
    dokument_id = await lager.uploaded(LARGE)
    [blob] = lager.blobs - before
    path = lager.settings.state / "blobs" / blob
    sealed = bytearray(path.read_bytes())
    sealed[1000] ^= 1
    path.write_bytes(sealed)

    answer = await lager.download(dokument_id)

    assert answer.status == 500 and LARGE[:50] not in answer.body
    assert (await lager.download(dokument_id, Range="bytes=-10")).body == LARGE[-10:]
    known = (await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")).json
    assert "Dokumentets innhold er skadet og kan ikke lastes ned" in str(known["hendelser"])


@pytest.mark.parametrize("size", [7, 3 * SEGMENT + 17])
async def test_content_that_something_was_put_behind_is_never_handed_out(lager: Lager, size: int) -> None:
    before = lager.blobs
    dokument_id = await lager.uploaded(LARGE[:size])
    [blob] = lager.blobs - before
    with (lager.settings.state / "blobs" / blob).open("ab") as file:
        file.write(b"x")

    for asked in ({}, {"Range": "bytes=0-2"}):
        assert (await lager.download(dokument_id, **asked)).status == 500
    known = (await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")).json
    assert "Dokumentets innhold er skadet og kan ikke lastes ned" in str(known["hendelser"])


async def test_of_another_organisation_nothing_can_be_had(lager: Lager) -> None:
    dokument_id = await lager.uploaded()
    stranger = await lager.as_organisation(PROVDAL)

    for what in ("", "/metadata"):
        assert (await stranger.download(dokument_id, what)).status == 404
    assert (await stranger.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")).status == 403
    theirs = f"{stranger.konto}/dokumenter/{dokument_id}"
    assert [(await stranger.ask(method, theirs)).status for method in ("GET", "DELETE")] == [404, 404]
    mixed = lager.konto.replace(str(lager.fiks_org_id), str(PROVDAL.id("organisasjon")))
    assert (await lager.ask("GET", f"{mixed}/dokumenter")).status == 404


async def test_a_destruction_that_is_told_twice_is_shown_once(lager: Lager) -> None:
    dokument_id = (await lager.upload(form(said_of(), b"x"))).json["id"]
    address = f"{lager.konto}/dokumenter/{dokument_id}"
    assert (await lager.ask("DELETE", address)).status == 200
    while "destruert" not in str((await lager.ask("GET", address)).json["hendelser"]):
        await asyncio.sleep(0.05)
    destroyed = DokumentDestruert(dokument_id=UUID(dokument_id))
    about = fact(destroyed, time=datetime.now(UTC), id=str(uuid4()), source="urn:test")
    await lager.app[LOG].append(destroyed, about)
    assert str((await lager.ask("GET", address)).json["hendelser"]).count("destruert") == 1


async def test_a_name_as_long_as_may_be_can_be_downloaded(lager: Lager) -> None:
    answer = await lager.upload(form(said_of(dokumentnavn="😀" * 996 + ".pdf"), b"x"))
    got = await lager.download(answer.json["id"])
    assert (got.status, got.body) == (200, b"x")
    assert len(got.headers["Content-Disposition"]) < 6000 and got.headers["Content-Disposition"].endswith(".pdf")
