"""Every route x every kind of caller x every fault: exactly the one without a fault is let in. Routes are found.

The real routes stand behind the real door, with tokens of issuers that really answer. What a handler does once its
caller is let in is not tried here: only that it is reached, or, where it finds the resource itself, that it asks.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.app import add_routes
from gateway.auth.callers import PERSONS
from gateway.auth.claims import ACR
from gateway.auth.demands import (
    RESOURCES,
    Caller,
    Demand,
    Way,
    citizen,
    demand_of,
    for_organisation,
    integration,
    manager,
    open_to_all,
)
from gateway.auth.middleware import DEMANDED, demand_on
from gateway.auth.principal import PRINCIPAL
from gateway.context import READS
from gateway.issuer.maskinporten import party
from gateway.routes import Routes
from schemas.konfigurasjon import ROOT, KontoOpprettet
from streams.domain.errors import NotAllowed, NotFound
from tests.support.door import (
    ACR_BELOW,
    COMPANY,
    INTEGRASJON,
    NAMED,
    NOT_OFFERED,
    OTHER_VENDOR,
    OTHERS,
    OURS,
    PID,
    Door,
    door,
    shown,
)
from tests.support.issuer import rsa_key, running_issuers

LET_IN = 204
REACHED = web.AppKey("reached", list)
PATH_VALUES = dict.fromkeys((*RESOURCES, "orgId"), str(OURS)) | {
    "integrasjonId": str(NOT_OFFERED),
    "tjenesteKode": "SVARUT",
}
SPANNING = ("/root/", "/typeTilganger", "/dokumentlager-stats/api/v1/stats")
"""What the addresses have in common that are about no single organisation."""
A_KONTO = KontoOpprettet(fiks_org_id=OTHERS, konto_id=UUID(int=0xC), tjeneste="FIKS_IO", navn="Noe")
"""What names in addresses mean that are no resource's: an account, for those who ask for one."""
BODY = {"fiksOrganisasjonUuid": str(OURS), "autorisertOrgnr": COMPANY, "forelderRessurs": str(OURS)} | {
    "navn": "Noe",
    "type": "KOMMUNE",
    "intern": False,
    "konto": {"fiksOrgId": str(OURS), "navn": "Noe"},
    "avsenderKontoId": str(OURS),
    "meldingsType": "no.ks.noe",
}
"""What names the resource where the address does not."""
SENT = {"avsenderKontoId": str(OURS), "mottakerKontoId": str(OURS), "meldingType": "ping"}
FORMS = {"/fiks-io/api/v1/send": {"metadata": json.dumps(SENT)}}
"""The same, of the addresses to which forms are sent."""
QUERIES = {"/audit-sok/api/v1/sok": f"?fiksOrganisasjon={OURS}"}
"""The same, where the query names it."""
KINDS = [kind for kind in Caller if kind is not Caller.ANYONE]

samples = Routes()
"""One route for each kind of demand, since the product does not have all of them."""


async def _late(request: web.Request) -> web.Response:
    await demand_on(request, OURS)
    return web.Response()


def _sample(name: str, demand: Demand) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    samples.post(f"/sample/{name}/{{fiksOrgId}}", demands=demand)(handler)


_sample("citizen3", citizen(niva=3))
_sample("citizen4", citizen(niva=4))
_sample("organisation", for_organisation(niva=3))
_sample("manager", manager("ADMIN"))
_sample("any-manager", manager())
_sample("integration", integration("X"))
_sample("any-integration", integration())
_sample("citizen3-through-integration", integration("X") & citizen(niva=3))
_sample("citizen4-through-integration", integration("X") & citizen(niva=4))
_sample("citizen-through-any-integration", integration() & citizen())
_sample("legal-basis-through-integration", integration("X") & citizen(legal_basis=True))
_sample("manager-through-integration", integration("X") & manager("ADMIN"))
_sample("any-manager-through-integration", integration() & manager())
_sample("manager-or-integration", manager("ADMIN") | integration("FIKS.KONFIGURER"))
_sample("either-privilege", integration("X") | integration("Y"))
_sample("citizen-or-organisation", citizen(niva=3) | for_organisation(niva=4))
_sample("legal-basis", manager("ADMIN", legal_basis=True) | integration("X", legal_basis=True))
_sample("all", citizen() | for_organisation() | integration("X") | integration("X") & citizen())
samples.get("/sample/late", demands=manager("ADMIN") | integration("X"))(_late)


def all_routes() -> Iterator[tuple[str, str, Demand]]:
    """Method, path and demand of every route of the gateway, and of the samples."""
    app = web.Application()
    add_routes(app)
    samples.add_to(app)
    for route in app.router.routes():
        if route.method == "HEAD":  # the handler of GET
            continue
        assert route.resource is not None
        names = route.resource.get_info().get("pattern")
        values = {name: PATH_VALUES.get(name, str(A_KONTO.konto_id)) for name in (names.groupindex if names else ())}
        demand = demand_of(route.handler)
        assert demand is not None, f"{route.method} {route.resource} says nothing about who may call"
        method = "GET" if route.method == "*" else route.method
        yield method, str(route.resource.url_for(**values)) if names else route.resource.canonical, demand


ROUTES = list(all_routes())
CLOSED = [route for route in ROUTES if route[2] != open_to_all]


class OwnedReads:
    """Says of everything that the resource which the calls are about owns it."""

    async def konto_of(self, _: UUID) -> UUID:
        return OURS


@web.middleware
async def reached(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Stands in for the handler, except where only the handler knows what resource it is about."""
    demand, principal = demand_of(request.match_info.handler), request.get(PRINCIPAL)
    asks = demand and principal and any(way.privilege for way in demand.of(principal.caller))
    if asks and not any(name in request.match_info for name in RESOURCES):
        try:
            await handler(request)
        except (NotAllowed, NotFound):
            raise
        except Exception:
            if not request.get(DEMANDED):  # behind the demand a handler may fail for want of a log
                raise
    request.app[REACHED].append(principal)
    return web.Response(status=LET_IN)


@pytest_asyncio.fixture(scope="module")
async def shut() -> AsyncIterator[Door]:
    async with running_issuers() as issuers, door(issuers, reached) as made:
        made.app[REACHED], made.app[READS] = [], OwnedReads()  # type: ignore[misc]
        made.known.meet(A_KONTO)
        add_routes(made.app)
        samples.add_to(made.app)
        async with made.server:
            yield made


@dataclass(frozen=True)
class Call:
    """A call that shows all that a kind of caller has to show, but for one fault."""

    door: Door
    way: Way
    about: UUID = OURS

    @property
    def is_machine(self) -> bool:
        return self.way.caller is Caller.INTEGRATION

    @property
    def through_integration(self) -> bool:
        return self.way.caller in (Caller.INTEGRATION, Caller.INTEGRATION_PERSON)

    def token(self, **changes: object) -> str:
        if self.is_machine:
            return self.door.machine(**changes)
        return self.door.person(**({"acr": ACR[self.way.niva or 3]} | changes))

    def headers(self, token: str | None = None) -> dict[str, str]:
        named = {"OnBehalfOf": COMPANY} if self.way.caller is Caller.FOR_ORGANISATION else {}
        if self.way.legal_basis:
            named["Lovhjemmel"] = "Sosialtjenesteloven § 43"
        return shown(token or self.token(), integration=self.through_integration, **named)

    def give(self, resource: UUID | None = None, orgnr: str = COMPANY) -> None:
        """Nothing but this right, on what the call is about or on another resource."""
        self.take()
        for holder, privilege in self.demanded:
            self.door.known.give(holder, privilege, self.about if resource is None else resource)
        if self.way.caller is Caller.FOR_ORGANISATION:
            self.door.powers.held.add((PID, orgnr))

    def give_instead(self, *rights: tuple[str, str]) -> None:
        """Nothing but these, on what the call is about."""
        self.take()
        for holder, privilege in rights:
            self.door.known.give(holder, privilege, self.about)

    @property
    def holder(self) -> str:
        """Whose privilege the way demands."""
        return f"integrasjon:{INTEGRASJON.id}" if self.through_integration else NAMED.actor(PID)

    @property
    def demanded(self) -> list[tuple[str, str]]:
        """Who must hold which privileges."""
        both = ((self.holder, self.way.privilege), (NAMED.actor(PID), self.way.own))
        return [(holder, privilege) for holder, privilege in both if privilege]

    def take(self) -> None:
        """Revoke whatever was given."""
        for right in self.door.known.rights:
            self.door.known.take(*right)
        self.door.powers.held.clear()

    @property
    def needs_right(self) -> bool:
        return self.way.privilege is not None or self.way.caller is Caller.FOR_ORGANISATION


def no_right(call: Call) -> dict[str, str]:
    call.take()
    return call.headers()


def revoked_right(call: Call) -> dict[str, str]:
    """What was granted, and held a moment ago, was revoked."""
    call.give()
    assert all(call.door.known.may(*right, call.about) for right in call.demanded)
    call.take()
    return call.headers()


def another_privilege(call: Call) -> dict[str, str]:
    call.give_instead(*((holder, "ANNET") for holder, _ in call.demanded))
    return call.headers()


def right_of_another_integration(call: Call) -> dict[str, str]:
    """Of the same vendor, in the same organisation (trap 9)."""
    own = {call.holder: f"integrasjon:{NOT_OFFERED}"}
    call.give_instead(*((own.get(holder, holder), privilege) for holder, privilege in call.demanded))
    return call.headers()


def no_right_of_its_own(call: Call) -> dict[str, str]:
    """The right of the person alone."""
    call.give_instead(*(right for right in call.demanded if right[0] != call.holder))
    return call.headers()


def no_right_of_the_person(call: Call) -> dict[str, str]:
    """The right of the integration alone."""
    call.give_instead(*(right for right in call.demanded if right[0] == call.holder))
    return call.headers()


def rights_that_are_swapped(call: Call) -> dict[str, str]:
    """Each holds what the other should."""
    (one, its), (other, theirs) = call.demanded
    call.give_instead((one, theirs), (other, its))
    return call.headers()


def other_organisations_right(call: Call) -> dict[str, str]:
    """It is held there, and counts there."""
    call.give(OTHERS, OTHER_VENDOR)
    assert all(call.door.known.may(*right, OTHERS) for right in call.demanded)
    return call.headers()


def expired(call: Call) -> dict[str, str]:
    return call.headers(call.token(iat=int(time.time()) - 500, exp=int(time.time()) - 100))


def unknown_issuer(call: Call) -> dict[str, str]:
    return call.headers(call.token(iss="https://idporten.no" if call.is_machine else "https://maskinporten.no/"))


def issuer_of_the_other_kind(call: Call) -> dict[str, str]:
    """All claims of both, truly signed by the issuer that vouches for the other kind (trap 4)."""
    if call.is_machine:
        return call.headers(call.door.person(scope="ks:fiks"))
    return call.headers(call.door.machine(pid=PID, acr=ACR[4], scope="openid ks:fiks"))


def signed_by_the_other_issuer(call: Call) -> dict[str, str]:
    issuers = call.door.issuers
    name, other = issuers.maskinporten.name, issuers.idporten
    if call.is_machine:
        return call.headers(call.door.person(iss=name))
    assert other.jwks() != issuers.maskinporten.jwks()
    return call.headers(call.door.machine(iss=other.name, pid=PID, acr=ACR[4]))


def wrong_scope(call: Call) -> dict[str, str]:
    return call.headers(call.token(scope="openid ks:fiksoom"))


def wrong_level(call: Call) -> dict[str, str]:
    return call.headers(call.token(acr=ACR_BELOW[call.way.niva or 3]))


def no_token(call: Call) -> dict[str, str]:
    return {name: value for name, value in call.headers().items() if name != "Authorization"}


def opaque_token(call: Call) -> dict[str, str]:
    return call.headers("k3Jd-0pak-token")


def id_token(call: Call) -> dict[str, str]:
    return call.headers(call.token(at_hash="x", nonce="y"))


def no_legal_basis(call: Call) -> dict[str, str]:
    return call.headers() | {"Lovhjemmel": " "}


def no_password(call: Call) -> dict[str, str]:
    """Another factor than the vendor's key (trap 8)."""
    return {name: value for name, value in call.headers().items() if name != "IntegrasjonPassord"}


def wrong_password(call: Call) -> dict[str, str]:
    return call.headers() | {"IntegrasjonPassord": "feil"}


def other_consumer(call: Call) -> dict[str, str]:
    return call.headers(call.token(consumer=party(OTHER_VENDOR), supplier=party(INTEGRASJON.autorisert_orgnr)))


Fault = Callable[[Call], dict[str, str]]
NOT_PROVED = (expired, unknown_issuer, signed_by_the_other_issuer, wrong_scope, no_token, opaque_token, id_token)
HIDING = {
    *(f"/konfigurasjon/api/v1/integrasjoner/{NOT_OFFERED}{what}" for what in ("", "/lagPassord")),
    *(f"/api/v2/forsendelser/{A_KONTO.konto_id}/{what}" for what in ("hendelser", "lest")),
}
"""Where what somebody holds no right on is answered as what is not there, by 404: its id is all that the call names."""
OF_RIGHTS = (no_right, revoked_right, another_privilege, other_organisations_right, right_of_another_integration)
OF_TWO = (no_right_of_its_own, no_right_of_the_person, rights_that_are_swapped)
ANSWERS: dict[Fault, int] = {
    **dict.fromkeys((*NOT_PROVED, no_password, wrong_password, other_consumer), 401),
    **dict.fromkeys((*OF_RIGHTS, *OF_TWO, wrong_level), 403),
    no_legal_basis: 400,
}
"""What is answered to a call with that fault (auth.md 7). A call that does not name the law is incomplete."""


def faults_of(call: Call) -> list[Fault]:
    """What can be wrong with that kind of call."""
    faults: list[Fault] = [expired, unknown_issuer, issuer_of_the_other_kind, signed_by_the_other_issuer]
    faults += [wrong_scope, no_token, opaque_token]
    if call.needs_right:
        faults += [no_right, revoked_right, another_privilege, other_organisations_right]
    if call.way.own:
        faults += [no_right_of_its_own, no_right_of_the_person]
    if call.way.own != call.way.privilege and call.way.own:
        faults += [rights_that_are_swapped]
    if not call.is_machine:
        faults += [wrong_level, id_token]
    if call.way.legal_basis:
        faults += [no_legal_basis]
    if call.through_integration:
        faults += [no_password, wrong_password, other_consumer]
    if call.through_integration and call.way.privilege:
        faults += [right_of_another_integration]
    return faults


def ways_into(demand: Demand) -> list[Way]:
    """The ways in, and for each kind of caller that has none, one that would lead in if it were offered."""
    missing = [kind for kind in KINDS if not demand.of(kind)]
    if demand.of(Caller.CITIZEN) or demand.of(Caller.MANAGER):
        missing = [kind for kind in missing if kind not in (Caller.CITIZEN, Caller.MANAGER)]  # they show the same
    privilege = next((way.privilege for way in demand.ways if way.privilege), None)
    return [*demand.ways, *(Way(kind, privilege, 4) for kind in missing)]


def test_there_are_routes_and_every_kind_of_caller_has_one() -> None:
    assert {way.caller for _, _, demand in ROUTES for way in demand.ways} == set(Caller)
    assert any(path.startswith("/api/v2/kontoer/") for _, path, _ in CLOSED)


@pytest.mark.parametrize(("method", "path", "demand"), CLOSED, ids=[f"{method} {path}" for method, path, _ in CLOSED])
async def test_exactly_who_has_no_fault_is_let_in(shut: Door, method: str, path: str, demand: Demand) -> None:
    about = ROOT if any(one in path for one in SPANNING) else OURS
    for way in ways_into(demand):
        call, offered = Call(shut, way, about), way in demand.ways
        call.give()
        answer = LET_IN if offered else answer_to_kind(way.caller, demand)
        assert await _status(shut, method, path, call.headers()) == answer, f"{way} without a fault"
        for fault in faults_of(call) if offered else ():
            call.give()
            hides = path in HIDING and fault in OF_RIGHTS
            answer = 404 if hides else answer_to_fault(fault, call, demand)
            assert await _status(shut, method, path, fault(call)) == answer, f"{way} with {fault.__name__}"


def answer_to_fault(fault: Fault, call: Call, demand: Demand) -> int:
    """The status that a call with that fault must have."""
    if fault is not issuer_of_the_other_kind:
        return ANSWERS[fault]
    shown = call.way.caller if call.through_integration else None
    other = {Caller.INTEGRATION: Caller.INTEGRATION_PERSON, Caller.INTEGRATION_PERSON: Caller.INTEGRATION}.get(shown)
    if other is None:  # a machine that shows no integration
        return 401
    if not (ways := demand.of(other)):
        return answer_to_kind(other, demand)
    held = {privilege for holder, privilege in call.demanded if holder == call.holder}
    return LET_IN if any(way.privilege in {None, *held} and way.own is None for way in ways) else 403


def answer_to_kind(kind: Caller, demand: Demand) -> int:
    """Of a kind of caller whom the route does not let in, with nothing else wrong."""
    persons = {way.caller for way in demand.ways} & PERSONS
    if kind is Caller.INTEGRATION or not persons:
        return 401
    if kind in (Caller.CITIZEN, Caller.MANAGER):  # who says no more is taken for who is let in, and has to say more
        return 401 if persons == {Caller.INTEGRATION_PERSON} else 400
    return 403


async def _status(shut: Door, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of the answer."""
    before = len(shut.app[REACHED])
    form = FORMS.get(path)
    said = None if method == "GET" or form else BODY
    status, body = await shut.knock(method, path + QUERIES.get(path, ""), headers, said, form)
    came_in = len(shut.app[REACHED]) > before
    assert came_in is (status == LET_IN)
    assert PID not in str(body)
    return status


@pytest.mark.parametrize(
    ("method", "path"), [route[:2] for route in ROUTES if route[2] == open_to_all], ids=lambda value: value
)
async def test_what_is_open_is_open_to_who_shows_nothing(shut: Door, method: str, path: str) -> None:
    assert await _status(shut, method, path, {}) == LET_IN


def test_managers_log_in_at_level_4_everywhere_also_through_an_integration() -> None:
    through = [way for route in ROUTES for way in route[2].of(Caller.INTEGRATION_PERSON) if way.own]
    assert {way.niva for route in ROUTES for way in route[2].of(Caller.MANAGER)} == {4}
    assert {way.niva for way in through} == {4}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (integration("X"), manager()),
        (integration(), manager("X")),
        (manager("X"), integration("X")),
        (citizen(), integration("X")),
        (integration("X"), for_organisation()),
        (integration("X"), open_to_all),
        (integration("X") | manager("X"), manager("X")),
    ],
    ids=str,
)
def test_what_cannot_be_demanded_together(one: Demand, other: Demand) -> None:
    with pytest.raises(ValueError):
        one & other


IN_FIKS_IO = ("/fiks-io/", "/fiks-protokoll/")
OUR_OWN = "/fiks-io/sporing/"
"""The ledger, which no contract has."""


def test_in_fiks_io_a_login_may_take_the_place_of_a_machines_token_wherever_a_machine_may_call() -> None:
    """fiks-io.md 1.2: all calls but that of a key show an integration; then the person's own rights decide too."""
    demands = {(method, path): demand for method, path, demand in CLOSED if path.startswith(IN_FIKS_IO)}
    both, persons = [], []
    for (method, path), demand in demands.items():
        if path.startswith(OUR_OWN):
            continue
        (both if demand.of(Caller.INTEGRATION) else persons).append(f"{method} {path}")
        [manager_way] = demand.of(Caller.MANAGER)
        machine, through = demand.of(Caller.INTEGRATION), demand.of(Caller.INTEGRATION_PERSON)
        assert len(machine) == len(through)
        for alone, together in zip(machine, through, strict=True):
            assert (together.privilege, together.own) == (alone.privilege, manager_way.privilege), path
        assert not demand.of(Caller.CITIZEN) and not demand.of(Caller.FOR_ORGANISATION)
    konto, system = f"/fiks-io/konto/api/v1/kontoer/{OURS}", f"/fiks-protokoll/api/v1/konfigurasjon/{OURS}/systemer"
    root = f"/fiks-io/root/api/v1/kontoer/{A_KONTO.konto_id}/queue"
    assert len(both) > 50
    assert sorted(persons) == sorted(
        [
            *("POST /fiks-io/konto/api/v1/kontoer", f"DELETE {konto}", f"PUT {konto}", f"PUT {konto}/kontoNavn"),
            *("GET /fiks-io/root/api/v1/kontoer", f"GET {root}", f"PUT {root}"),
            *(f"POST {system}", f"DELETE {system}/{OURS}"),
            *(f"PUT {system}/{OURS}/{what}" for what in ("integrasjon-privilegium", "orgnummer")),
        ]
    )


def test_every_get_that_changes_nothing_answers_head_by_the_same_handler() -> None:
    app = web.Application()
    add_routes(app)
    handlers = {method: {} for method in ("GET", "HEAD")}
    for route in app.router.routes():
        if route.method in handlers:
            handlers[route.method][route.resource] = route.handler
    changing = {resource for resource in handlers["GET"] if "/meldinger/neste/" in resource.canonical}
    assert len(changing) == 4
    assert {one: of for one, of in handlers["GET"].items() if one not in changing} == handlers["HEAD"]


def test_the_issuers_of_the_matrix_have_keys_of_their_own() -> None:
    assert rsa_key().kid != rsa_key(5).kid
