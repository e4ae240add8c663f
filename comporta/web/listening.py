"""Opens the sockets that our servers listen on."""

from __future__ import annotations

import socket

__all__ = ["listen"]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises `OSError` if it can't be had, `OverflowError` for a port beyond 65535."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    # Handed on to every connection. asyncio does this by itself only for sockets of its own making, and without it
    # each small answer waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
