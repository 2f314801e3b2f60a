"""The commands of the catalogue: fiks schemas write | check | publish | asyncapi."""

from __future__ import annotations

import json
import subprocess
import sys
from http import HTTPStatus
from urllib.error import HTTPError, URLError

import click
import msgspec

from schemas import asyncapi, example, publish, registry, release

NOT_LET_IN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@click.group()
def schemas() -> None:
    """The event catalogue: what can be said on the log."""


@schemas.command("write")
def write_() -> None:
    """Release new and changed schemas, and write missing examples."""
    try:
        written = [*release.write(), *example.write()]
    except (release.Incompatible, msgspec.ValidationError) as fault:
        raise click.ClickException(str(fault)) from fault
    click.echo("\n".join(written) or "nothing to write")


@schemas.command("check")
@click.option("--against", metavar="REV", help="Also compare with what was released in this git revision.")
def check_(against: str | None) -> None:
    """Check that schemas, examples and lock are whole, complete and compatible; the examples once the schemas are."""
    problems = release.check() or example.check()  # examples are encoded by the schemas: not to blame for them
    if against:
        try:
            problems += release.check_against(release.lock_at(against), registry.read_lock())
        except subprocess.CalledProcessError as fault:
            raise click.ClickException(f"git does not know {against}: {fault.stderr.decode().strip()}") from fault
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        sys.exit(1)
    click.echo(f"{len(registry.released())} released schemas are whole and compatible")


@schemas.command("publish")
@click.argument("url")
@click.option("--user", envvar="FIKS_SCHEMAS_USER", show_envvar=True, help="name:password, for HTTP Basic.")
def publish_(url: str, user: str | None) -> None:
    """Put what is released into the schema registry at URL, under our ids."""
    try:
        put = publish.publish(publish.SchemaRegistry(url, user), registry.released())
    except HTTPError as answer:
        answer.close()
        advice = "name yourself with --user" if answer.code in NOT_LET_IN else "is that a schema registry?"
        raise click.ClickException(f"{url} answers {answer.code} {answer.reason}: {advice}") from answer
    except OSError as fault:
        reason = fault.reason if isinstance(fault, URLError) else fault
        raise click.ClickException(f"no schema registry answers at {url} ({reason}): is one running there?") from fault
    except (publish.Refused, ValueError) as fault:
        raise click.ClickException(str(fault)) from fault
    click.echo(f"{len(put)} of {len(registry.released())} schemas published, the others were there")


@schemas.command("asyncapi")
def asyncapi_() -> None:
    """Print the AsyncAPI 3.0 document of the log."""
    click.echo(json.dumps(asyncapi.document(), indent=2, ensure_ascii=False))
