"""Siege measurements: health, metrics and the pause over HTTP while others hold or waste the server's connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx

from bench.page import running_page, summary
from bench.places import Servers
from bench.results import Figures
from tests.support.http_attacks import flood, open_connections

__all__ = ["chunks", "silent"]

_ASKED = 50
_SILENT = 1_100
_FLOODS = 6
_CHUNKED = (
    b"POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents+json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def silent(servers: Servers) -> Figures:
    """Measure the answers beside connections that send nothing, more than the server has open files by default."""
    return _answers(servers, _hold)


def chunks(servers: Servers) -> Figures:
    """Measure the answers beside bodies of one-byte chunks, over and over, without a login."""
    return _answers(servers, lambda port: flood(port, _CHUNKED, _FLOODS))


def _answers(servers: Servers, attack: Callable[[int], AbstractContextManager[object]]) -> Figures:
    milliseconds: list[float] = []
    with servers.place() as place, running_page(place) as page, attack(page.port):
        headers = {**page.bearer, "connection": "close"}
        with httpx.Client(base_url=page.address, headers=headers, timeout=30) as client:
            for number in range(_ASKED):
                for path in ("/healthz", "/readyz", "/metrics"):
                    milliseconds.append(_timed(lambda path=path: client.get(path)))
                change = "/api/pause" if number % 2 == 0 else "/api/resume"
                milliseconds.append(_timed(lambda change=change: client.post(change, json={"reason": "a siege"})))
    return summary(milliseconds)


def _timed(ask: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    ask().raise_for_status()
    return 1e3 * (time.perf_counter() - began)


@contextmanager
def _hold(port: int) -> Iterator[None]:
    held = open_connections(port, _SILENT)
    try:
        yield
    finally:
        for connection in held:
            connection.close()
