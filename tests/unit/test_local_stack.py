"""Ports, addresses and the declaration of the local system, without starting anything."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.account import Account
from infra.local.ports import free_port
from infra.local.record import AlreadyRunning, Record
from infra.local.stack import Stack
from infra.local.supervisor import Supervisor, back_off
from infra.settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_wanted_port_is_used_when_it_is_free() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted


def test_a_free_port_is_used_where_the_wanted_one_is_taken(taken: int) -> None:
    assert free_port(taken) != taken


def test_free_ports_are_none_that_the_kernel_gives_to_clients() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < lowest


def test_taken_ports_are_replaced_in_every_address(taken: int, tmp_path: Path) -> None:
    stack = Stack(
        Settings(
            state=tmp_path,
            kafka=f"127.0.0.1:{taken}",
            postgres=f"postgresql://fiks@127.0.0.1:{taken}/fiks",
            gateway_port=taken,
            issuer_port=taken,
        )
    )
    assert str(taken) not in str(stack.addresses())
    assert str(taken) not in str([process.argv for process in stack.processes()])


def test_each_process_of_ours_finds_the_stack_by_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = Stack(Settings(state=tmp_path))
    ours = [process for process in stack.processes() if "gateway.cli" in process.argv]
    assert len(ours) > 5
    for process in ours:
        monkeypatch.delenv("FIKS_METRICS_PORT", raising=False)
        for name, value in process.env.items():
            monkeypatch.setenv(name, value)
        found = Settings()
        assert found.model_copy(update={"metrics_port": None}) == stack.settings
        assert (found.metrics_port is not None) == process.name.startswith("worker")


def test_no_address_shows_a_password(tmp_path: Path) -> None:
    addresses = Stack(Settings(state=tmp_path)).addresses()
    assert addresses["postgres"].startswith("postgresql://fiks@127.0.0.1:")
    assert "password" not in addresses["postgres"]


def test_the_declaration_is_in_order(tmp_path: Path) -> None:
    stack = Stack(Settings(state=tmp_path))
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


def test_an_account_cannot_enter_below_a_closed_folder(tmp_path: Path) -> None:
    stranger = Account(uid=54_321, gid=54_321)
    inside = tmp_path / "closed/inside"
    inside.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert stranger.can_enter(Path("/usr/bin"))
    assert not stranger.can_enter(inside)
