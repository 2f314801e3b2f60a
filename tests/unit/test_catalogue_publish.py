"""Publishing to a stand-in that keeps the rules of the Confluent Schema Registry API, over real HTTP."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from schemas.commands import schemas
from schemas.publish import Refused, SchemaRegistry, publish
from schemas.registry import released


class StandIn:
    """Subjects, modes and the rules that a real registry has for them."""

    def __init__(self) -> None:
        self.subjects: dict[str, dict[int, dict[str, Any]]] = {}
        self.modes: dict[str, str] = {}
        self.writes: list[tuple[str, str]] = []
        self.authorizations: set[str | None] = set()

    def version(self, subject: str, version: str) -> tuple[int, Any]:
        if subject not in self.subjects:
            return 404, {"error_code": 40401, "message": f"Subject '{subject}' not found."}
        if int(version) not in self.subjects[subject]:
            return 404, {"error_code": 40402, "message": f"Version {version} not found."}
        return 200, self.subjects[subject][int(version)]

    def set_mode(self, subject: str, body: Any) -> tuple[int, Any]:
        self.modes[subject] = body["mode"]
        return 200, body

    def reset_mode(self, subject: str) -> tuple[int, Any]:
        return 200, {"mode": self.modes.pop(subject)}

    def register(self, subject: str, body: Any) -> tuple[int, Any]:
        if self.modes.get(subject) != "IMPORT":
            return 422, {"error_code": 42205, "message": f"Subject {subject} is not in import mode"}
        taken = [held for versions in self.subjects.values() for held in versions.values() if held["id"] == body["id"]]
        if any(held["schema"] != body["schema"] for held in taken):
            return 422, {"error_code": 42207, "message": f"Overwrite new schema with id {body['id']} is not permitted."}
        held = {"subject": subject, "version": body["version"], "id": body["id"], "schema": body["schema"]}
        self.subjects.setdefault(subject, {})[body["version"]] = held
        return 200, {"id": body["id"]}

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if found := re.fullmatch(r"/subjects/([^/]+)/versions/(\d+)", path):
            return self.version(*found.groups())
        if method != "GET":
            self.writes.append((method, path))
        if found := re.fullmatch(r"/mode/([^/?]+)(\?force=true)?", path):
            return self.set_mode(found[1], body) if method == "PUT" else self.reset_mode(found[1])
        if found := re.fullmatch(r"/subjects/([^/]+)/versions", path):
            return self.register(found[1], body)
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}


@pytest.fixture
def registry() -> Iterator[tuple[StandIn, str]]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
            stand_in.authorizations.add(self.headers.get("Authorization"))
            status, answer = stand_in.answer(self.command, self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815  # named by the standard library

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stand_in, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_everything_is_published_under_our_ids(registry: tuple[StandIn, str]) -> None:
    stand_in, url = registry
    published = publish(SchemaRegistry(url), released())
    assert sorted(published, key=lambda one: one.id) == list(released())
    held = {
        (subject, version): (one["id"], json.loads(one["schema"]))
        for subject, versions in stand_in.subjects.items()
        for version, one in versions.items()
    }
    assert held == {(one.subject, one.version): (one.id, one.schema) for one in released()}
    assert stand_in.modes == {}


def test_publishing_again_writes_only_what_is_missing(registry: tuple[StandIn, str]) -> None:
    stand_in, url = registry
    first, *rest = released()
    publish(SchemaRegistry(url), rest)
    assert publish(SchemaRegistry(url), released()) == [first]
    stand_in.writes.clear()
    assert publish(SchemaRegistry(url), released()) == []
    assert stand_in.writes == []


def test_another_schema_under_our_name_or_id_is_refused(registry: tuple[StandIn, str]) -> None:
    stand_in, url = registry
    first = released()[0]
    other = {"subject": first.subject, "version": 1, "id": first.id, "schema": '"string"'}
    stand_in.subjects = {first.subject: {1: other}}
    with pytest.raises(Refused, match="not as ours"):
        publish(SchemaRegistry(url), released())
    stand_in.subjects = {"no.other.Subject": {1: other}}
    with pytest.raises(Refused, match=f"42207.*id {first.id} is not permitted"):
        publish(SchemaRegistry(url), released())
    assert stand_in.modes == {}


def test_the_command_publishes_with_credentials(registry: tuple[StandIn, str]) -> None:
    stand_in, url = registry
    done = CliRunner().invoke(schemas, ["publish", url], env={"FIKS_SCHEMAS_USER": "name:secret"})
    count = len(released())
    assert (done.exit_code, done.output) == (
        0,
        f"{count} of {count} schemas published, the others were there\n",
    )
    assert stand_in.authorizations == {"Basic bmFtZTpzZWNyZXQ="}


def test_an_address_that_is_none_or_answers_nothing_is_an_error() -> None:
    told = {
        "ftp://127.0.0.1/": "no http or https address",
        "http://127.0.0.1:1": "is one running there?",
    }
    for address, advice in told.items():
        done = CliRunner().invoke(schemas, ["publish", address])
        assert (done.exit_code, done.output.startswith("Error: "), address in done.output) == (1, True, True)
        assert advice in done.output
        assert "urlopen" not in done.output


def test_a_registry_that_wants_to_know_who_asks_is_told_how(registry: tuple[StandIn, str]) -> None:
    stand_in, url = registry
    stand_in.answer = lambda *_: (401, {})  # type: ignore[method-assign]
    done = CliRunner().invoke(schemas, ["publish", url])
    assert (done.exit_code, "--user" in done.output) == (1, True)
