"""Registers that are away, slow, confused or strange, and the tokens by which they are asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from gateway.auth.grant import certificate, client_id, x5c
from gateway.matrikkel import Eier, Eiertype, UkjenteEiere
from gateway.registers import asking, krr
from gateway.registers.altinn import Altinn
from gateway.registers.krr import MOST, UKJENT, Krr, Status
from gateway.registers.maskinporten import MARGIN, Client, KeptToken, Maskinporten, Token, client
from gateway.registers.matrikkel import Matrikkel, connected
from gateway.seed import TESTVIK
from gateway.stand_ins.population import ASE, DOLLY, EIERE, KARE, MINA, ODD
from infra.settings import Settings
from schemas.dokumentlager import Matrikkelenhet
from streams.domain.errors import Unavailable
from tests.support.gateway import served
from tests.support.issuer import rsa_key, running_issuer
from tests.support.ports import free_port
from tests.support.registers import running_registers


@asynccontextmanager
async def server(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A register that answers everything so; its address."""
    app, port = web.Application(), free_port()
    app.router.add_route("*", "/{anything:.*}", answer)
    async with served(app, port):
        yield f"http://127.0.0.1:{port}"


class Maskin(Maskinporten):
    """Gives tokens 1, 2, 3."""

    def __init__(self) -> None:
        self.given = 0

    async def token(self, scope: str) -> Token:
        self.given += 1
        return Token(str(self.given), 599.0)


ENHET = Matrikkelenhet(kommunenummer="0301", gardsnummer="7", bruksnummer="2", festenummer="0", seksjonsnummer="3")
SAME = {"kommunenummer": "301", "gardsnummer": "007", "bruksnummer": "2", "festenummer": "", "seksjonsnummer": "03"}


async def ask_krr(at: str) -> None:
    async with ClientSession() as session:
        await Krr(at, Maskin(), session).kontakter(["12858010053"])


def matrikkel(at: str, session: ClientSession) -> Matrikkel:
    return Matrikkel(at, "id", "passord", Maskin(), session)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 429, 500, 503])
async def test_no_answer_of_200_is_no_answer(status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"personer": []}, status=status, headers={"Location": "/elsewhere"})

    async with server(answer) as at:
        with pytest.raises(Unavailable):
            await ask_krr(at)


@pytest.mark.parametrize(
    "text", ["", "<html>", "null", "[]", "{}", '{"personer": [{"status": "AKTIV"}]}', "[" * 100_000]
)
async def test_an_answer_of_another_shape_is_no_answer(text: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    async with server(answer) as at, ClientSession() as session:
        with pytest.raises(Unavailable):
            await Krr(at, Maskin(), session).kontakter(["12858010053"])
        with pytest.raises(Unavailable):
            await matrikkel(at, session).eiere([ENHET])
        if text != "[]":
            with pytest.raises(Unavailable):
                await Altinn(at, None, Maskin(), session).parties("12858010053")


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LARGEST", 1000)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)
            await asyncio.sleep(0)

    async with server(answer) as at:
        with pytest.raises(Unavailable):
            await ask_krr(at)


async def test_who_does_not_answer_in_time_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE", ClientTimeout(total=3.0))  # in which it is asked, on a busy machine too
    calls, done = [], asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        calls.append(request.path)
        await done.wait()
        return web.Response()

    async with server(answer) as at:
        with pytest.raises(Unavailable):
            await ask_krr(at)
        done.set()
    assert calls == ["/rest/v2/personer"]


@pytest.mark.parametrize(("failures", "answers"), [(1, True), (2, False)])
async def test_a_connection_that_fails_is_tried_once_more(failures: int, answers: bool) -> None:
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls <= failures:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"personer": []})

    async with server(answer) as at:
        if answers:
            await ask_krr(at)
        else:
            with pytest.raises(Unavailable):
                await ask_krr(at)
    assert calls == 2


async def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await ask_krr(f"http://127.0.0.1:{free_port()}")


async def test_a_token_that_is_refused_is_not_shown_again() -> None:
    shown = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({"personer": []}, status=401 if len(shown) == 1 else 200)

    async with server(answer) as at, ClientSession() as session:
        register = Krr(at, Maskin(), session)
        with pytest.raises(Unavailable):
            await register.kontakter(["1"])
        await register.kontakter(["1"])
        await register.kontakter(["1"])
    assert shown == ["Bearer 1", "Bearer 2", "Bearer 2"]


async def test_a_token_is_kept_while_it_lasts_and_fetched_once_for_all_who_wait() -> None:
    now, maskinporten = 0.0, Maskin()
    kept = KeptToken(lambda: maskinporten.token("x"), lambda: now)
    assert await asyncio.gather(*(kept.get() for _ in range(5))) == ["1"] * 5
    now = 599.0 - MARGIN - 1
    assert await kept.get() == "1"
    now += 1
    assert await kept.get() == "2"


async def test_many_persons_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((await request.json())["personidentifikatorer"])
        return web.json_response({"personer": []})

    async with server(answer) as at, ClientSession() as session:
        pids = [str(number) for number in range(MOST + 1)]
        assert await Krr(at, Maskin(), session).kontakter([*pids, "0"]) == dict.fromkeys(pids, UKJENT)
        assert await Krr(at, Maskin(), session).kontakter([]) == {}
    assert asked == [pids[:MOST], pids[MOST:]]


async def test_the_persons_of_the_stand_in(tmp_path: Path) -> None:
    async with running_registers(tmp_path) as registers:
        found = await registers.krr.kontakter([ASE.pid, KARE.pid, MINA.pid, DOLLY.pid, ODD.pid])
    ase, kare, mina, dolly, odd = found.values()
    assert (ase.epost, ase.mobil, ase.kan_varsles) == ("aase@example.com", "+4700000001", True)
    assert kare.mobil is None
    assert (mina.kan_varsles, mina.reservert) == (False, False)
    assert (dolly.kan_varsles, dolly.reservert) == (False, True)
    assert odd.status is Status.IKKE_REGISTRERT


def test_who_is_not_known_to_want_digital_post_is_reserved() -> None:
    active = {"personidentifikator": "1", "status": "AKTIV", "varslingsstatus": "KAN_VARSLES"}
    for said, reservert in (("NEI", False), ("JA", True), (None, True), ("KANSKJE", True)):
        kontakt = krr.read_kontakter({"personer": [active | {"reservasjon": said}]})["1"]
        assert (kontakt.reservert, kontakt.kan_varsles) == (reservert, not reservert)


async def test_only_owners_of_a_unit_that_was_asked_for_are_told_however_it_is_written() -> None:
    person = {"type": "FYSISK_PERSON", "verdi": ASE.pid}
    results = [
        {"matrikkelnummer": SAME, "eiere": [person, {"type": "UKJENT"}, {}]},
        {"matrikkelnummer": SAME | {"seksjonsnummer": "4"}, "eiere": [{"type": "FYSISK_PERSON", "verdi": KARE.pid}]},
        {"matrikkelnummer": SAME | {"kommunenummer": "4600"}, "eiere": [{"type": "FYSISK_PERSON", "verdi": MINA.pid}]},
        {"eiere": [{"type": "FYSISK_PERSON", "verdi": ODD.pid}]},
        {"matrikkelnummer": SAME, "eiere": None},
    ]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"enhetResultater": results})

    async with server(answer) as at, ClientSession() as session:
        told = await matrikkel(at, session).eiere([ENHET])
    assert {one for one in told if one.nummer} == {Eier(Eiertype.FYSISK_PERSON, ASE.pid)}


@pytest.mark.parametrize("number", ["x", "-7", "\N{ARABIC-INDIC DIGIT SEVEN}", "7" * 10, None])
async def test_a_unit_that_is_none_is_no_answer(number: str | None) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"enhetResultater": [{"matrikkelnummer": SAME | {"gardsnummer": number}}]})

    async with server(answer) as at, ClientSession() as session:
        with pytest.raises(Unavailable):
            await matrikkel(at, session).eiere([ENHET])


async def test_a_refused_token_is_not_shown_to_matrikkel_again_and_nothing_of_an_answer_is_kept() -> None:
    shown = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({"enhetResultater": []}, status=401 if len(shown) == 1 else 200)

    async with server(answer) as at, ClientSession() as session:
        register = matrikkel(at, session)
        with pytest.raises(Unavailable):
            await register.eiere([ENHET])
        await register.eiere([ENHET])
        await register.eiere([ENHET])
    assert shown == ["Bearer 1", "Bearer 2", "Bearer 2"]


async def test_the_owners_of_the_stand_in(tmp_path: Path) -> None:
    names = Matrikkelenhet.__struct_fields__  # type: ignore[attr-defined]  # a Struct
    enheter = [Matrikkelenhet(**dict(zip(names, map(str, enhet), strict=True))) for enhet in EIERE]
    async with running_registers(tmp_path) as registers:
        assert await registers.matrikkel.eiere(enheter) == {eier for eiere in EIERE.values() for eier in eiere}


async def test_nobody_is_asked_who_owns_a_unit_unless_the_settings_say_whom_and_as_whom() -> None:
    async with ClientSession() as session:
        nobody = connected(Settings(), Maskin(), session)
        assert isinstance(nobody, UkjenteEiere)
        assert await nobody.eiere([ENHET]) == frozenset()
        with pytest.raises(ValueError, match="FIKS_MATRIKKEL_PASSORD"):
            connected(Settings(matrikkel="http://127.0.0.1:1"), Maskin(), session)


@pytest.mark.parametrize("shown", ["kid", "x5c"])
async def test_our_client_is_known_by_key_id_or_certificate(shown: str, tmp_path: Path) -> None:
    key, orgnr = rsa_key(), TESTVIK.orgnr
    assert key.private_key is not None
    jwk = key.as_dict(private=True)
    if shown == "x5c":
        jwk = jwk | {"x5c": x5c(certificate(key.private_key, orgnr))}
    file = tmp_path / "client.json"
    file.write_text(json.dumps({"clientId": client_id(orgnr), "key": jwk}))
    async with running_issuer() as issuer, ClientSession() as session:
        if shown == "kid":
            issuer.register(client_id(orgnr), {"keys": [key.as_dict(private=False)]})
        settings = Settings(issuer=issuer.name, maskinporten_client=file)
        token = await Maskinporten(issuer.name, session, lambda: client(settings)).token(krr.SCOPE)
        assert (issuer.read(token.text) or {})["scope"] == krr.SCOPE


@pytest.mark.parametrize(
    "text", [None, "", "{}", '{"clientId": "a", "key": {"kty": "RSA"}}', '{"clientId": "a", "key": 1}']
)
def test_a_client_that_cannot_be_read_makes_registers_unavailable(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "client.json").write_text(text)
    with pytest.raises(Unavailable):
        client(Settings(maskinporten_client=tmp_path / "client.json", test_mode=True))


def test_without_a_client_only_tests_can_ask() -> None:
    with pytest.raises(Unavailable, match="FIKS_MASKINPORTEN_CLIENT"):
        client(Settings())
    assert isinstance(client(Settings(test_mode=True)), Client)


async def test_a_refused_grant_is_unavailable() -> None:
    async with running_issuer() as issuer, ClientSession() as session:
        ours = Maskinporten(issuer.name, session, lambda: client(Settings(test_mode=True)))
        with pytest.raises(Unavailable):
            await ours.token("skatteetaten:alt")
