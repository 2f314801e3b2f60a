"""What is described of SvarUt is served, and nothing else of it is."""

from aiohttp import web

from gateway.app import add_routes
from gateway.routes.docs import descriptions
from tests.support.openapi import told


def test_what_is_described_is_served_and_the_other_way_round() -> None:
    app = web.Application()
    add_routes(app)
    routes = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
    of = ("/api/v2/", "/forsendelse/")
    served = {
        (method, path)
        for method, path in routes
        if path.startswith(of) and method != "HEAD" and not path.endswith("/")  # both of routes, by the framework
    }
    assert served == {one for name, text in descriptions().items() if name.startswith("svarut-") for one in told(text)}
