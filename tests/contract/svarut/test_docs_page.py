"""The page of the descriptions shows every operation of each of them, at the address where it is served."""

import asyncio
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.routes.docs import descriptions
from tests.support.gateway import Caller
from tests.support.openapi import told

BROWSER = Path(__file__).with_name("docs_page.mjs")


async def test_every_operation_is_shown_with_its_address(caller: Caller) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no Node.js on this machine (`node`), so nobody can run the page's script")
    opened = ("node", BROWSER, caller.url)
    browser = await asyncio.create_subprocess_exec(*opened, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = await browser.communicate()
    assert browser.returncode == 0, errors.decode()

    shown = output.decode().splitlines()

    described = {one for text in descriptions().values() for one in told(text)}
    methods = {method for method, _ in described}
    assert {(method, path) for method, path in pairwise(shown) if method in methods} == described
    assert "undefined" not in output.decode()
