"""Which port a server gets: the wanted one, or a free one where that is taken, and never one that another was promised.

Ports are chosen long before their servers listen, and several gateways listen on one together, so a listener alone
does not show that a port is taken.
"""

import random
import socket
from types import TracebackType
from typing import Self

# Below the kernel's ephemeral range (32768 and up): there a client that connects again and again to a dead server can
# be given the server's own port as its source, and then the server cannot come back.
_CANDIDATES = range(20_000, 32_000)


class Ports:
    """Ports that are promised to nobody else on this machine who chooses them here, for as long as this is open."""

    def __init__(self) -> None:
        self._promises: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for promise in self._promises:
            promise.close()

    def take(self, wanted: int | None = None) -> int:
        """`wanted` if it is neither used on 127.0.0.1 nor promised, else a port that is neither."""
        candidates = random.sample(_CANDIDATES, 100)
        for port in [wanted, *candidates] if wanted else candidates:
            if _is_free(port) and (promise := _promise(port)):
                self._promises.append(promise)
                return port
        raise OSError("no free port found between 20000 and 32000: stop some servers")


def _promise(port: int) -> socket.socket | None:
    """None if another has it. An abstract name is as wide as the ports are, needs no file and ends with its process."""
    promise = socket.socket(socket.AF_UNIX)
    try:
        promise.bind(f"\0fiks-port-{port}")
    except OSError:
        promise.close()
        return None
    return promise


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
