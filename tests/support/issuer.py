"""The test issuers in the test's own process, and keys that are made once a run, since making one is slow."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import NamedTuple

from aiohttp.test_utils import TestServer
from joserfc.jwk import RSAKey

from gateway.issuer.idporten import IdPorten
from gateway.issuer.maskinporten import Maskinporten
from gateway.issuer.serving import make_app
from tests.support.ports import free_port

NO_IDPORTEN = "http://127.0.0.1:1/idporten"
"""The name of an issuer that never answers."""


class Issuers(NamedTuple):
    """Both, at the addresses that are their names."""

    maskinporten: Maskinporten
    idporten: IdPorten


@cache
def rsa_key(number: int = 1) -> RSAKey:
    """A key pair with an id of its own; the same number gives the same one."""
    return RSAKey.generate_key(2048, auto_kid=True)


@asynccontextmanager
async def running_issuers(clock: Callable[[], float] = time.time, port: int | None = None) -> AsyncIterator[Issuers]:
    """Issuers that answer. Maskinporten signs with ``rsa_key()``, ID-porten with ``rsa_key(5)``."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}/"
    both = Issuers(Maskinporten(address, rsa_key(), clock), IdPorten(f"{address}idporten", rsa_key(5), clock))
    async with TestServer(make_app(*both), host="127.0.0.1", port=port):
        yield both


@asynccontextmanager
async def running_issuer(
    clock: Callable[[], float] = time.time, port: int | None = None
) -> AsyncIterator[Maskinporten]:
    """Maskinporten alone, as far as the test can tell."""
    async with running_issuers(clock, port) as both:
        yield both.maskinporten
