"""Server-sent events from a real server: they come, carry ids, and end when the server does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from comporta.web.request import LOCAL
from tests.support.live_feed import open_streams
from tests.support.wait import wait_until
from tests.support.web_harness import WebHarness, signed_in_as


class Served:
    """The application on a port of its own."""

    def __init__(self, site: WebHarness) -> None:
        self.site = site
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # A stream that didn't end by itself would keep the server for a minute.
        config = uvicorn.Config(
            signed_in_as(site.app, LOCAL), log_config=None, lifespan="off", timeout_graceful_shutdown=60
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listener],))
        self.thread.start()
        wait_until(lambda: self.server.started, what="the server to listen")

    def stop(self) -> None:
        """As the process does it."""
        self.server.should_exit = True
        self.site.live.close()
        self.thread.join(20)


@pytest.fixture
def served(small_site: WebHarness) -> Iterator[Served]:
    served = Served(small_site)
    yield served
    served.stop()


def fields(lines: Iterator[str]) -> dict[str, str]:
    """The next event of a stream, comments left out."""
    event: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            event[name] = value
        if not line and event:
            return event
    raise AssertionError("the stream has ended")


def test_a_reader_is_told_the_state_and_every_change_of_it(served: Served) -> None:
    with httpx.stream("GET", f"{served.url}/api/events", timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.iter_lines()
        first, second = fields(lines), fields(lines)
        assert [first["event"], second["event"]] == ["status", "ledger"]
        assert first["id"] != second["id"]
        served.site.gallery.change("pause", reason="a test")
        changed = fields(lines)
        assert changed["event"] == "status"
        assert json.loads(changed["data"])["switches"][0]["reason"] == "a test"


def test_a_reader_that_goes_is_forgotten(served: Served) -> None:
    with httpx.stream("GET", f"{served.url}/api/events", timeout=20) as answer:
        # Kept: the stream would end with its iterator.
        lines = answer.iter_lines()
        fields(lines)
        assert open_streams(served.site.live) == 1
    wait_until(lambda: open_streams(served.site.live) == 0, what="the reader to be forgotten")


def test_open_streams_do_not_keep_the_server_from_stopping(served: Served) -> None:
    with httpx.stream("GET", f"{served.url}/api/events", timeout=20) as answer:
        lines = answer.iter_lines()
        fields(lines)
        served.stop()
        assert not served.thread.is_alive()
        assert not [
            line for line in lines if line.startswith("event: ") and "status" not in line and "ledger" not in line
        ]
