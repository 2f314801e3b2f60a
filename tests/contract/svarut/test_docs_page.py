"""The page of the descriptions shows every operation of each of them, at the address where it is served."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest

from gateway.routes.docs import PAGE, descriptions
from tests.support.gateway import Caller
from tests.support.openapi import told

BROWSER = Path(__file__).with_name("docs_page.mjs")


async def shown(caller: Caller) -> list[str]:
    """The lines of the page."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node.js on this machine (`node`), so nobody can run the page's script")
    opened = ("node", BROWSER, caller.url)
    browser = await asyncio.create_subprocess_exec(*opened, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await browser.communicate()
    assert browser.returncode == 0, errors.decode()
    assert "undefined" not in output.decode()
    return output.decode().splitlines()


def of_each_operation(lines: list[str], described: set[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """The lines of each operation up to its answers, by its method and address."""
    starts = [number for number, two in enumerate(pairwise(lines)) if two in described]
    return {
        (lines[start], lines[start + 1]): list(takewhile(lambda line: not line.startswith("Svar: "), lines[start:]))
        for start in starts
    }


def referred(schema: Any, schemas: dict[str, Any]) -> Any:
    """What the schema refers to, or the schema itself."""
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


async def test_every_operation_is_shown_with_its_address(caller: Caller) -> None:
    lines = await shown(caller)

    described = {one for text in descriptions().values() for one in told(text)}
    methods = {method for method, _ in described}
    assert {(method, path) for method, path in pairwise(lines) if method in methods} == described


async def test_what_a_call_holds_is_shown_with_every_field(caller: Caller) -> None:
    lines = of_each_operation(await shown(caller), {one for text in descriptions().values() for one in told(text)})

    for document in map(json.loads, descriptions().values()):
        base = document.get("servers", [{"url": ""}])[0]["url"].rstrip("/")
        for path, method, body in bodies(document):
            of = lines[method.upper(), base + path]
            for kind, one in body["content"].items():
                assert kind in of
                schema = referred(one["schema"], document["components"]["schemas"])
                parts = {name: referred(part, document["components"]["schemas"]) for name, part in properties(schema)}
                assert parts.keys() <= set(of)
                assert {name for part in parts.values() for name, _ in properties(part)} <= set(of)
    sending = lines["POST", "/api/v2/kontoer/{kontoId}/forsendelser"]
    assert {"Innhold (påkrevd):", "multipart/form-data", "Forsendelse; påkrevd; application/json"} <= set(sending)
    assert {"string, binary", "string; maxLength 1000; påkrevd", "mimeType"} <= set(sending)  # documents, tittel


def bodies(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Path, method and body of what has one."""
    for path, ways in document["paths"].items():
        yield from ((path, method, of["requestBody"]) for method, of in ways.items() if "requestBody" in of)


def properties(schema: Any) -> Iterable[tuple[str, Any]]:
    return schema.get("properties", {}).items()


async def test_the_page_is_where_it_is_looked_for_and_nothing_redirects(caller: Caller) -> None:
    pages = []
    for path in ("/docs", "/docs/", "/"):
        async with caller.session.get(caller.url + path, allow_redirects=False) as answer:
            pages.append((answer.status, answer.content_type, await answer.text()))
    assert pages == [(200, "text/html", PAGE.read_text())] * 3
