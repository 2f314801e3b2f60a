"""A test issuer in the test's own process, and keys that are made once a run, since making one is slow."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from aiohttp.test_utils import TestServer
from joserfc.jwk import RSAKey

from gateway.issuer import Issuer, make_app
from infra.local.ports import free_port


@cache
def rsa_key(number: int = 1) -> RSAKey:
    """A key pair with an id of its own; the same number gives the same one."""
    return RSAKey.generate_key(2048, auto_kid=True)


@asynccontextmanager
async def running_issuer(clock: Callable[[], float] = time.time, port: int | None = None) -> AsyncIterator[Issuer]:
    """An issuer that answers at the address that is its name."""
    port = port or free_port()
    issuer = Issuer(f"http://127.0.0.1:{port}/", rsa_key(), clock)
    async with TestServer(make_app(issuer), host="127.0.0.1", port=port):
        yield issuer
