"""Ports, addresses and the declaration of the local system, without starting anything."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest

from infra.local.account import Account
from infra.local.commands import _put_aside, _Waiting, adopt_running_stack
from infra.local.ports import Ports
from infra.local.record import AlreadyRunning, Record
from infra.local.stack import Stack
from infra.local.supervisor import Supervisor, back_off
from infra.settings import Settings
from tests.support.ports import free_port, wanted_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def ports() -> Iterator[Ports]:
    with Ports() as ports:
        yield ports


def test_the_wanted_port_is_used_when_it_is_free(ports: Ports) -> None:
    wanted = wanted_port()
    assert ports.take(wanted) == wanted


def test_a_free_port_is_used_where_the_wanted_one_is_taken(taken: int, ports: Ports) -> None:
    assert ports.take(taken) != taken


def test_free_ports_are_none_that_the_kernel_gives_to_clients(ports: Ports) -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert ports.take() < lowest


def test_a_port_of_a_test_stays_promised_to_it(ports: Ports) -> None:
    port = free_port()
    assert ports.take(port) != port


def test_two_that_choose_at_the_same_time_never_get_the_same(ports: Ports) -> None:
    wanted = ports.take(wanted_port())
    choose = f"from infra.local.ports import Ports\nwith Ports() as ports: print(ports.take({wanted}))"
    other = subprocess.run([sys.executable, "-c", choose], capture_output=True, check=True, text=True)
    assert int(other.stdout) != wanted
    assert ports.take(wanted) != wanted


def test_what_was_promised_can_be_wanted_again_afterwards() -> None:
    with Ports() as ports:
        wanted = ports.take()
    with Ports() as ports:
        assert ports.take(wanted) == wanted


def test_a_promised_port_is_one_that_several_can_share(ports: Ports) -> None:
    port = ports.take()
    with socket.socket() as one, socket.socket() as other:
        for gateway in (one, other):
            gateway.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            gateway.bind(("127.0.0.1", port))
            gateway.listen()


def test_two_stacks_share_no_port(tmp_path: Path) -> None:
    settings = wanting(wanted_port(), tmp_path)
    with Ports() as ports, Ports() as others:
        one, other = Stack(settings, ports), Stack(settings, others)
    used = [{process.port for process in stack.processes() if process.port} for stack in (one, other)]
    assert len(used[0]) == len(used[1]) > 4
    assert not used[0] & used[1]


def test_taken_ports_are_replaced_in_every_address(taken: int, tmp_path: Path, ports: Ports) -> None:
    stack = Stack(wanting(taken, tmp_path), ports)
    assert str(taken) not in str(stack.addresses())
    assert str(taken) not in str([process.argv for process in stack.processes()])


def test_what_is_replaced_is_told_by_its_setting(taken: int, tmp_path: Path, ports: Ports) -> None:
    wanted = wanted_port()
    stack = Stack(wanting(wanted, tmp_path).model_copy(update={"gateway_port": taken, "issuer_port": taken}), ports)
    postgres = urlsplit(stack.settings.postgres).port
    assert {name: stack.replaced[name] for name in ("gateway_port", "issuer_port", "postgres")} == {
        "gateway_port": (taken, stack.settings.gateway_port),
        "issuer_port": (taken, stack.settings.issuer_port),
        "postgres": (wanted, postgres),  # Kafka has it
    }
    assert "kafka" not in stack.replaced


def wanting(port: int, state: Path) -> Settings:
    """Settings that want this port for everything."""
    return Settings(
        state=state,
        kafka=f"127.0.0.1:{port}",
        postgres=f"postgresql://fiks@127.0.0.1:{port}/fiks",
        gateway_port=port,
        issuer_port=port,
    )


def test_each_process_of_ours_finds_the_stack_by_its_environment(
    tmp_path: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(Settings(state=tmp_path), ports)
    ours = [process for process in stack.processes() if "gateway.cli" in process.argv]
    assert len(ours) > 5
    for process in ours:
        monkeypatch.delenv("FIKS_METRICS_PORT", raising=False)
        for name, value in process.env.items():
            monkeypatch.setenv(name, value)
        found = Settings()
        assert found.model_copy(update={"metrics_port": None}) == stack.settings
        assert (found.metrics_port is not None) == process.name.startswith("worker")


def test_no_address_shows_a_password(tmp_path: Path, ports: Ports) -> None:
    addresses = Stack(Settings(state=tmp_path), ports).addresses()
    assert addresses["postgres"].startswith("postgresql://fiks@127.0.0.1:")
    assert "password" not in addresses["postgres"]


def test_the_declaration_is_in_order(tmp_path: Path, ports: Ports) -> None:
    stack = Stack(Settings(state=tmp_path), ports)
    Supervisor(stack.processes(), tmp_path, lambda _: None)
    with pytest.raises(ValueError, match="declare what it needs before it"):
        Supervisor(stack.processes()[::-1], tmp_path, lambda _: None)


def test_waiting_between_restarts_grows_to_a_limit() -> None:
    waits = [back_off(failures) for failures in range(20)]
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] == waits[-2] == 10


def test_a_stack_is_held_once_and_free_again_afterwards(tmp_path: Path) -> None:
    record = Record(tmp_path / "state")
    assert record.holder() is None
    with record.held():
        assert record.holder() == os.getpid()
        with pytest.raises(AlreadyRunning), Record(tmp_path / "state").held():
            pass
    assert record.holder() is None


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stack that was asked for one DSN, and runs at another, on a port of its own choice."""
    holds = (
        "import sys; from pathlib import Path; from infra.local.record import Record\n"
        "record = Record(Path(sys.argv[1]))\n"
        "with record.held():\n"
        "    record.write({'environment': {'FIKS_POSTGRES': 'postgresql://given', 'FIKS_KAFKA': 'given:1'}})\n"
        "    print(flush=True); sys.stdin.read()"
    )
    monkeypatch.setenv("FIKS_STATE", str(tmp_path))
    monkeypatch.setenv("FIKS_POSTGRES", "postgresql://asked")
    monkeypatch.setenv("FIKS_KAFKA", "")  # so that it is put back
    monkeypatch.delenv("FIKS_KAFKA")
    with subprocess.Popen(
        [sys.executable, "-c", holds, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as guard:
        assert guard.stdout
        assert guard.stdin
        guard.stdout.readline()
        yield
        guard.stdin.close()


@pytest.mark.usefixtures("running")
def test_what_a_stack_was_asked_for_means_what_it_became() -> None:
    adopt_running_stack()
    assert (os.environ["FIKS_POSTGRES"], os.environ["FIKS_KAFKA"]) == ("postgresql://given", "given:1")


@pytest.mark.usefixtures("running")
def test_a_setting_that_the_stack_was_not_asked_for_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIKS_POSTGRES", "postgresql://elsewhere")
    adopt_running_stack()
    assert (os.environ["FIKS_POSTGRES"], os.environ["FIKS_KAFKA"]) == ("postgresql://elsewhere", "given:1")


def telling(**status: str) -> dict[str, Any]:
    return {"processes": {name: {"status": one} for name, one in status.items()}}


def test_what_up_waits_for_long_is_named_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.local.commands.SILENCE", 0.0)
    waiting = _Waiting()
    for _ in range(3):
        waiting.look(telling(kafka="healthy", migrate="done", worker="unhealthy", gateway="starting", other="waiting"))
    assert capsys.readouterr().out == "waiting for worker (unhealthy), gateway (starting)\n"


def test_up_gives_up_where_only_hanging_ones_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.local.commands.HANGING", 0.0)
    waiting = _Waiting()
    for _ in range(3):
        waiting.look(telling(worker="unhealthy", gateway="starting"))
    waiting.look(telling(kafka="healthy", worker="unhealthy"))
    with pytest.raises(click.ClickException, match="worker did not answer for 0 s"):
        waiting.look(telling(kafka="healthy", worker="unhealthy"))


def test_logs_of_the_last_five_runs_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    for run in range(8):
        log.write_text(str(run))
        _put_aside(log)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        f"worker-1.log.{age}": str(8 - age) for age in range(1, 6)
    }


def test_an_account_cannot_enter_below_a_closed_folder(tmp_path: Path) -> None:
    stranger = Account(uid=54_321, gid=54_321)
    inside = tmp_path / "closed/inside"
    inside.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert stranger.can_enter(Path("/usr/bin"))
    assert not stranger.can_enter(inside)
