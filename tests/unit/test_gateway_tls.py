"""Where a gateway serves, and with what certificate, as the settings say."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.app import ports_of, runner_of
from gateway.tls import tls_of
from infra.local.certificates import Tls, local_tls
from infra.settings import Settings, WrongSetting


@pytest_asyncio.fixture
async def runner() -> AsyncIterator[web.AppRunner]:
    made = runner_of(web.Application())
    await made.setup()
    yield made
    await made.cleanup()


@pytest.fixture
def files(tmp_path: Path) -> Tls:
    return local_tls(tmp_path)


async def test_without_a_certificate_there_is_one_port(runner: web.AppRunner) -> None:
    settings = Settings(gateway_port=81, amqp_port=83)
    assert tls_of(settings) is None
    [plain] = ports_of(runner, settings, None)
    assert (plain.number, plain.expects_calls) == (81, False)


async def test_with_one_there_are_two_of_which_the_plain_one_opens_last(runner: web.AppRunner, files: Tls) -> None:
    settings = Settings(gateway_port=81, gateway_tls_port=82, tls_certificate=files.certificate, tls_key=files.key)
    context = tls_of(settings)
    assert isinstance(context, ssl.SSLContext)
    ports = ports_of(runner, settings, context)
    assert [(one.number, one.expects_calls) for one in ports] == [(82, True), (81, False)]


def test_a_certificate_that_no_port_wants_is_not_read(tmp_path: Path) -> None:
    assert tls_of(Settings(tls_certificate=tmp_path / "none.pem", tls_key=tmp_path / "none.key")) is None


@pytest.mark.parametrize(
    ("certificate", "key", "says"),
    [
        (None, None, "FIKS_GATEWAY_TLS_PORT is set and FIKS_TLS_CERTIFICATE is not"),
        ("server.pem", None, "FIKS_TLS_CERTIFICATE is set and FIKS_TLS_KEY is not"),
        (None, "server.key", "FIKS_TLS_KEY is set and FIKS_TLS_CERTIFICATE is not"),
        ("none.pem", "server.key", "none.pem"),
        ("server.pem", "authority.pem", "authority.pem"),
        ("server.key", "server.key", "cannot be used"),
    ],
)
def test_what_is_wrong_with_it_is_told(
    files: Tls, tmp_path: Path, certificate: str | None, key: str | None, says: str
) -> None:
    named = {"tls_certificate": certificate and tmp_path / certificate, "tls_key": key and tmp_path / key}
    with pytest.raises(WrongSetting, match=says):
        tls_of(Settings(**{"amqp_port": 82} if key else {"gateway_tls_port": 82}, **named))


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "gateway.local"])
def test_amqp_is_not_served_in_the_clear_but_on_loopback(files: Tls, host: str) -> None:
    with pytest.raises(WrongSetting, match=f"AMQP carries passwords: name FIKS_TLS_CERTIFICATE .* on {host}"):
        tls_of(Settings(amqp_port=83, amqp_host=host))
    assert tls_of(Settings(amqp_host=host)) is None
    assert tls_of(Settings(amqp_port=83, amqp_host=host, tls_certificate=files.certificate, tls_key=files.key))
