"""Free ports on the loopback."""

from __future__ import annotations

import os
import random
import socket

__all__ = ["HOST", "free_port", "is_listening"]

HOST = "127.0.0.1"
# Below the range that outgoing connections take theirs from (32768 on Linux): a client that keeps trying a port
# of that range while its server is down may in the end be connected with itself.
_FIRST, _END = 20_000, 32_000
# Tests may run in several processes at once: each has ports of its own.
_PROCESSES = 16
_MINE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
_PORTS = range(_FIRST + _MINE, _END, _PROCESSES)
_given: set[int] = set()


def free_port() -> int:
    """Return a free port that this process was not given before."""
    for port in random.sample(_PORTS, k=len(_PORTS)):
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port between {_FIRST} and {_END}")


def is_listening(port: int) -> bool:
    """Return whether the port accepts connections."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
