"""Attacks on an HTTP server by many or slow connections, and measurements of its answers meanwhile."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx

__all__ = ["flood", "is_closed", "open_connections", "slowest", "trickle"]

TINY_CHUNKS = b"1\r\n{\r\n" * 10_000


def open_connections(port: int, number: int, source: str = "127.0.0.1") -> list[socket.socket]:
    """Open connections that send nothing."""
    return [
        socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) for _ in range(number)
    ]


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def slowest(ask: Sequence[Callable[[], httpx.Response]], times: int) -> float:
    """Ask in turn, so often each; fail unless all is answered with 200, and return the slowest time in seconds."""
    seconds = []
    for _ in range(times):
        for one in ask:
            begun = time.monotonic()
            answer = one()
            seconds.append(time.monotonic() - begun)
            assert answer.status_code == 200, answer.text
    return max(seconds)


@contextmanager
def flood(port: int, head: bytes, connections: int) -> Iterator[list[int]]:
    """Send a request with a body of one-byte chunks over and over; the list counts the bytes of each connection."""
    stop, sent = threading.Event(), [0] * connections

    def attack(number: int) -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    connection.sendall(head)
                    while not stop.is_set():
                        sent[number] += connection.send(TINY_CHUNKS)
            except OSError:
                continue

    threads = [threading.Thread(target=attack, args=(number,), daemon=True) for number in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def trickle(connections: Sequence[socket.socket], data: bytes, pause: float, seconds: float) -> int:
    """Send a byte at a time over each connection for so long; return how many of them were closed meanwhile."""
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ)
    end, closed, position = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end and selector.get_map():
        for key in [*selector.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            try:
                key.fileobj.send(data[position % len(data) :][:1])
            except BlockingIOError:
                continue
            except OSError:
                closed += 1
                selector.unregister(key.fileobj)
        position += 1
        time.sleep(pause)
    return closed
