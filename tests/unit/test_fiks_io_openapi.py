"""What is described of Fiks IO is served, and nothing else of it is."""

import json
import re

import pytest
from aiohttp import web

from gateway.app import add_routes
from gateway.auth.demands import demand_of, open_to_all
from gateway.routes.docs import descriptions

OF = ("send", "manuell", "konto", "katalog", "root", "meldingsprotokollkatalog", "sporing")


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path)


@pytest.mark.parametrize("name", OF)
def test_what_is_described_is_served_and_the_other_way_round(name: str) -> None:
    app = web.Application()
    add_routes(app)
    routes = [(route.method, route.resource.canonical, route.handler) for route in app.router.routes()]
    base = "/fiks-io/api/" if name == "send" else f"/fiks-io/{name}/"
    own = [one for one in routes if one[1].startswith(base) and one[0] != "HEAD"]
    paths = json.loads(descriptions()[f"fiks-io-{name}-api-v1.json"])["paths"]
    described = {(method.upper(), _nameless(path)): of for path, ms in paths.items() for method, of in ms.items()}

    assert described.keys() == {(method, _nameless(path)) for method, path, _ in own}
    for method, path, handler in own:
        is_open = described[method, _nameless(path)].get("security") == []
        assert is_open is (demand_of(handler) == open_to_all), path


@pytest.mark.parametrize("name", OF)
def test_everything_that_is_referred_to_is_there_and_every_operation_has_a_name_of_its_own(name: str) -> None:
    document = json.loads(descriptions()[f"fiks-io-{name}-api-v1.json"])
    referred = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert referred == document["components"]["schemas"].keys()
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
