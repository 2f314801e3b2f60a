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


@click.command("rotate-certificate")
def rotate_certificate() -> None:
    """Make a new key pair for documents and tell it to senders; what comes for older ones is read all the same."""
    from infra.crypto.certificates import key_folder

    click.echo(f"New key pair: {key_folder(Settings()).rotate()}")


@click.command("person-name")
def person_name() -> None:
    """Print what the log calls the person whose number is typed or comes on stdin.

    No argument, since others on the machine see those. By that name the audit trail tells what happened about them.
    """
    import sys

    from gateway.auth.persons import KEPT, persons
    from gateway.digital_id import Kind, kind_of

    settings = Settings()
    if settings.person_key_file is None and not (settings.state / KEPT).exists():
        raise click.ClickException(f"no key in {settings.state}: set FIKS_PERSON_KEY_FILE to that of the gateways")
    if sys.stdin.isatty():
        typed = click.prompt("Fødselsnummer", hide_input=True, err=True)
    else:
        typed = click.get_text_stream("stdin").read()
    number = "".join(typed.split())
    if kind_of(number) is not Kind.PERSON:
        raise click.ClickException("that is no fødselsnummer or d-nummer")
    click.echo(persons(settings).actor(number))


@click.command()
def issuer() -> None:
    """Run the test issuers, stand-ins for Maskinporten and ID-porten that vouch for anyone."""
    from aiohttp import web

    from gateway.issuer.serving import issuers

    settings = _test_settings()
    web.run_app(issuers(settings), host=settings.issuer_host, port=settings.issuer_port, print=None, access_log=None)


@click.command("stand-ins")
def stand_ins() -> None:
    """Run stand-ins for Altinn, KRR and Fiks Matrikkel, which know the persons of the test issuers."""
    from aiohttp import web

    from gateway.stand_ins.serving import make_app

    settings = _test_settings()

    async def app() -> web.Application:
        return make_app(settings)

    web.run_app(app(), host=settings.stand_ins_host, port=settings.stand_ins_port, print=None, access_log=None)


@click.command()
def seed() -> None:
    """Append the organisations that tests and the demo use; what is there already is left alone."""
    from gateway import seed as seeding

    settings = _test_settings()
    appended = asyncio.run(seeding.seed(settings.kafka, settings.state))
    click.echo(f"{appended} events appended; who may call, and with what password: {settings.state / 'seed.json'}")


@click.command("test-token")
@click.argument("who", type=click.Choice(["machine", "person"]), default="machine")
@click.option(
    "--orgnr", default="310991007", show_default=True, help="the organisation that calls, or whose client it is"
)
@click.option("--scope", default="ks:fiks", show_default=True)
@click.option("--consumer-org", help="machine: an organisation that ORGNR acts for")
@click.option("--pid", default="12858010053", show_default=True, help="person: a synthetic fødselsnummer")
@click.option("--niva", type=click.Choice(["3", "4"]), default="4", show_default=True, help="person: level of login")
def test_token(who: str, orgnr: str, scope: str, consumer_org: str | None, pid: str, niva: str) -> None:
    """Print an access token of the test issuers.

    A machine's is as from Maskinporten. A person's is as from ID-porten after a login, for citizens, managers, whoever
    acts for an organisation, and integrations that call with a person.
    """
    import aiohttp

    from gateway.auth.grant import token_for
    from gateway.auth.login import person_token

    settings = _test_settings()
    delegation = {"consumer_org": consumer_org} if consumer_org else {}
    if who == "machine":
        asking = token_for(settings.issuer, orgnr, scope, **delegation)
    else:
        asking = person_token(settings.idporten_issuer, pid, int(niva), orgnr, scope)
    try:
        click.echo(asyncio.run(asking))
    except aiohttp.ClientError as fault:
        raise click.ClickException(
            f"no token: {fault}; is the local system running? `fiks status`, and `fiks up` starts it"
        ) from fault


def _test_settings() -> Settings:
    settings = Settings()
    if not settings.test_mode:
        raise click.ClickException(
            "only for tests: start the local system with `fiks up`; for another one "
            "set FIKS_TEST_MODE=true if nobody's real data is at stake"
        )
    return settings
