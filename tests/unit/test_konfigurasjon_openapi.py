"""What the contract has of configuration, authorisation and Fullmakt is served, and nothing else of theirs is."""

import json
import re
from pathlib import Path

import pytest
from aiohttp import web

from gateway.app import add_routes
from gateway.auth.demands import demand_of
from gateway.auth.middleware import LOVHJEMMEL
from gateway.routes.docs import descriptions


def served(prefixes: set[str]) -> set[tuple[str, str]]:
    app = web.Application()
    add_routes(app)
    routes = ((route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD")
    return {(method, _nameless(path)) for method, path in routes if path.split("/")[1] in prefixes}


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path)


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("konfigurasjon", {"konfigurasjon"}),
        ("autorisasjon", {"autorisasjon-query", "autorisasjon-update"}),
        ("audit-sok", {"audit-sok"}),
    ],
)
def test_what_is_described_is_served_and_the_other_way_round(name: str, prefixes: set[str]) -> None:
    paths = json.loads(descriptions()[f"{name}-api-v1.json"])["paths"]
    described = {(method.upper(), _nameless(path)) for path, methods in paths.items() for method in methods}
    assert described == served(prefixes)


def test_the_header_for_the_legal_basis_is_described_exactly_where_it_is_demanded() -> None:
    app = web.Application()
    add_routes(app)
    demanding = {
        (route.method, _nameless(route.resource.canonical))
        for route in app.router.routes()
        if route.method != "HEAD" and any(way.legal_basis for way in demand_of(route.handler).ways)
    }
    described = {
        (method.upper(), _nameless(path))
        for text in descriptions().values()
        for path, methods in json.loads(text)["paths"].items()
        for method, operation in methods.items()
        if any(one.get("name") == LOVHJEMMEL for one in operation.get("parameters", ()))
    }
    assert demanding == described != set()


OPERATIONS = Path(__file__).parent.parent / "support" / "auth_operations.txt"
NOT_SERVED = {
    "POST /audit-index/api/v1/index": "it claims in an address what others did; our services say events",
}
"""Operations of the contract that are not served, and why."""


def test_every_operation_of_the_contract_is_served_and_no_other() -> None:
    of_contract = {line for line in OPERATIONS.read_text().splitlines() if not line.startswith("#")}
    prefixes = {line.split("/")[1] for line in of_contract}
    nameless = {tuple(_nameless(line).split(" ")) for line in of_contract - NOT_SERVED.keys()}
    assert served(prefixes) == nameless
    assert of_contract >= NOT_SERVED.keys()
