"""What is described of Fiks Protokoll is served, and nothing else of it is."""

import json
import re

import pytest
from aiohttp import web

from gateway.app import add_routes
from gateway.auth.demands import Caller, demand_of
from gateway.routes.docs import descriptions

NAMES = ("konfigurasjon", "konfigurasjon-kun-person", "katalog")


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path)


def _described(name: str) -> set[tuple[str, str]]:
    paths = json.loads(descriptions()[f"fiks-protokoll-{name}-api-v1.json"])["paths"]
    return {(method.upper(), _nameless(path)) for path, methods in paths.items() for method in methods}


def test_what_is_described_is_served_and_the_other_way_round_by_machines_but_for_what_is_for_persons_alone() -> None:
    app = web.Application()
    add_routes(app)
    served = {
        (route.method, _nameless(route.resource.canonical)): bool(demand_of(route.handler).of(Caller.INTEGRATION))
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource.canonical.startswith("/fiks-protokoll/")
    }
    for_persons = _described("konfigurasjon-kun-person")
    assert served == {
        call: call not in for_persons for call in _described("konfigurasjon") | for_persons | _described("katalog")
    }


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_referred_to_is_there_and_every_operation_has_a_name_of_its_own(name: str) -> None:
    document = json.loads(descriptions()[f"fiks-protokoll-{name}-api-v1.json"])
    referred = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert referred == document["components"]["schemas"].keys()
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
