"""Ports for the servers of tests, which choose them before the servers listen."""

from infra.local.ports import Ports

_promised = Ports()


def free_port() -> int:
    """A port that nobody else on this machine is given who chooses it so, for as long as this process lives."""
    return _promised.take()


def wanted_port() -> int:
    """A free port to ask a `Stack` for, which promises its ports itself: it may get another, and tells which."""
    with Ports() as ports:
        return ports.take()
