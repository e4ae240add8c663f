"""Connections that only hold or waste what the server has: health and the switch answer all the same."""

from __future__ import annotations

import resource
import socket
import time

import httpx
import psutil
import pytest

from tests.support.http_attacks import flood, is_closed, open_connections, slowest, trickle
from tests.support.programs import Program, Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until

# On a quiet machine the slowest answer takes some milliseconds; under these attacks it used to take 18 s or never came.
MOST_SECONDS = 6.0
EVENTS = (
    b"POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents+json\r\n"
    b"Transfer-Encoding: chunked\r\n"
)
LOGIN = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"


class Besieged:
    """Running process with the page."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self.port = port
        program.wait_for("listening")
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={**program.bearer, "connection": "close"}, timeout=30
        )

    def slowest(self, times: int = 8) -> float:
        """Ask for health, readiness, metrics and a pause, each over a new connection; return the slowest time."""
        paths = ("/healthz", "/readyz", "/metrics")
        ask = [lambda path=path: self._client.get(path) for path in paths]
        return slowest([*ask, lambda: self._client.post("/api/pause", json={"reason": "siege"})], times)

    def post(self, path: str, content: bytes) -> httpx.Response:
        """Post with the token."""
        return self._client.post(path, content=content)


def besieged(programs: Programs, **settings: object) -> Besieged:
    port = free_port()
    return Besieged(programs.start("run", ADMIN_PORT=port, LOG_FORMAT="json", **settings), port)


def test_more_silent_connections_than_descriptors_keep_nothing_from_answering(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITED_OPEN_FILES", "128")
    port = free_port()
    program = programs.start("run", module="tests.support.limited_program", ADMIN_PORT=port, LOG_FORMAT="json")
    siege = Besieged(program, port)
    assert program.logged("fewer connections than set: the limit of open files is too low", connections=48)
    held = open_connections(port, 400)
    assert siege.slowest() < MOST_SECONDS
    assert sum(map(is_closed, held)) >= 400 - 48
    assert len(program.output) < 10_000


def test_descriptors_that_run_out_are_logged_once_a_second(programs: Programs) -> None:
    siege = besieged(programs)
    assert siege.slowest(1) < 10
    files = psutil.Process(siege.program.pid).num_fds() + 12
    resource.prlimit(siege.program.pid, resource.RLIMIT_NOFILE, (files, files))
    begun = time.monotonic()
    held = open_connections(siege.port, 300)
    wait_until(lambda: "can't be accepted" in siege.program.output, what="the shortage to be logged")
    assert siege.slowest(3) < MOST_SECONDS
    assert siege.program.output.count("can't be accepted") <= time.monotonic() - begun + 1
    assert len(held) == 300


@pytest.mark.parametrize("head", [EVENTS, LOGIN], ids=["events", "login"])
def test_bodies_of_tiny_chunks_by_nobody_slow_nothing_down(programs: Programs, head: bytes) -> None:
    siege = besieged(programs)
    with flood(siege.port, head + b"\r\n", connections=6) as sent:
        wait_until(lambda: min(sent) > 0, what="every attacker to send")
        assert siege.slowest() < MOST_SECONDS


def test_slow_headers_are_ended_and_slow_nothing_down(programs: Programs) -> None:
    siege = besieged(programs, HTTP_HEADER_TIMEOUT=1)
    slow = open_connections(siege.port, 150)
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
    assert siege.slowest() < MOST_SECONDS
    assert trickle(slow, b"x", 0.1, 6) == len(slow)


def test_a_slow_body_is_ended_with_408(programs: Programs) -> None:
    siege = besieged(programs, HTTP_BODY_TIMEOUT=1)
    [slow] = open_connections(siege.port, 1)
    slow.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\ntoken=")
    answer = slow.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert siege.slowest(1) < MOST_SECONDS


def test_a_body_below_the_least_rate_is_ended_before_its_time(programs: Programs) -> None:
    siege = besieged(programs, HTTP_BODY_RATE=1000)
    [slow] = open_connections(siege.port, 1)
    slow.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000\r\n\r\ntoken=")
    assert trickle([slow], b"x", 0.05, 10) == 1


def test_one_address_holds_only_its_share(programs: Programs) -> None:
    siege = besieged(programs, HTTP_CONNECTIONS_PER_ADDRESS=5, HTTP_HEADER_TIMEOUT=60)
    held = open_connections(siege.port, 8, source="127.0.0.2")
    proxied = open_connections(siege.port, 8)
    wait_until(lambda: sum(map(is_closed, held)) == 3, what="the oldest three to be closed")
    assert [is_closed(one) for one in held] == [True] * 3 + [False] * 5
    # A proxy on this machine speaks for many.
    assert not any(map(is_closed, proxied))
    assert siege.slowest(1) < MOST_SECONDS


def test_little_is_read_after_the_answer_and_the_answer_arrives(programs: Programs) -> None:
    siege = besieged(programs)
    with socket.create_connection(("127.0.0.1", siege.port), timeout=10) as connection:
        connection.sendall(EVENTS.replace(b"Transfer-Encoding: chunked", b"Content-Length: 100000000") + b"\r\n")
        sent = 0
        while True:
            try:
                sent += connection.send(bytes(65_536))
            except OSError:
                break
        assert sent < 20_000_000
    with socket.create_connection(("127.0.0.1", siege.port), timeout=10) as connection:
        connection.sendall(EVENTS.replace(b"Transfer-Encoding: chunked", b"Content-Length: 100000000") + b"\r\n")
        connection.sendall(bytes(200_000))
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 401 ")


def test_tiny_chunks_are_refused_of_operators_too(programs: Programs) -> None:
    siege = besieged(programs)
    [connection] = open_connections(siege.port, 1)
    token = f"Authorization: Bearer {siege.program.token}\r\n\r\n".encode()
    connection.sendall(EVENTS + token)
    connection.sendall(b"1\r\n \r\n" * 20_000)
    answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"32 bytes" in answer
    assert siege.post("/events", b" " * 300_000).status_code == 415


def test_noise_is_refused_and_logged_once_a_second(programs: Programs) -> None:
    siege = besieged(programs)
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", siege.port), timeout=10) as connection:
            connection.sendall(b"\x16\x03\x01 noise\r\n\r\n")
            assert connection.makefile("rb").read().startswith(b"HTTP/1.1 400 ")
    assert siege.program.output.count("Invalid HTTP request") <= 10
