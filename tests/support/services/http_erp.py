"""HTTP ERP: keeps the orders it got, and answers as a script says."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.services.ports import HOST, free_port

__all__ = ["HttpErp", "running_http_erp"]

_RESET = struct.pack("ii", 1, 0)


class HttpErp:
    """ERP that numbers each order once, whatever it answers; `script` says how the next requests are answered."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}/orders"
        self.numbers: dict[str, str] = {}
        self.payloads: dict[str, Any] = {}
        self.requests: Counter[str] = Counter()
        self.script: list[str] = []
        self.default = "take"
        self.released = threading.Event()
        self._lock = threading.Lock()

    def take(self, key: str, payload: Any) -> tuple[str, bool]:
        """Take an order; return its number, and whether it was known before."""
        with self._lock:
            known = key in self.numbers
            number = self.numbers.setdefault(key, str(1000 + len(self.numbers)))
            self.payloads[key] = payload
            return number, known

    def next_answer(self, key: str) -> str:
        """Return the name of the answer to this request."""
        with self._lock:
            self.requests[key] += 1
            return self.script.pop(0) if self.script else self.default


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    erp: HttpErp

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone meanwhile is part of the game."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written apart: the second would wait 40 ms for the first to be acknowledged.
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Read the order and answer."""
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, erp = self.headers["Idempotency-Key"], self.server.erp
        _ANSWERS[erp.next_answer(key)](self, erp, key, payload)

    def do_GET(self) -> None:
        """A redirect that is followed would come here as a GET."""
        self.server.erp.requests["GET"] += 1
        self.answer(200, {"erp_number": "wrong"})

    def answer(self, code: int, body: Any = None, **headers: str) -> None:
        """Send an answer."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def reset(self) -> None:
        """End the connection without an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _take(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    number, known = erp.take(key, payload)
    request.answer(409 if known else 201, {"erp_number": number})


def _take_and_reset(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    erp.take(key, payload)
    request.reset()


def _hang(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    erp.released.wait(60)
    _take(request, erp, key, payload)


_ANSWERS: dict[str, Callable[[_Request, HttpErp, str, Any], None]] = {
    "take": _take,
    "take and reset": _take_and_reset,
    "hang": _hang,
    "accept": lambda request, _erp, _key, _payload: request.answer(202),
    "500": lambda request, _erp, _key, _payload: request.answer(500, {"detail": "down"}),
    "400": lambda request, _erp, _key, _payload: request.answer(400, {"detail": "no such customer"}),
    "429": lambda request, _erp, _key, _payload: request.answer(429, {}, Retry_After="1"),
    "reset": lambda request, _erp, _key, _payload: request.reset(),
    "garbage": lambda request, _erp, _key, _payload: request.answer(200, b"<html>\xff"),
    "empty": lambda request, _erp, _key, _payload: request.answer(200, {}),
    "redirect": lambda request, erp, _key, _payload: request.answer(303, {}, Location=erp.url),
}


@contextmanager
def running_http_erp() -> Iterator[HttpErp]:
    """Run an ERP that ends with the block."""
    port = free_port()
    server = _Server((HOST, port), _Request)
    server.erp = erp = HttpErp(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="ERP", daemon=True)
    thread.start()
    try:
        yield erp
    finally:
        erp.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
