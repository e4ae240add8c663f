"""Server-sent events of a real server: their ids, and their end when the server stops."""

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


class LiveServer:
    """The application on a port of its own."""

    def __init__(self, web: WebHarness) -> None:
        self.web = web
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # A stream that didn't end by itself would keep the server for a minute.
        config = uvicorn.Config(
            signed_in_as(web.app, LOCAL), log_config=None, lifespan="off", timeout_graceful_shutdown=60
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([listener],))
        self.thread.start()
        wait_until(lambda: self.server.started, what="the server to listen")

    def stop(self) -> None:
        """As the process does it."""
        self.server.should_exit = True
        self.web.live.close()
        self.thread.join(20)


@pytest.fixture
def live_server(sqlite_web: WebHarness) -> Iterator[LiveServer]:
    live_server = LiveServer(sqlite_web)
    yield live_server
    live_server.stop()


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


def test_a_reader_is_told_the_state_and_every_change_of_it(live_server: LiveServer) -> None:
    with httpx.stream("GET", f"{live_server.url}/api/events", timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.iter_lines()
        first, second = fields(lines), fields(lines)
        assert [first["event"], second["event"]] == ["status", "ledger"]
        assert first["id"] != second["id"]
        live_server.web.storage.change("pause", reason="a test")
        changed = fields(lines)
        assert changed["event"] == "status"
        assert json.loads(changed["data"])["switches"][0]["reason"] == "a test"


def test_a_reader_that_goes_is_forgotten(live_server: LiveServer) -> None:
    with httpx.stream("GET", f"{live_server.url}/api/events", timeout=20) as answer:
        # Kept: the stream would end with its iterator.
        lines = answer.iter_lines()
        fields(lines)
        assert open_streams(live_server.web.live) == 1
    wait_until(lambda: open_streams(live_server.web.live) == 0, what="the reader to be forgotten")


def test_open_streams_do_not_keep_the_server_from_stopping(live_server: LiveServer) -> None:
    with httpx.stream("GET", f"{live_server.url}/api/events", timeout=20) as answer:
        lines = answer.iter_lines()
        fields(lines)
        live_server.stop()
        assert not live_server.thread.is_alive()
        assert not [
            line for line in lines if line.startswith("event: ") and "status" not in line and "ledger" not in line
        ]
