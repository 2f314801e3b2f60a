"""Which port a server gets: the wanted one, or a free one where that is taken."""

import random
import socket

# Below the kernel's ephemeral range (32768 and up): there a client that connects again and again to a dead server can
# be given the server's own port as its source, and then the server cannot come back.
_CANDIDATES = range(20_000, 32_000)


def free_port(wanted: int | None = None) -> int:
    """`wanted` if nobody listens there on 127.0.0.1, else a port nobody uses. It is not reserved."""
    candidates = random.sample(_CANDIDATES, 100)
    for port in [wanted, *candidates] if wanted else candidates:
        if _is_free(port):
            return port
    raise OSError("no free port found between 20000 and 32000: stop some servers")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
