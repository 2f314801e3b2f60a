"""What is described of Dokumentlager is served, and nothing else of it is; and the description is a valid one."""

import json
import re

from aiohttp import web

from gateway.app import add_routes
from gateway.routes.docs import descriptions

DOCUMENT = json.loads(descriptions()["dokumentlager-api-v1.json"])


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path)


def test_what_is_described_is_served_and_the_other_way_round() -> None:
    app = web.Application()
    add_routes(app)
    routes = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
    served = {(method, _nameless(path)) for method, path in routes if path.startswith("/dokumentlager")}

    told = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
    described = {(method, _nameless(path)) for method, path in told}
    described |= {("HEAD", path) for method, path in described if method == "GET"}  # of every route, by the framework
    assert described == served


def test_everything_that_is_referred_to_is_there_and_every_operation_has_a_name_of_its_own() -> None:
    referred = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)))
    assert referred == DOCUMENT["components"]["schemas"].keys()
    names = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
