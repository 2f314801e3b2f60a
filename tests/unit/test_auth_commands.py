"""What only tests may use is refused where nobody said that this is a test."""

import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import commands
from gateway.auth.persons import Persons, persons
from gateway.issuer.people import is_synthetic
from infra.settings import Settings


@pytest.mark.parametrize("command", [commands.issuer, commands.stand_ins, commands.seed, commands.test_token])
def test_refused_outside_test_mode(command, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delenv("FIKS_TEST_MODE", raising=False)
    monkeypatch.setenv("FIKS_STATE", str(tmp_path / "state"))
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 1
    assert "FIKS_TEST_MODE" in result.output
    assert "fiks up" in result.output
    assert not (tmp_path / "state").exists()


def test_who_logs_in_by_default_does_not_exist() -> None:
    (pid,) = (option for option in commands.test_token.params if option.name == "pid")
    assert is_synthetic(pid.default)


@pytest.mark.parametrize("who", ["machine", "person"])
def test_no_token_of_an_issuer_that_is_down_and_what_to_do(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIKS_TEST_MODE", "true")
    for name in ("FIKS_ISSUER", "FIKS_IDPORTEN_ISSUER"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    result = CliRunner().invoke(commands.test_token, [who])
    assert (result.exit_code, "fiks up" in result.output) == (1, True)


PID = "12858010053"


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "person-key"
    file.write_text(secrets.token_hex(32))
    monkeypatch.setenv("FIKS_PERSON_KEY_FILE", str(file))
    monkeypatch.setenv("FIKS_STATE", str(tmp_path / "state"))
    return file


@pytest.mark.parametrize("typed", [PID, f"{PID}\n", f"  {PID[:6]} {PID[6:]}\n"])
def test_the_name_of_a_person_on_the_log_is_told_of_a_number_from_stdin(key_file: Path, typed: str) -> None:
    result = CliRunner().invoke(commands.person_name, input=typed)
    known = Persons(bytes.fromhex(key_file.read_text())).actor(PID)
    assert (result.exit_code, result.output) == (0, f"{known}\n")


def test_no_number_is_taken_from_the_command_line_nor_shown(key_file: Path) -> None:
    assert CliRunner().invoke(commands.person_name, [PID]).exit_code == 2
    assert commands.person_name.params == []


@pytest.mark.parametrize("typed", ["", "12858010054", "310991007", PID * 2])
def test_no_name_of_what_is_no_number_of_a_person(key_file: Path, typed: str) -> None:
    result = CliRunner().invoke(commands.person_name, input=typed)
    assert (result.exit_code, "fødselsnummer" in result.output) == (1, True)
    assert not typed or typed not in result.output


def test_no_name_without_a_key_and_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name by a new key would be nobody's on the log."""
    monkeypatch.setenv("FIKS_STATE", str(tmp_path))
    monkeypatch.delenv("FIKS_PERSON_KEY_FILE", raising=False)
    result = CliRunner().invoke(commands.person_name, input=PID)
    assert (result.exit_code, "FIKS_PERSON_KEY_FILE" in result.output) == (1, True)
    assert list(tmp_path.iterdir()) == []
    known = persons(Settings()).actor(PID)
    assert CliRunner().invoke(commands.person_name, input=PID).output == f"{known}\n"
