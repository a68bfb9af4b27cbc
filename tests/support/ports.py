"""Ports for servers that a test starts. Each test process has ports of its own.

They lie below the ports of outgoing connections, one of which might otherwise get the port before the server listens.
Two Envoys that choose the same port share it, and each gets requests of the other's test.
"""

import os
import socket
from collections.abc import Iterator
from itertools import cycle, islice

_FIRST_PORT = 12_000
_PORTS_EACH = 1_000
_MAX_PROCESSES = 16


def free_port() -> int:
    """Return a port on which no process listens."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many ports on which no process listens. No other call in this run returns one of them soon."""
    return list(islice(filter(_is_free, _own_ports), count))


def _ports_of_this_process() -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", f"gw{_MAX_PROCESSES - 1}").removeprefix("gw")
    first = _FIRST_PORT + int(worker) % _MAX_PROCESSES * _PORTS_EACH
    return cycle(range(first, first + _PORTS_EACH))


def _is_free(port: int) -> bool:
    with socket.socket() as unbound:
        try:
            unbound.bind(("", port))
        except OSError:
            return False
    return True


_own_ports = _ports_of_this_process()
