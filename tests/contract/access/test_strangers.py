"""Of what another organisation has nobody learns even that it is there. Routes are found, and so are their ids.

Every route is asked for what another organisation has, and for ids of the same shape that nobody has: status, headers,
body and events must be the same. Who asks holds all rights in their own organisation, every part of an address that is
not asked about is their own, and all that a body must say is right. Every list, search and count is looked through for
ids of the other organisation, and must be the same after it has made more.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.app import add_routes
from gateway.audit import AUDITOR
from gateway.auth.demands import Caller, Demand, demand_of, open_to_all
from gateway.digital_id import Kind, kind_of
from gateway.issuer.people import PEOPLE
from gateway.seed import ADMINISTRATORS
from gateway.tus import CONTENT_TYPE
from infra.masking import masked_text
from schemas.envelope import Envelope
from streams.log import Log
from tests.support import dokumentlager, gateway
from tests.support.certificates import pem
from tests.support.dokumentlager import Lager
from tests.support.eventually import eventually_found
from tests.support.everything import Everything, everything, two_organisations
from tests.support.fiks_io import AS_JAVA, java, specification
from tests.support.tus import RESUMABLE, metadata_of

REFUSED = {403, 404}
DOKUMENTLAGER, FIKS_IO = "/dokumentlager/api/v1/{fiksOrgId}/kontoer", "/fiks-io/konto/api/v1/kontoer"
ANSWERED = {
    ("PATCH /autorisasjon-update/api/v1/fiksorgs/{fiksOrgId}/aktorer/{aktor}", "aktor"): (400, "a word, no address"),
    (f"DELETE {DOKUMENTLAGER}/{{kontoId}}/korrelasjonsid/{{korrelasjonsid}}", "korrelasjonsid"): (
        *(204, "whatever bears it in the caller's own account is deleted, and nothing does"),
    ),
    (f"GET {DOKUMENTLAGER}", "fiksOrgId"): (200, "the accounts there that the caller may see, and there are none"),
    (f"DELETE {FIKS_IO}/{{kontoId}}/aksepterteAvsendere/{{avsenderKontoId}}", "avsenderKontoId"): (
        *(200, "it stands no more on the caller's own list, on which it never stood"),
    ),
    (f"POST {FIKS_IO}/{{mottakerKontoId}}/validerMelding", "mottakerKontoId"): (400, "what would be wrong with it"),
    **{
        (f"GET /fiks-protokoll/api/v1/konfigurasjon/{{fiksOrgId}}/protokoller{below}", "fiksOrgId"): (
            *(200, "protocols are the same for all"),
        )
        for below in ("", "/{protokollnavn}", "/{protokollnavn}/{protokollversjon}")
    },
}
"""Where what is another's is answered as what is nobody's, but not by 403 or 404: by which id in which address; why."""
OPEN = {
    "GET /fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel": "the key is for all (fiks-io.md 1.2)",
    f"OPTIONS {DOKUMENTLAGER}/{{kontoId}}/opplastinger": "looks at nothing",
    f"OPTIONS {DOKUMENTLAGER}/{{kontoId}}/opplastinger/{{opplastingId}}": "looks at nothing",
}
"""The addresses with ids that are open to those who show nothing, and why."""
NAMES = {
    "ressursType": "SVARUT",
    "kode": "SVARUT",
    "tjenesteKode": "SVARUT",
    "tag": "SVARUT",
    "protokollnavn": "no.ks.fiks.arkiv",
    "protokollversjon": "v1",
    "meldingsprotokoll": "no.ks.fiks.arkiv.v1",
}
"""What in an address is no id but a word that means the same for all."""
NOBODY = "01810110089"
"""The number of a person whom no organisation knows."""
SHOWS_LESS = {
    **{
        ("FOR_ORGANISATION", f"GET /dokumentlager/nedlasting/{what}"): (404, "it is exposed to the person alone")
        for what in ("niva4/{dokumentId}", "{dokumentId}", "{dokumentId}/metadata")
    },
    **{
        ("MANAGER", f"GET {what}"): (403, "it is about all organisations, for root")
        for what in ("/autorisasjon-query/api/v1/autorisasjon/typeTilganger", "/dokumentlager-stats/api/v1/stats")
    },
    **{
        (kind, "GET /fiks-io/katalog/api/v1/lookup"): (404, "nobody has that address")
        for kind in ("INTEGRATION", "INTEGRATION_PERSON", "MANAGER")
    },
}
"""What shows nothing to callers of a kind, about what is their own: the status, and why."""
OFFERED = {
    f"GET /konfigurasjon/api/v1/organisasjoner/{{fiksOrgId}}/integrasjoner{which}": {"fiksOrgId", "orgId"}
    for which in ("", "/{tag}")
}
"""What may be told of another: whose an integration is that root offers to all (a field that the contract demands)."""
OF_ITSELF = {
    "GET /audit-sok/api/v1/sok": "who asks is on the record",
    "GET /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter/{dokumentId}": "who asks downloads it, too",
}
"""What changes since it was asked for, and why."""
COUNTED = {
    "GET /dokumentlager-stats/api/v1/kontoer/{kontoId}/stats",
    "GET /dokumentlager-stats/api/v1/organisasjoner/{fiksOrgId}/stats",
    "GET /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/statistikk",
    "GET /fiks-io/manuell/api/v1/kontoer/{kontoId}/meldinger/antall",
    "POST /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter/sok",
}
"""Some that must change for whom it is about, when more is there."""
OURS = ("/schema-registry/", "/openapi/")
"""Begin the addresses whose ids are the platform's own."""


class Call(NamedTuple):
    """What a call needs besides its address, so that nothing but the address is wrong."""

    json: Any = None
    data: Any = None
    headers: Mapping[str, str] = {}
    params: Mapping[str, str] = {}


FORSENDELSE = Call(
    data=gateway.form(gateway.metadata("a.pdf"), [('form-data; filename="a.pdf"', gateway.pdf())]),
    headers={"Content-Type": f"multipart/form-data; boundary={gateway.BOUNDARY}"},
)
DOKUMENT = Call(
    data=dokumentlager.form(dokumentlager.said_of(), b"innhold"),
    headers={"Content-Type": f"multipart/form-data; boundary={dokumentlager.BOUNDARY}"},
    params={"kryptert": "false"},
)
PART = RESUMABLE | {"Content-Type": CONTENT_TYPE, "Upload-Offset": "0"}
AS_PERSON = Call({"tittel": "Rådgiver"}, headers={"Lovhjemmel": "Kommuneloven"})
NAVN, PEM, BESKRIVELSE = Call({"navn": "Et navn"}), Call({"pem": pem()}), Call({"beskrivelse": "Postmottak"})
SYSTEM = {"navn": "Arkivet", "beskrivelse": "Et arkiv", "eposter": ["arkiv@example.no"], "offentlig": False}
PARTS = [{"partNavn": "arkiv.full", "stottetProtokollVersjon": "v1"}]
KONTO = {"navn": "Konto", "beskrivelse": "En konto", "stottetProtokollNavn": "no.ks.fiks.arkiv", "parts": PARTS}
IDENTIFIKATORER, PROTOKOLLER = Call([{"identifikator": "912345678"}]), Call([{"meldingsprotokoll": "en.protokoll"}])
NIVAER = Call([{"sikkerhetsniva": 3}])
RIGHT = {"aktor": PEOPLE[5].pid, "privilegium": "ADMIN"}
FAKTURA = dict.fromkeys(("navn", "juridiskNavn", "referanse", "poststed"), "Noe")
CALLS: dict[str, Call] = {
    "PATCH /autorisasjon-update/api/v1/ressurs/{ressursId}": NAVN,
    "POST /autorisasjon-update/api/v1/ressurs/{ressursId}/tilganger": Call(RIGHT),
    "DELETE /autorisasjon-update/api/v1/ressurs/{ressursId}/tilganger": Call(params=RIGHT),
    "PATCH /autorisasjon-update/api/v1/fiksorgs/{fiksOrgId}/aktorer/{aktor}": Call({"aktiv": True}),
    "POST /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter/": DOKUMENT,
    "POST /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter": DOKUMENT,
    "PATCH /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter/{dokumentId}": Call({"ttl": 100}),
    "POST /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter/sok": Call({}),
    "POST /dokumentlager/api/v1/{orgId}/kontoer": NAVN,
    "PATCH /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}": NAVN,
    "POST /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/opplastinger": Call(
        headers=RESUMABLE | {"Upload-Length": "10", "Upload-Metadata": metadata_of()}
    ),
    "PATCH /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/opplastinger/{opplastingId}": Call(
        data=b"abc", headers=PART
    ),
    "GET /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/opplastinger/{opplastingId}": Call(headers=RESUMABLE),
    "DELETE /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/opplastinger/{opplastingId}": Call(headers=RESUMABLE),
    "POST /dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/opplastinger/{opplastingId}": Call(
        data=b"abc", headers=PART | {"X-HTTP-Method-Override": "PATCH"}
    ),
    "POST /dokumentlager/api/v1/organisasjoner/{fiksOrgId}/kontoer/{kontoId}/brukere/{personId}": Call(
        {"tilganger": {"kanLasteOpp": True}}
    ),
    "POST /fiks-io/konto/api/v1/kontoer/{kontoId}/adresser": BESKRIVELSE,
    "PUT /fiks-io/konto/api/v1/kontoer/{kontoId}/adresser/{adresseId}/beskrivelse": BESKRIVELSE,
    **{
        f"POST /fiks-io/konto/api/v1/kontoer/{{kontoId}}/adresser/{{adresseId}}/{what}{end}": call
        for what, call in (
            ("identifikatorer", IDENTIFIKATORER),
            ("meldingsprotokoller", PROTOKOLLER),
            ("sikkerhetsnivaer", NIVAER),
        )
        for end in ("", "/fjern")
    },
    "PUT /fiks-io/katalog/api/v1/kontoer/{kontoId}/offentligNokkel": PEM,
    "PUT /fiks-io/konto/api/v1/kontoer/{kontoId}/offentligNokkel": PEM,
    "PUT /fiks-io/konto/api/v1/kontoer/{kontoId}/kontoNavn": Call({"kontoNavn": "Et navn"}),
    "PUT /fiks-io/konto/api/v1/kontoer/{kontoId}": Call({"kontoNavn": "Et navn"}),
    "POST /fiks-io/konto/api/v1/kontoer/{kontoId}/aksepterteAvsendere": Call({"kontoId": str(uuid4())}),
    "POST /fiks-io/manuell/api/v1/kontoer/{kontoId}/meldinger/neste/svarOgAck": Call({"meldingType": "en.type"}),
    "POST /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer": Call(KONTO),
    "PUT /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/info": Call(
        {"navn": "Konto", "beskrivelse": "En konto"}
    ),
    "PUT /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/pem": Call(
        {"offentligNokkel": pem()}
    ),
    "POST /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/parter": Call(
        {"parts": PARTS}
    ),
    "POST /fiks-protokoll/api/v1/konfigurasjon/{orgId}/systemer": Call(
        SYSTEM | {"orgnummer": "310991007", "konfigureresAvIntegrasjon": True}
    ),
    "PUT /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/info": Call(SYSTEM),
    "PUT /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/integrasjon-privilegium": Call(
        {"konfigureresAvIntegrasjon": True}
    ),
    "PUT /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/orgnummer": Call(
        {"orgnummer": "310991007"}
    ),
    "POST /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/kontoer/{kontoId}/system-sok": Call({}),
    "POST /fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}/konto-sok": Call({}),
    "PATCH /konfigurasjon/api/v1/organisasjoner/{fiksOrgId}": NAVN,
    "PUT /konfigurasjon/api/v1/organisasjoner/{fiksOrgId}/faktura": Call(
        FAKTURA | {"orgnr": "310991007", "postnummer": "0150"}
    ),
    "PATCH /konfigurasjon/api/v1/root/organisasjoner/{orgId}": Call({"intern": False}),
    "PATCH /konfigurasjon/api/v1/personer/{fnr}": AS_PERSON,
    "PATCH /konfigurasjon/api/v1/root/personer/{fnr}": AS_PERSON,
    "PATCH /konfigurasjon/api/v1/integrasjoner/{integrasjonId}": NAVN,
    "PATCH /konfigurasjon/api/v1/root/integrasjoner/{integrasjonId}": Call({"global": False}),
    "POST /api/v2/kontoer/{kontoId}/forsendelser/": FORSENDELSE,
    "POST /api/v2/kontoer/{kontoId}/forsendelser": FORSENDELSE,
    "GET /api/v2/kontoer/{kontoId}/forsendelser": Call(params={"eksternRef": "x"}),
    "POST /api/v2/kontoer/{kontoId}/forsendelser/status-sok": Call({"forsendelseIds": [str(uuid4())]}),
    "POST /api/v2/forsendelser/{forsendelseId}/lest": Call(
        {"fnr": PEOPLE[0].pid, "tidspunkt": "2026-01-01T12:00:00.000Z"}
    ),
}


class Route(NamedTuple):
    """A route with ids in its address."""

    method: str
    path: str
    ids: tuple[str, ...]
    demand: Demand

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes() -> Iterator[Route]:
    """All routes of the gateway, but those of the platform's own ids."""
    app = web.Application()
    add_routes(app)
    for route in app.router.routes():
        assert route.resource is not None
        found = route.resource.get_info()
        if route.method == "HEAD" or route.resource.canonical.startswith(OURS):
            continue  # HEAD is answered by the handler of GET
        ids = tuple(name for name in (found["pattern"].groupindex if "pattern" in found else ()) if name not in NAMES)
        demand = demand_of(route.handler)
        assert demand is not None
        yield Route(route.method, route.resource.canonical, ids, demand)


ALL = list(routes())
ROUTES = [route for route in ALL if route.ids]
CLOSED = [route for route in ROUTES if route.demand != open_to_all]
SEARCHES = ("sok", "/list", "/oversikt", "/organisasjoner", "/matchendeAdresser", "Resources")
"""What the addresses end with where POST only reads."""
READING = [
    route
    for route in ALL
    if route.demand != open_to_all and "/root/" not in route.path and "/neste/" not in route.path
    if route.method == "GET" or (route.method == "POST" and route.path.endswith(SEARCHES))
]
"""Everything that shows something and changes nothing. What is below root shows all organisations to root alone."""


class Told(NamedTuple):
    """What a caller learns by a call, and which events the gateway says because of it; without what names the call."""

    status: int
    headers: dict[str, str]
    body: str
    events: list[str]


@pytest_asyncio.fixture(scope="module")
async def both(lagre: tuple[Lager, Lager]) -> tuple[Everything, Everything]:
    return await two_organisations(lagre[0])


class Named(NamedTuple):
    """A call about an id that stands in its query or its body, and the status that it is answered with."""

    method: str
    path: str
    name: str
    call: Callable[[Everything, str], Call]
    status: int
    kind: Caller = Caller.MANAGER

    def __str__(self) -> str:
        return f"{self.method} {self.path} of {self.name}"


QUERY, UPDATE, KONFIGURASJON = (
    "/autorisasjon-query/api/v1/autorisasjon",
    "/autorisasjon-update/api/v1",
    "/konfigurasjon/api/v1",
)
KONTOER, PROTOKOLL = (
    "/fiks-io/konto/api/v1/kontoer",
    "/fiks-protokoll/api/v1/konfigurasjon/{fiksOrgId}/systemer/{systemId}",
)
SEND = ("POST", "/fiks-io/api/v1/send")


def sent(**said: str) -> Call:
    """A message."""
    return Call(data=java(specification(**said)), headers={"Content-Type": AS_JAVA})


NAMED = [
    Named("GET", f"{QUERY}/isAutorisert", "ressursId", lambda _, id_: Call(params=RIGHT | {"ressurs": id_}), 403),
    Named("GET", f"{QUERY}/autorisasjoner", "ressursId", lambda _, id_: Call(params={"forelderRessurs": id_}), 200),
    Named("GET", f"{QUERY}/autorisasjoner", "aktor", lambda _, id_: Call(params={"aktor": id_}), 200),
    Named("GET", f"{QUERY}/synlige", "ressursId", lambda _, id_: Call(params={"parent": id_}), 200),
    Named(
        *("POST", f"{QUERY}/ressurser/oversikt", "ressursId"),
        lambda _, id_: Call({"ressurser": [id_], "privilegium": "ADMIN", "ressursType": "SVARUT_KONTO"}),
        404,
    ),
    Named(
        *("POST", f"{UPDATE}/ressurs", "ressursId"),
        lambda _, id_: Call({"forelderRessurs": id_, "type": "SVARUT_KONTO", "navn": "Konto"}),
        403,
    ),
    Named(
        *("POST", f"{UPDATE}/ressurs/{{ressursId}}/tilganger", "aktor"),
        lambda _, id_: Call({"aktor": id_, "privilegium": "SVARUT.SEND"}),
        403,
    ),
    Named(
        *("DELETE", f"{UPDATE}/ressurs/{{ressursId}}/tilganger", "aktor"),
        lambda _, id_: Call(params={"aktor": id_, "privilegium": "SVARUT.SEND"}),
        200,
    ),
    Named("GET", f"{KONFIGURASJON}/organisasjoner", "fiksOrgId", lambda _, id_: Call(params={"orgId": id_}), 200),
    Named("POST", f"{KONFIGURASJON}/organisasjoner", "fiksOrgId", lambda _, id_: Call({"ids": [id_]}), 200),
    Named(
        *("GET", f"{KONFIGURASJON}/organisasjoner/{{fiksOrgId}}/integrasjoner", "integrasjonId"),
        lambda _, id_: Call(params={"integrasjonId": id_}),
        200,
    ),
    Named(
        *("POST", f"{KONFIGURASJON}/integrasjoner", "fiksOrgId"),
        lambda _, id_: Call({"fiksOrganisasjonUuid": id_, "navn": "Fagsystem", "autorisertOrgnr": "310991007"}),
        403,
    ),
    Named("GET", "/audit-sok/api/v1/sok", "fiksOrgId", lambda _, id_: Call(params={"fiksOrganisasjon": id_}), 403),
    Named("POST", KONTOER, "fiksOrgId", lambda _, id_: Call({"konto": {"fiksOrgId": id_, "navn": "Konto"}}), 403),
    Named(
        *("POST", KONTOER, "ressursId"),
        lambda own, id_: Call({"konto": {"fiksOrgId": own.ids["fiksOrgId"], "navn": "Konto"}, "forelderresurs": id_}),
        400,
    ),
    Named("GET", "/fiks-io/konto/api/v1/kontosok", "fiksOrgId", lambda _, id_: Call(params={"fiksOrgId": id_}), 200),
    Named(
        "POST", f"{KONTOER}/{{kontoId}}/aksepterteAvsendere", "eksternKonto", lambda _, id_: Call({"kontoId": id_}), 400
    ),
    Named(
        *("POST", f"{KONTOER}/{{mottakerKontoId}}/validerMelding", "kontoId"),
        lambda _, id_: Call({"avsenderKontoId": id_, "meldingsType": "en.type"}),
        403,
    ),
    Named(
        *("POST", "/fiks-io/katalog/api/v1/matchendeAdresser", "adresseId"),
        lambda _, id_: Call({"identifikator": [], "meldingType": [], "sikkerhetsnivaer": [], "adresseId": id_}),
        200,
    ),
    Named(
        *(*SEND, "fiks io konto"),
        lambda own, id_: sent(avsenderKontoId=id_, mottakerKontoId=own.ids["fiks io konto"]),
        403,
        Caller.INTEGRATION,
    ),
    Named(
        *(*SEND, "eksternKonto"),
        lambda own, id_: sent(avsenderKontoId=own.ids["fiks io konto"], mottakerKontoId=id_),
        400,
        Caller.INTEGRATION,
    ),
    Named(
        *("POST", "/api/v2/kontoer/{kontoId}/forsendelser/status-sok", "forsendelseId"),
        lambda _, id_: Call({"forsendelseIds": [id_]}),
        200,
        Caller.INTEGRATION,
    ),
    Named(
        *("POST", "/dokumentlager/api/v1/{fiksOrgId}/kontoer/{kontoId}/dokumenter/sok", "korrelasjonsid"),
        lambda _, id_: Call({"korrelasjonsid": id_}),
        200,
    ),
    Named("POST", f"{PROTOKOLL}/konto-sok", "fiksOrgId", lambda _, id_: Call({"filter": {"fiksOrgIder": [id_]}}), 200),
    Named(
        *("POST", f"{PROTOKOLL}/kontoer/{{kontoId}}/system-sok", "fiksOrgId"),
        lambda _, id_: Call({"filter": {"fiksOrgIder": [id_]}}),
        200,
    ),
]


Said = defaultdict[str, list[str]]


@pytest_asyncio.fixture(scope="module")
async def said() -> AsyncIterator[Said]:
    """The types of all events that gateways say and the log acknowledges, by the call that they are said because of."""
    types = Said(list)
    append, append_all = Log.append, Log.append_all

    async def appended(self: Log, event: Any, about: Envelope) -> Any:
        at = await append(self, event, about)
        types[str(about.correlation_id)].append(about.type)
        return at

    async def all_appended(self: Log, events: Iterable[tuple[Any, Envelope]]) -> None:
        events = list(events)
        await append_all(self, events)
        for _, about in events:
            types[str(about.correlation_id)].append(about.type)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "append", appended)
        patch.setattr(Log, "append_all", all_appended)
        yield types


@pytest.mark.parametrize("route", CLOSED, ids=str)
async def test_what_is_another_organisation_s_is_as_what_is_nobody_s(
    both: tuple[Everything, Everything], said: Said, route: Route
) -> None:
    kinds = dict.fromkeys(way.caller for way in route.demand.ways)
    asking = [(*sides, kind, asked) for sides in (both, both[::-1]) for kind in kinds for asked in parts_of(route)]

    async def differing(own: Everything, others: Everything, kind: Caller, asked: tuple[str, ...]) -> list[Any]:
        real = {name: others.named(route.path, name) for name in asked}
        made_up = {name: of_that_shape(id_) for name, id_ in real.items()}
        one, other = await asyncio.gather(*(ask(own, kind, route, ids, said) for ids in (real, made_up)))
        answered = ANSWERED.get((str(route), asked[0])) if len(asked) == 1 else None
        expected = {answered[0]} if answered else REFUSED
        return [(kind.name, asked, one, other)] if one != other or one.status not in expected else []

    assert list(chain(*await asyncio.gather(*(differing(*one) for one in asking)))) == []


@pytest.mark.parametrize("named", NAMED, ids=str)
async def test_the_same_holds_of_ids_that_queries_and_bodies_name(
    both: tuple[Everything, Everything], said: Said, named: Named
) -> None:
    for own, others in (both, both[::-1]):
        of_others = others.named(named.path, named.name)
        real, made_up = [
            await told(own.callers[named.kind], named.method, path_in(named, own), named.call(own, id_), [id_], said)
            for id_ in (of_others, of_that_shape(of_others))
        ]
        assert real == made_up
        assert real.status == named.status, real


def path_in(named: Named, own: Everything) -> str:
    """The address, in which all ids are one's own."""
    names = re.findall(r"{(\w+)}", named.path)
    return named.path.format(**{name: own.named(named.path, name) for name in names})


READ = [
    route for route in CLOSED if route.method == "GET" and "/neste/" not in route.path and "/root/" not in route.path
]


@pytest.mark.parametrize("route", READ, ids=str)
async def test_what_is_one_s_own_is_there_and_nobody_else_has_changed_it(
    both: tuple[Everything, Everything], said: Said, route: Route
) -> None:
    kind = next(one for one in (Caller.MANAGER, Caller.INTEGRATION, Caller.CITIZEN) if route.demand.of(one))
    for own in both:
        answer = await ask(own, kind, route, {}, said)
        assert answer.status == 200, answer


def named_by(route: Route, own: Everything) -> Call:
    """All that the call names beside its address, of one's own."""
    law, ids, pid = {"Lovhjemmel": "Kommuneloven"}, own.ids, own.ids["fnr"]
    orgnr = own.callers[Caller.MANAGER].organisation.orgnr
    match route.path.removeprefix("/autorisasjon-query/api/v1/autorisasjon").removeprefix("/konfigurasjon/api/v1"):
        case "/isAutorisert":
            return Call(params={"aktor": ids["aktor"], "privilegium": "SVARUT.SEND", "ressurs": ids["konto"]})
        case "/autorisasjoner":
            return Call(params={"forelderRessurs": ids["fiksOrgId"]})
        case "/ressurser/oversikt":
            return Call({"ressurser": [ids["konto"]], "privilegium": "SVARUT.SEND", "ressursType": "SVARUT_KONTO"})
        case "/ressurser":
            return Call(params={"type": "SVARUT_KONTO"})
        case "/personer":
            return Call(params={"fnr": pid}, headers=law)
        case "/personer/list":
            return Call({"fnrs": [pid]}, headers=law)
        case "/organisasjoner" if route.method == "POST":
            return Call({"ids": [ids["fiksOrgId"]]})
        case "/audit-sok/api/v1/sok":
            return Call(params={"fiksOrganisasjon": ids["fiksOrgId"], "antall": "100"})
        case "/api/v2/kontoer/{kontoId}/forsendelser/status-sok":
            return Call({"forsendelseIds": [ids["forsendelseId"]]})
        case "/fullmakt/api/v1/hasFullmakt":
            return Call(params={"aktor": orgnr})
        case "/fullmakt/api/v1/hasFullmaktForResources":
            return Call({"aktor": orgnr, "resourceIds": ["en-ressurs"]})
        case "/fullmakt/api/v1/hasFullmaktForAllResources":
            return Call({"onBehalfOf": orgnr, "resourceIds": ["en-ressurs"]})
        case "/fiks-io/katalog/api/v1/matchendeAdresser":
            return Call({"identifikator": [], "meldingType": [], "sikkerhetsnivaer": []})
        case "/fiks-io/katalog/api/v1/lookup":
            return Call(
                params={"identifikator": "ORG_NO.310991007", "meldingProtokoll": "en.protokoll", "sikkerhetsniva": "3"}
            )
        case _:
            return call_of(route, own)


async def shown_to(own: Everything, said: Said, route: Route) -> dict[tuple[str, str], Told]:
    """What the route shows to each kind of caller of ``own``, about what is their own."""
    path = route.path.format(**NAMES | {name: own.named(route.path, name) for name in route.ids})
    kinds = dict.fromkeys(way.caller for way in route.demand.ways)
    call = named_by(route, own)
    return {
        (kind.name, str(route)): await told(own.callers[kind], route.method, path, call, (), said) for kind in kinds
    }


@pytest.mark.parametrize("route", READING, ids=str)
async def test_no_list_search_or_count_holds_an_id_of_another_organisation(
    both: tuple[Everything, Everything], said: Said, route: Route
) -> None:
    for own, others in (both, both[::-1]):
        for (kind, _), answer in (await shown_to(own, said, route)).items():
            assert answer.status == SHOWS_LESS.get((kind, str(route)), (200,))[0]
            told_all = f"{answer.body} {answer.headers}"
            found = {name for name, id_ in secrets_of(others, own).items() if id_ in told_all}
            assert found <= OFFERED.get(str(route), set())


async def test_what_another_organisation_does_changes_nothing_that_one_is_shown(
    both: tuple[Everything, Everything], said: Said
) -> None:
    """Counts hold no ids. That each id is shown to its owner tells that the test above looks for the right ones."""
    own, others = both

    async def all_shown(whose: Everything) -> dict[tuple[str, str], Told]:
        return {key: one for route in READING for key, one in (await shown_to(whose, said, route)).items()}

    rounds = [await all_shown(own)]

    async def is_settled() -> bool:
        rounds.append(await all_shown(own))
        return differing(*rounds[-2:]) == OF_ITSELF.keys()

    await eventually_found(is_settled)
    of_others = await all_shown(others)
    lager = others.callers[Caller.INTEGRATION]
    await everything(lager, lager.organisation, others.ids["fnr"])
    now_of_others, now = await all_shown(others), await all_shown(own)
    assert differing(of_others, now_of_others) >= COUNTED
    assert differing(rounds[-1], now) <= OF_ITSELF.keys()
    shown = " ".join(one.body for one in now.values())
    assert {name for name, id_ in secrets_of(own, others).items() if id_ not in shown} <= {"opplastingId"}


def differing(one: Mapping[tuple[str, str], Told], other: Mapping[tuple[str, str], Told]) -> set[str]:
    """The routes that told one thing and then another."""
    return {key[1] for key, answer in one.items() if other[key] != answer}


def secrets_of(one: Everything, other: Everything) -> dict[str, str]:
    """The ids and numbers that the other shall never see."""
    every = {**one.ids, "administrator": ADMINISTRATORS[one.callers[Caller.MANAGER].organisation].pid}
    return {name: id_ for name, id_ in every.items() if id_ not in other.ids.values()}


def test_which_addresses_with_ids_are_open_to_all() -> None:
    assert {str(route) for route in ROUTES if route not in CLOSED} == OPEN.keys()


async def test_an_account_without_a_key_is_as_one_that_nobody_has(
    both: tuple[Everything, Everything], said: Said
) -> None:
    """The address is open to all, and some accounts are hidden from most."""
    one, other = both
    stranger, hidden = replace(one.callers[Caller.MANAGER], headers={}), other.ids["protokollkonto"]
    without, nobodys = [
        await told(stranger, "GET", f"/fiks-io/katalog/api/v1/kontoer/{id_}/offentligNokkel", Call(), [id_], said)
        for id_ in (hidden, of_that_shape(hidden))
    ]
    assert without == nobodys
    assert without.status == 404


def parts_of(route: Route) -> Iterable[tuple[str, ...]]:
    """Each of the ids in its address, those from each on, and all of them."""
    return dict.fromkeys(chain(((one,) for one in route.ids), (route.ids[at:] for at in range(len(route.ids)))))


def of_that_shape(id_: str) -> str:
    """An id that nobody has."""
    if "-" in id_:
        return str(uuid4())
    if kind_of(id_) is Kind.PERSON:
        return NOBODY
    return id_[:-32] + uuid4().hex  # of an upload, which says first until when it lives


async def ask(own: Everything, kind: Caller, route: Route, asked: Mapping[str, str], said: Said) -> Told:
    """Call as somebody of ``own``, about ``asked``; what else the address names is their own."""
    path = route.path.format(**NAMES | {name: own.named(route.path, name) for name in route.ids} | asked)
    return await told(own.callers[kind], route.method, path, call_of(route, own), asked.values(), said)


async def told(caller: Lager, method: str, path: str, call: Call, ids: Iterable[str], said: Said) -> Told:
    """What the caller learns. What else names the call is left out, and ``ids``, which it was about."""
    call_id = uuid4().hex
    answer = await caller.ask(
        method, path, **call._replace(headers={**call.headers, "X-Request-Id": call_id})._asdict()
    )
    await asyncio.gather(*caller.app[AUDITOR]._behind)

    def masked(text: str) -> str:
        for id_ in ids:
            text = text.replace(id_, "…").replace(masked_text(id_), "…")
        return re.sub(r'"(timestamp|errorId)":("[^"]+"|\d+)', r'"\1":…', text)

    headers = {name.lower(): masked(value) for name, value in answer.headers.items()}
    for name in ("date", "content-length", "x-request-id"):  # the length is that of the body, which is compared
        headers.pop(name, None)
    if "fiks-fresh-as-of" in headers:
        headers["fiks-fresh-as-of"] = "…"
    return Told(answer.status, headers, masked(answer.body.decode()), sorted(said[call_id]))


def call_of(route: Route, own: Everything) -> Call:
    """What the call needs besides its address. It may name an account of one's own."""
    if route.path.endswith("/validerMelding"):
        return Call({"avsenderKontoId": own.ids["fiks io konto"], "meldingsType": "en.type"})
    return CALLS.get(str(route), Call())
