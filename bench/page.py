"""Page and API measurements: beside two busy workers, in a browser, and with many idle readers."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx

from bench.places import Place, Servers, accounted
from bench.processes import Child, Gauge, MeasurementFailed, await_consumers, running, wait_until
from bench.results import Figures, LeftOut, percentile
from control.auth.operators_edit import add_operator
from control.auth.tokens import Role

__all__ = ["Page", "at_rest", "first_load", "running_page", "status_beside_workers", "summary"]

_HOST = "127.0.0.1"
_PAGES = 200
_REST_SECONDS = 10.0
_LOADS = 15
_INTERACTIVE = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


class Page(NamedTuple):
    """A running page: its port, an operator's token, and its process."""

    port: int
    token: str
    process: Child

    @property
    def address(self) -> str:
        return f"http://{_HOST}:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


def status_beside_workers(servers: Servers, backlog: int) -> Figures:
    """Measure `/api/status` over one open connection, again and again, while two workers apply a backlog."""
    with (
        servers.place(backlog) as place,
        running_page(place) as page,
        running(place, "comporta", "worker", "--processes", "2") as children,
        place.query() as database,
        httpx.Client(base_url=page.address, headers=page.bearer) as client,
    ):
        await_consumers(place, children, 2)
        wait_until(lambda: accounted(database) > 0, "the first batch")
        milliseconds: list[float] = []
        while accounted(database) < 0.9 * backlog:
            began = time.perf_counter()
            client.get("/api/status").raise_for_status()
            milliseconds.append(1000 * (time.perf_counter() - began))
    if not milliseconds:
        raise MeasurementFailed("the backlog was over before the first request")
    return summary(milliseconds)


def first_load(servers: Servers) -> Figures:
    """Measure the overview in a browser with an empty cache, until its scripts have run and it can be clicked."""
    from tests.support.browser_windows import missing_chromium, running_browser

    if missing := missing_chromium():
        raise LeftOut(missing)
    with servers.place() as place, running_page(place) as page, running_browser() as browser:
        milliseconds = []
        for _ in range(_LOADS):
            # Each context has a cache of its own.
            context = browser.new_context(extra_http_headers=page.bearer)
            window = context.new_page()
            window.goto(page.address)
            milliseconds.append(float(window.evaluate(_INTERACTIVE)))
            context.close()
    return summary(milliseconds)


def at_rest(servers: Servers) -> Figures:
    """Measure the CPU of the process with 200 open pages while nothing happens but a worker's heartbeat."""
    with (
        servers.place() as place,
        running(place, "comporta", "worker") as children,
        running_page(place, COMPORTA_HTTP_STREAMS=str(_PAGES)) as page,
        ExitStack() as stack,
    ):
        await_consumers(place, children, 1)
        request = f"GET /api/events HTTP/1.1\r\nhost: {_HOST}\r\nauthorization: Bearer {page.token}\r\n\r\n".encode()
        streams = selectors.DefaultSelector()
        for _ in range(_PAGES):
            stream = stack.enter_context(socket.create_connection((_HOST, page.port)))
            stream.sendall(request)
            streams.register(stream, selectors.EVENT_READ)
        # The cost of connecting is over when every stream has had the state.
        _listen(streams, 3.0)
        gauge, began = Gauge([page.process]), time.perf_counter()
        notified = _listen(streams, _REST_SECONDS)
        percent = 100 * gauge.cpu_seconds / (time.perf_counter() - began)
    if notified < _PAGES:
        raise MeasurementFailed(f"only {notified} of {_PAGES} pages received an event")
    return {"pages": _PAGES, "cpu_percent": percent}


def _listen(streams: selectors.BaseSelector, seconds: float) -> int:
    """Read the streams for `seconds`; return the number of streams that brought anything."""
    notified, until = set(), time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        for key, _ in streams.select(left):
            if not key.fileobj.recv(65_536):  # type: ignore[union-attr]
                raise MeasurementFailed("a stream has ended")
            notified.add(key.fd)
    return len(notified)


def summary(milliseconds: list[float]) -> Figures:
    """Return the percentiles of the times of requests."""
    return {
        "asked": len(milliseconds),
        "p50_ms": percentile(milliseconds, 0.50),
        "p99_ms": percentile(milliseconds, 0.99),
        "max_ms": max(milliseconds),
    }


@contextmanager
def running_page(place: Place, **settings: str) -> Iterator[Page]:
    """Run `comporta admin` on a place, with further settings; yield it once it answers."""
    with TemporaryDirectory() as folder, socket.create_server((_HOST, 0)) as listener:
        port = listener.getsockname()[1]
        listener.close()
        file = Path(folder) / "operators.toml"
        token = add_operator(file, "bench", Role.OPERATOR)
        environment = {"COMPORTA_ADMIN_PORT": str(port), "COMPORTA_OPERATORS_FILE": str(file)}
        with running(place, "comporta", "admin", environment=environment | settings) as [process]:
            page = Page(port, token, process)
            wait_until(lambda: _answers(page), "the page")
            yield page


def _answers(page: Page) -> bool:
    page.process.require_alive()
    try:
        return httpx.get(f"{page.address}/healthz").is_success
    except httpx.TransportError:
        return False
