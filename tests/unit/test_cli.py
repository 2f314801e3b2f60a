"""`fiks`: every command is found where it stands, quick when nothing is imported, clear when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import asyncpg
import click
import pytest
from click.testing import CliRunner

from gateway import cli as module
from gateway.cli import COMMANDS, cli, explained
from infra.settings import Settings, WrongSetting
from streams.domain.errors import Unavailable

ROOT = Path(module.__file__).parents[1]


@pytest.fixture(autouse=True)
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs in this folder is not ours."""
    monkeypatch.setenv("FIKS_STATE", str(tmp_path))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_is_its_own(name: str) -> None:
    entry = COMMANDS[name]
    command = getattr(import_module(entry.module), name.replace("-", "_"))
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.get_short_help_str(1000).rstrip(".") == entry.help.rstrip(".")


def test_no_command_is_forgotten() -> None:
    files = [*ROOT.glob("[a-z]*/*commands.py"), *ROOT.glob("infra/*/commands.py"), ROOT / "gateway/demo.py"]
    inside = set[click.Command]()
    found = set[click.Command]()
    for file in files:
        values = vars(import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))).values()
        found |= {value for value in values if isinstance(value, click.Command)}
    for group in found:
        inside |= set(group.commands.values()) if isinstance(group, click.Group) else set()
    assert {command.name for command in found - inside} == set(COMMANDS)


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from gateway.cli import cli\n"
        "shown = CliRunner().invoke(cli, ['--help']); assert shown.exit_code == 0, shown.output\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    imported = set(eval(done.stdout))
    assert "click" in imported
    assert imported & {"aiohttp", "asyncpg", "confluent_kafka", "faust", "pydantic", "schemas", "infra"} == set()


def test_help_lists_every_command_under_a_heading() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    for name, entry in COMMANDS.items():
        assert f"\n  {name} " in shown
        assert f"\n{entry.heading}:\n" in shown


def test_the_help_of_up_says_what_becomes_of_ports_hanging_processes_and_an_interruption() -> None:
    shown = " ".join(CliRunner().invoke(cli, ["up", "--help"]).output.split())
    for said in ("port that is taken is replaced", "shown as unhealthy and left alone", "only the waiting ends"):
        assert said in shown


def test_misuse_ends_with_two() -> None:
    result = CliRunner().invoke(cli, ["nothing"])
    assert (result.exit_code, "'nothing'" in result.output) == (2, True)


def test_what_is_not_so_ends_with_one() -> None:
    assert CliRunner().invoke(cli, ["status"]).exit_code == 1


@pytest.mark.parametrize("name", ["FIKS_GATEWAY_PORT", "FIKS_REPLICATION"])
def test_a_wrong_setting_is_named_in_one_line_and_no_other_is_blamed(name: str) -> None:
    result = CliRunner().invoke(cli, ["status"], env={name: "many", "FIKS_STATE": None})
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: {name}: ")
    assert line.count("FIKS_") == 1


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        *((f"FIKS_{name.upper()}", "99999", "65535") for name in Settings.model_fields if name.endswith("_port")),
        ("FIKS_GATEWAY_PORT", "0", "1"),
        ("FIKS_KAFKA", "kafka", "host:port"),
        ("FIKS_KAFKA", "kafka-1:9092,kafka-2:many", "host:port"),
        ("FIKS_POSTGRES", "foo", "postgresql://"),
        ("FIKS_POSTGRES", "postgresql://fiks:secret@127.0.0.1:99999/fiks", "postgresql://"),
        ("FIKS_BLOBS", "ftp://x", "s3://bucket"),
        ("FIKS_BLOBS", "s3://", "s3://bucket"),
        ("FIKS_BLOBS", "file://relative", "s3://bucket"),
        ("FIKS_BLOBS_IDENTITY", "x", "fiks-identity"),
        ("FIKS_LOG_LEVEL", "LOUD", "WARNING"),
        *(
            ("FIKS_CLAMD", value, "unix:///path")
            for value in (
                "clamd:3310",
                "tcp://clamd",
                "tcp://:3310",
                "unix://",
                "tcp://x:y",
                "http://x:1",
                "tcp://[::1",
            )
        ),
        *(
            ("FIKS_KMS", value, "vault+https://")
            for value in (
                "https://example.no/k",
                "vault+https://",
                "vault+https://x",
                "aws+https://x:y/k",
                "gcp+https://x/k",
            )
        ),
        *(
            (f"FIKS_{name}", value, "https://")
            for name in ("ISSUER", "IDPORTEN_ISSUER", "ALTINN", "KRR", "MATRIKKEL", "MINSIDE", "OTEL")
            for value in ("maskinporten.no", "https://", "http://[::1", "http://x:99999")
        ),
    ],
)
def test_a_setting_that_can_be_none_is_told_what_it_must_be(name: str, value: str, must_be: str) -> None:
    result = CliRunner().invoke(cli, ["status"], env={name: value, "FIKS_STATE": None})

    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: {name}: ")
    assert must_be in line.removeprefix(f"Error: {name}: ")
    assert "secret" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIKS_KAFKA", "kafka-1:9092, kafka-2:9092,[::1]:9092"),
        ("FIKS_POSTGRES", "postgres://a:1,b:2/fiks?user=x"),
        ("FIKS_POSTGRES", "postgresql:///fiks?host=/run/postgresql"),
        ("FIKS_BLOBS", "file:///srv/blobs"),
        ("FIKS_BLOBS", "s3://bucket/prefix"),
        ("FIKS_LOG_LEVEL", "debug"),
        ("FIKS_CLAMD", "tcp://clamd:3310"),
        ("FIKS_CLAMD", "unix:///run/clamav/clamd.ctl"),
        ("FIKS_KMS", "vault+https://vault:8200/transit/fiks"),
        ("FIKS_KMS", "aws+http://127.0.0.1:4566/alias/fiks"),
        ("FIKS_ISSUER", "http://127.0.0.1:8090/"),
    ],
)
def test_a_setting_as_it_must_be_stops_nothing(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(Settings(), name.removeprefix("FIKS_").lower()) == value


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("FIKS_POSTGRESS", "FIKS_POSTGRES"),
        ("FIKS_TESTMODE", "FIKS_TEST_MODE"),
        ("fiks_isuer", "FIKS_ISSUER"),
        ("FIKS_XYZ", "FIKS_"),
    ],
)
def test_a_misspelt_setting_stops_the_process_and_names_the_nearest(misspelt: str, meant: str) -> None:
    result = CliRunner().invoke(cli, ["status"], env={misspelt: "secret"})
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: {misspelt} is no setting; did you mean {meant}")
    assert "secret" not in line


@pytest.mark.parametrize("name", ["FIKS_TEST_REGISTERS", "FIKS_CLIENT_JARS"])
def test_what_tests_are_told_by_their_surroundings_stops_no_process(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    Settings()


def test_a_setting_counts_however_it_is_capitalised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("fiks_gateway_port", "1234")
    assert Settings().gateway_port == 1234


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Unavailable("Kafka does not answer"), "Kafka does not answer"),
        (WrongSetting("FIKS_TLS_KEY is not set"), "FIKS_TLS_KEY is not set"),
        (ConnectionRefusedError("[Errno 111] refused"), "fiks status"),
        (TimeoutError(), "TimeoutError"),
        (asyncpg.InvalidPasswordError("no such user"), "FIKS_POSTGRES"),
        (asyncpg.CannotConnectNowError("the database system is starting up"), "fiks status"),
        (asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"), "fiks status"),
        (asyncpg.InterfaceError("the underlying connection is closed"), "was lost"),
        (asyncpg.InsufficientPrivilegeError("let an administrator run it"), "administrator"),
        (FileNotFoundError(2, "No such file", "x.pdf"), "x.pdf"),
    ],
)
def test_what_can_be_mended_is_said(error: Exception, says: str) -> None:
    assert says in (explained(error) or "")


def test_who_reads_no_further_is_told_nothing() -> None:
    reads, writes = os.pipe()
    os.close(reads)  # as `fiks logs | head` does when it has seen enough
    command = [sys.executable, "-m", "gateway.cli", "status"]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_bug_is_not_hidden() -> None:
    assert explained(KeyError("x")) is None
    assert explained(asyncpg.InterfaceError("another operation is in progress")) is None


def test_every_setting_can_be_named_in_an_error() -> None:
    for name in Settings.model_fields:
        assert name == name.lower()


@pytest.mark.parametrize(
    ("arguments", "says"), [((), "Name the projections"), (("audit", "--check", "--cancel"), "not both")]
)
def test_a_rebuild_that_is_asked_for_two_things_or_none_does_neither(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(cli, ["rebuild", *arguments])
    assert (result.exit_code, says in result.output) == (2, True)


def test_who_interrupts_up_is_told_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("infra.local.commands._start", lambda _: None)
    monkeypatch.setattr("infra.local.commands._show_until_well", interrupted)
    result = CliRunner().invoke(cli, ["up"])
    assert result.exit_code == 1
    assert "goes on in the background: fiks status shows how it is, fiks down stops it" in result.output
    assert "Aborted!" in result.output


def test_who_interrupts_a_rebuild_is_told_how_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_connecting: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("projections.commands._rebuild", lambda *_: None)
    monkeypatch.setattr("projections.commands.asyncio.run", interrupted)
    result = CliRunner().invoke(cli, ["rebuild", "audit"])
    assert result.exit_code == 1
    assert "goes on where this one stopped" in result.output
