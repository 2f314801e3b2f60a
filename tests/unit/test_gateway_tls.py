"""Where a gateway serves, and with what certificate, as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from gateway.app import ports_of, runner_of
from gateway.tls import tls_of
from infra.local.certificates import local_tls
from infra.settings import Settings


async def test_without_a_certificate_there_is_one_port() -> None:
    runner = runner_of(web.Application())
    await runner.setup()
    assert tls_of(Settings()) is None
    assert [one.number for one in ports_of(runner, Settings(gateway_port=81), None)] == [81]
    with pytest.raises(ValueError, match="FIKS_TLS_CERTIFICATE is not"):
        ports_of(runner, Settings(gateway_tls_port=82), None)
    await runner.cleanup()


async def test_with_one_there_are_two(tmp_path: Path) -> None:
    files, runner = local_tls(tmp_path), runner_of(web.Application())
    await runner.setup()
    settings = Settings(gateway_port=81, gateway_tls_port=82, tls_certificate=files.certificate, tls_key=files.key)
    context = tls_of(settings)
    assert [one.number for one in ports_of(runner, settings, context)] == [81, 82]
    await runner.cleanup()


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FIKS_TLS_KEY is not"):
        tls_of(Settings(tls_certificate=tmp_path / "server.pem"))
    with pytest.raises(FileNotFoundError):
        tls_of(Settings(tls_certificate=tmp_path / "server.pem", tls_key=tmp_path / "server.key"))
