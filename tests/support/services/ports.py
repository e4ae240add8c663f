"""Free ports on the loopback."""

from __future__ import annotations

import os
import random
import socket

__all__ = ["HOST", "free_port", "is_listening", "take"]

HOST = "127.0.0.1"
# Below the range that outgoing connections take theirs from (32768 on Linux): a client that keeps trying a port
# of that range while its server is down may in the end be connected with itself.
_FIRST, _END = 20_000, 32_000
# Tests may run in several processes at once: each has ports of its own.
_PROCESSES = 16
_MINE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
_PORTS = range(_FIRST + _MINE, _END, _PROCESSES)
# Nobody speaks UDP here: who has bound that port of a number has the number, and lets go of it when it ends.
_taken: list[socket.socket] = []


def free_port() -> int:
    """Return a free port that no process of tests is given again while this one runs."""
    for port in random.sample(_PORTS, k=len(_PORTS)):
        if take(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_END}")


def take(port: int) -> bool:
    """Keep a port from every process of tests on this machine; False if one has it, or if it is listened on."""
    claim = socket.socket(type=socket.SOCK_DGRAM)
    try:
        claim.bind((HOST, port))
    except OSError:
        claim.close()
        return False
    _taken.append(claim)
    return _is_free(port)


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
