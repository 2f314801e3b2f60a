"""What only tests may use is refused where nobody said that this is a test."""

import pytest
from click.testing import CliRunner

from gateway import commands
from gateway.issuer.people import is_synthetic


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
