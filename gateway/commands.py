"""The commands of the gateway and of what stands around it in tests. What they run is decided elsewhere."""

from __future__ import annotations

import asyncio

import click

from infra.settings import Settings


@click.command()
def gateway() -> None:
    """Run a gateway. Several of them can serve one port."""
    import uvloop

    from gateway.app import serve
    from infra import telemetry

    settings = Settings()
    telemetry.start(settings, "gateway")
    uvloop.run(serve(settings))


@click.command()
def issuer() -> None:
    """Run the test issuer, a stand-in for Maskinporten that gives a token to anyone."""
    from aiohttp import web

    from gateway.issuer import Issuer, make_app, own_key

    settings = _test_settings()
    app = make_app(Issuer(settings.issuer, own_key(settings.state)))
    web.run_app(app, host=settings.issuer_host, port=settings.issuer_port, print=None, access_log=None)


@click.command()
def seed() -> None:
    """Append the organisations that tests and the demo use; what is there already is left alone."""
    from gateway import seed as seeding

    settings = _test_settings()
    appended = asyncio.run(seeding.seed(settings.kafka, settings.state))
    click.echo(f"{appended} events appended; who may call, and with what password: {settings.state / 'seed.json'}")


@click.command("test-token")
@click.option("--orgnr", default="310991007", show_default=True, help="the organisation that calls")
@click.option("--scope", default="ks:fiks", show_default=True)
@click.option("--consumer-org", help="an organisation that ORGNR acts for")
def test_token(orgnr: str, scope: str, consumer_org: str | None) -> None:
    """Print an access token of the test issuer."""
    import aiohttp

    from gateway.auth.grant import token_for

    settings = _test_settings()
    delegation = {"consumer_org": consumer_org} if consumer_org else {}
    try:
        click.echo(asyncio.run(token_for(settings.issuer, orgnr, scope, **delegation)))
    except aiohttp.ClientError as fault:
        raise click.ClickException(f"no token from {settings.issuer}: {fault}") from fault


def _test_settings() -> Settings:
    settings = Settings()
    if not settings.test_mode:
        raise click.ClickException("only for tests: set FIKS_TEST_MODE=true if nobody's real data is at stake")
    return settings
