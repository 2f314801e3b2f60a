"""A gateway that does not hear from the log lets nobody in any more once what it knows is too old, and then all again.

Two gateways on a broker that is stopped: what one knows may be old, what the other knows is too old at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.app import make_app
from gateway.auth.memory import MEMORY
from gateway.auth.tokens import TOKENS
from tests.support.eventually import eventually, eventually_found
from tests.support.gateway import Caller, running_gateway, served
from tests.support.ports import free_port
from tests.support.stack import OwnKafka

SOON = 3.0
"""Seconds: longer than the broker keeps a fetch that brings nothing."""


def answers(caller: Caller, path: str, status: int, port: int) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        async with caller.session.get(f"http://127.0.0.1:{port}{path}", headers=caller.headers) as answer:
            return answer.status == status

    return is_so


async def test_a_memory_that_is_too_old_lets_nobody_in_until_it_hears_from_the_log_again(
    own_kafka: OwnKafka, tmp_path: Path
) -> None:
    """By a call that needs nothing but the memory."""
    path = "/konfigurasjon/api/v1/integrasjoner/autentisering"
    async with running_gateway(own_kafka.bootstrap, tmp_path) as caller:
        port = caller.settings.gateway_port
        hasty = caller.settings.model_copy(update={"gateway_port": free_port(), "memory_lifetime": SOON})
        app = make_app(hasty)
        async with served(app, hasty.gateway_port):
            await eventually(lambda: app[MEMORY].ready and app[TOKENS].ready)
            for one in (port, hasty.gateway_port):
                await eventually_found(answers(caller, path, 200, one))
            await own_kafka.kill()
            await eventually_found(answers(caller, path, 503, hasty.gateway_port))
            assert await answers(caller, path, 200, port)(), "that of the other is not too old"
            for open_to_all, status in (("/healthz", 200), ("/readyz", 503)):
                assert await answers(caller, open_to_all, status, hasty.gateway_port)()
            await own_kafka.start()
            await eventually_found(answers(caller, path, 200, hasty.gateway_port))
