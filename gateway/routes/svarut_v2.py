"""SvarUt REST v2 as published clients speak it. Contract: svarut.md 3. Success codes are exact, nothing redirects."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from gateway import body
from gateway.auth.demands import integration, open_to_all
from gateway.auth.memory import MEMORY
from gateway.auth.middleware import demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.context import CERTIFICATES, LOG, READS
from gateway.faults import codes_in_words, in_words
from gateway.forsendelse import Forsendelse, faults_in, faults_in_sizes, mottatt
from gateway.metadata import Fnr, Text, Time, must_be_in_the_calendar
from gateway.problems import hidden
from gateway.randomness import new_uuid
from gateway.reading import Answer
from gateway.reads import History
from gateway.routes import Routes, as_json
from gateway.said import said
from gateway.uploads import receiving
from schemas.errors import Unreadable
from schemas.svarut import LestMeldt
from streams.domain.errors import NotFound, Rejected, TooLate
from streams.domain.svarut import key_id_of
from streams.domain.svarut_status import Status, status_v2

routes = Routes()

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

SEND = "SVARUT.SEND"
FRESHNESS = "Fiks-Fresh-As-Of"
"""The header that says up to when the answer knows everything: an RFC 3339 time, or ``unknown``."""

HENDELSER = {
    "ForsendelseMottatt": "Forsendelsen er mottatt",
    "ForsendelseAkseptert": "Forsendelsen er akseptert",
    "ForsendelseAvvist": "Forsendelsen er avvist",
    "ForsendelseFeiletUnderMottak": "Forsendelsen feilet under mottak",
    "ForsendelseKlarForMottak": "Forsendelsen er klar for mottak i mottakers system",
    "ForsendelseSendtAltinn": "Forsendelsen er sendt til Altinn, og mottaker er varslet",
    "ForsendelseLevertAltinn": "Altinn har bekreftet at forsendelsen er levert",
    "ForsendelseSendtSdp": "Forsendelsen er sendt til mottakers digitale postkasse",
    "ForsendelseLevertSdp": "Forsendelsen er levert i mottakers digitale postkasse",
    "ForsendelseSendtNhnMottaker": "Forsendelsen er sendt i helsenettet",
    "ForsendelseLevertNhnMottaker": "Mottaker i helsenettet har bekreftet forsendelsen",
    "ForsendelseSendtPrint": "Forsendelsen er sendt til utskrift",
    "ForsendelsePrintet": "Forsendelsen er skrevet ut",
    "ForsendelseSendtDigitalt": "Lesefristen er ute; forsendelsen er bare sendt digitalt",
    "ForsendelseIkkeLevert": "Forsendelsen kunne ikke leveres digitalt",
    "ForsendelseManueltHandtert": "Forsendelsen er manuelt håndtert",
    "ForsendelseLest": "Forsendelsen er lest",
    "ForsendelseSlettet": "Forsendelsen er slettet",
}
"""The texts of the shipment's log. There is no event code in this API, so a type without a text shows as its name."""


class StatusSok(Struct, rename="camel", frozen=True):
    """Which forsendelser; 1 to 1000 (the newer specification)."""

    forsendelse_ids: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=1000)]


class LestAv(Struct, rename="camel", frozen=True):
    """Who read it, and when."""

    fnr: Fnr
    tidspunkt: Time
    eksternt_systemnavn: Text | None = None

    def __post_init__(self) -> None:
        must_be_in_the_calendar(self.tidspunkt)


@routes.post("/api/v2/kontoer/{kontoId}/forsendelser", demands=integration(SEND))
@routes.post("/api/v2/kontoer/{kontoId}/forsendelser/", demands=integration(SEND))
async def send(request: web.Request) -> web.Response:
    """Take over a forsendelse. The answer is a promise: its content and the event are durable."""
    forsendelse_id, now = new_uuid(), datetime.now(UTC)
    async with receiving(request, key_id_of(forsendelse_id)) as upload:
        sent = await upload.metadata()
        upload.faults += faults_in(sent, now)
        await upload.documents(sent)
        upload.faults += faults_in_sizes(sent, upload.received)
        if upload.faults:
            await upload.discard()
        await demand_on(request, _konto_id(request))  # it may have been revoked while all this came
        event = mottatt(sent, upload.received, upload.faults, forsendelse_id=forsendelse_id, **_known(request, sent))
        position = await upload.say(request.app[LOG].append(event, said(request, event, now)))
    request.app[READS].wrote(forsendelse_id, position)
    if upload.faults:
        raise Rejected(in_words(upload.faults))
    return as_json({"id": forsendelse_id})


@routes.get("/forsendelse/publickey/hent", demands=open_to_all)
async def public_key(request: web.Request) -> web.Response:
    """The certificate that documents are encrypted for, PEM (contract 7.2). It is no secret; Dokumentlager's too."""
    return web.Response(text=request.app[CERTIFICATES].certificate(), content_type="text/plain")


@routes.get("/api/v2/kontoer/{kontoId}/forsendelser", demands=integration(SEND))
async def find_by_referanse(request: web.Request) -> web.Response:
    """The forsendelser with a reference; none is an empty list (contract, trap 13)."""
    referanse = request.query.get("eksternRef")
    if not referanse or "\0" in referanse:
        raise Unreadable("Ugyldig innhold: parameteren eksternRef mangler")
    found = await request.app[READS].with_referanse(_konto_id(request), referanse)
    return _answer(found, {"forsendelseIds": [row["forsendelse_id"] for row in found.rows]})


@routes.post("/api/v2/kontoer/{kontoId}/forsendelser/status-sok", demands=integration(SEND))
async def statuser(request: web.Request) -> web.Response:
    """The statuses of those that the account sent; unknown ids are left out (contract, trap 12)."""
    sok = await body.json(request, StatusSok)
    found = await request.app[READS].statuser(_konto_id(request), set(sok.forsendelse_ids))
    statuser = [
        {
            "id": row["forsendelse_id"],
            "sisteStatusEndring": row["sist_endret"],
            "status": status_v2(Status(row["status"])),
        }
        for row in found.rows
    ]
    return _answer(found, {"statuser": statuser})


@routes.get("/api/v2/forsendelser/{forsendelseId}/hendelser", demands=integration(SEND))
async def hendelser(request: web.Request) -> web.Response:
    """What has happened to a forsendelse, as free text."""
    forsendelse_id = await _own_forsendelse(request)
    found = await request.app[READS].hendelser(forsendelse_id)
    hendelser = [{"tidspunkt": one.tidspunkt, "hendelse": _in_words(one.type, one.detalj)} for one in found.hendelser]
    return _answer(found, {"hendelser": hendelser})


@routes.post("/api/v2/forsendelser/{forsendelseId}/lest", demands=integration(SEND))
async def lest(request: web.Request) -> web.Response:
    """The forsendelse was read in another system: answered once that shows at every gateway.

    Also where it is LEST already, or was until it was deleted. Where reading it ends nothing (at the print supplier's,
    ended otherwise) it is 409: the contract (3.2, 6.2) has no such transition, and whoever asks must not think that
    print was stopped.
    """
    forsendelse_id = await _own_forsendelse(request)
    by = await body.json(request, LestAv)
    event = LestMeldt(forsendelse_id=forsendelse_id, **msgspec.structs.asdict(by))
    position = await request.app[LOG].append(event, said(request, event))
    await request.app[READS].settled(forsendelse_id, position)
    if not await request.app[READS].was_read(forsendelse_id):
        status = await request.app[READS].status(forsendelse_id)
        raise TooLate(f"Forsendelsen kan ikke settes som lest: den har status {status_v2(status)}")
    return web.Response(status=204)


async def _own_forsendelse(request: web.Request) -> UUID:
    """The id in the path, of a forsendelse that an account sent on which the caller holds the privilege."""
    text = request.match_info["forsendelseId"]
    missing = f"Forsendelsen {text} finnes ikke"
    if not _UUID.fullmatch(text):
        raise NotFound(missing)
    forsendelse_id = UUID(text)
    konto_id = await request.app[READS].konto_of(forsendelse_id)
    with hidden(missing):  # of one that there is not, too: neither what is told nor a clock tells them apart
        await demand_on(request, konto_id or forsendelse_id)
    return forsendelse_id


def _konto_id(request: web.Request) -> UUID:
    return UUID(request.match_info["kontoId"])


def _known(request: web.Request, sent: Forsendelse) -> dict[str, Any]:
    """What the configuration says of a forsendelse."""
    memory, konto_id = request.app[MEMORY], _konto_id(request)
    konto = memory.ressurs(konto_id)
    assert konto is not None, "the privilege that was demanded is on an account that exists"
    system = memory.mottakersystem(sent.mottaker.digital_id or "", sent.forsendelsestype, sent.niva)
    return {
        "fiks_org_id": konto.fiks_org_id,
        "konto_id": konto_id,
        "integrasjon_id": request[PRINCIPAL].integrasjon_id,
        "mottakersystem_id": system and system.id,
    }


def _in_words(kind: str, detalj: str | None) -> str:
    text = HENDELSER.get(kind, kind)
    return f"{text}. {codes_in_words(detalj)}" if detalj else text


def _answer(found: Answer | History, said: Any) -> web.Response:
    response = as_json(said)
    response.headers[FRESHNESS] = found.as_of.isoformat() if found.as_of else "unknown"
    return response
