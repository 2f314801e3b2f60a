"""`fiks`: finds the command that was asked for, and says in one line what went wrong. Decides nothing itself.

A command's module is imported when the command is used, so that `fiks --help` is quick.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """Where a command stands (`name` in `module`), under which heading, and what it does in one line."""

    heading: str
    module: str
    help: str


LOCAL, LOG, READ, GATEWAY = "The local system", "The log", "Projections", "The gateway"
COMMANDS = {
    "up": Entry(
        LOCAL, "infra.local.commands", "Start the local system in the background and wait until it is healthy."
    ),
    "down": Entry(LOCAL, "infra.local.commands", "Stop the local system and wait until all of it is gone."),
    "status": Entry(LOCAL, "infra.local.commands", "Show how the local system is."),
    "logs": Entry(LOCAL, "infra.local.commands", "Print the logs of the local system, or those of NAME."),
    "demo": Entry(LOCAL, "gateway.demo", "Send a real forsendelse and show it everywhere it can be seen."),
    "schemas": Entry(LOG, "schemas.commands", "The event catalogue: what can be said on the log."),
    "topics": Entry(LOG, "streams.commands", "The topics of the log."),
    "worker": Entry(LOG, "projections.commands", "Run a worker until it is told to stop (SIGTERM)."),
    "dlq": Entry(LOG, "streams.commands", "Dead letters: records that could not be read."),
    "keys": Entry(LOG, "streams.key_commands", "The keys that wrap the data keys."),
    "migrate": Entry(
        READ,
        "projections.commands",
        "Bring the database to this release, and make the projections that it does not have yet.",
    ),
    "rebuild": Entry(
        READ,
        "projections.commands",
        "Rebuild projections from the log beside the live ones, then switch; reads go on all the time.",
    ),
    "gateway": Entry(GATEWAY, "gateway.commands", "Run a gateway."),
    "rotate-certificate": Entry(
        GATEWAY,
        "gateway.commands",
        "Make a new key pair for documents and tell it to senders; what comes for older ones is read all the same.",
    ),
    "person-name": Entry(
        GATEWAY,
        "gateway.commands",
        "Print what the log calls the person whose number is typed or comes on stdin.",
    ),
    "issuer": Entry(
        GATEWAY,
        "gateway.commands",
        "Run the test issuers, stand-ins for Maskinporten and ID-porten that vouch for anyone.",
    ),
    "stand-ins": Entry(
        GATEWAY,
        "gateway.commands",
        "Run stand-ins for Altinn, KRR and Fiks Matrikkel, which know the persons of the test issuers.",
    ),
    "seed": Entry(
        GATEWAY,
        "gateway.commands",
        "Append the organisations that tests and the demo use; what is there already is left alone.",
    ),
    "test-token": Entry(GATEWAY, "gateway.commands", "Print an access token of the test issuers."),
}
ALONE = ("infra.local.commands", "schemas.commands")
"""Modules whose commands have no use for the addresses of a running stack."""


class Commands(click.Group):
    """The commands above, each imported when used."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        entry = COMMANDS[name]
        if entry.module not in ALONE:
            _find_the_stack()
        if name == "gateway":
            _share_metrics()
        command: click.Command = getattr(import_module(entry.module), name.replace("-", "_"))
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        for heading in dict.fromkeys(entry.heading for entry in COMMANDS.values()):
            with formatter.section(heading):
                formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if entry.heading == heading])

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # the last: who reads what we print has seen enough, which click knows
        except Exception as error:
            if (reason := explained(error)) is None:
                raise
            raise click.ClickException(reason) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="fiks-backbone", message="%(version)s")
def cli() -> None:
    """The Fiks backbone: every action is one event on Kafka, and all that can be asked is a projection of them.

    Settings are environment variables FIKS_* (README.md). A command finds the local system of this folder by itself.
    """
    # What librdkafka meets, line by line, a server logs and another command says in its own words.
    logging.getLogger("confluent_kafka").addHandler(logging.NullHandler())


def explained(error: Exception) -> str | None:
    """What whoever typed the command can do about it; None for a bug, which shall be seen whole."""
    import asyncpg
    import pydantic
    from confluent_kafka import KafkaException

    from infra.settings import WrongSetting
    from schemas.errors import NotYetKnown, Unreadable
    from streams.domain import errors

    match error:
        case WrongSetting():
            return str(error)
        case pydantic.ValidationError():
            return "; ".join(
                f"FIKS_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
                for fault in error.errors()
                if fault["type"] != "default_factory_not_called"  # only what is wrong, not what depends on it
            )
        case errors.Unavailable() | errors.Rejected() | errors.NotFound() | errors.Gone():
            return str(error)
        case Unreadable() | NotYetKnown():
            return f"this release cannot read it: {error}"
        case KafkaException():
            return f"Kafka does not answer: {error}; is it running? fiks status"
        case ConnectionError() | TimeoutError():
            return f"cannot reach a server ({str(error) or type(error).__name__}): is the system running? fiks status"
        case asyncpg.PostgresConnectionError() | asyncpg.OperatorInterventionError():
            return f"PostgreSQL is not there ({error}): is the system running? fiks status"
        case asyncpg.InterfaceError() if "connection is closed" in str(error):
            return "the connection to PostgreSQL was lost: is the system running? fiks status"
        case asyncpg.InvalidAuthorizationSpecificationError():
            return f"PostgreSQL does not let us in: {error}; put the password or passfile= into FIKS_POSTGRES"
        case asyncpg.InsufficientPrivilegeError():
            return f"PostgreSQL does not allow it: {error}"
        case FileNotFoundError() | PermissionError():
            return f"{error.strerror}: {error.filename}"
    return None


def _find_the_stack() -> None:
    from infra.local.commands import adopt_running_stack

    adopt_running_stack()


def _share_metrics() -> None:
    from infra.settings import Settings
    from infra.telemetry import share_metrics

    share_metrics(Settings())


def main() -> None:
    """Run what the command line asks for. Exit code 0: done; 1: it failed, or what was asked is not so; 2: misuse."""
    cli(prog_name="fiks")


if __name__ == "__main__":
    main()
