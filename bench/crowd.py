"""Large place: a thousand shops with missed keys, refused messages and orders, for what people wait for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ

import httpx

from bench.page import running_page, summary
from bench.places import Place, Servers
from bench.processes import MeasurementFailed
from bench.results import Figures
from tests.support.thousand_shops import fill_thousand_shops

__all__ = ["help_command", "search", "status_command"]

_STARTS, _SEARCHES = 20, 8
# The code of a product with a missed key, a refused message and an order; a part of a name; an order; nothing at all.
_TEXTS = ("P7123", "sextavado 71", "order-712", "Cliente 7", "nothing-like-this")


def status_command(servers: Servers) -> Figures:
    """Measure `comporta status` from its start to its end, beside a running page, which reads the queues."""
    with _large(servers) as place, running_page(place):
        return _starts(place, "status")


def help_command(servers: Servers) -> Figures:
    """Measure `comporta --help` from its start to its end."""
    with servers.place() as place:
        return _starts(place, "--help")


def search(servers: Servers) -> Figures:
    """Measure the search of the page, what it suggests while one types, and the search over the API."""
    milliseconds: list[float] = []
    with (
        _large(servers) as place,
        running_page(place) as page,
        httpx.Client(base_url=page.address, headers=page.bearer, timeout=30) as client,
    ):
        for _ in range(_SEARCHES):
            for text in _TEXTS:
                for path in ("/search", "/api/biography", "/search/suggest"):
                    began = time.perf_counter()
                    client.get(path, params={"text": text}).raise_for_status()
                    milliseconds.append(1e3 * (time.perf_counter() - began))
    return summary(milliseconds)


def _starts(place: Place, argument: str) -> Figures:
    settings = {"COMPORTA_BROKER_URL": place.broker_url, "COMPORTA_DATABASE_URL": place.database_url}
    milliseconds = []
    for _ in range(_STARTS):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "comporta", argument], env={**environ, **settings}, capture_output=True, check=False
        )
        milliseconds.append(1e3 * (time.perf_counter() - began))
        if done.returncode:
            raise MeasurementFailed(done.stderr.decode(errors="replace")[-2000:])
    return summary(milliseconds)


@contextmanager
def _large(servers: Servers) -> Iterator[Place]:
    with servers.place() as place:
        fill_thousand_shops(place.database_url)
        yield place
