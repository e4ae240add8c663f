"""HTTP ERP: keeps the orders it got, and answers as a script says."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.services.ports import HOST, free_port

__all__ = ["HttpErp", "running_http_erp"]

_RESET = struct.pack("ii", 1, 0)


class HttpErp:
    """ERP that numbers each order once, whatever it answers; `script` says how the next requests are answered.

    `always` says how single orders are answered, by idempotency key.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://{HOST}:{port}/orders"
        self.numbers: dict[str, str] = {}
        self.payloads: dict[str, Any] = {}
        self.requests: Counter[str] = Counter()
        self.headers: dict[str, Message] = {}
        self.bodies: dict[str, bytes] = {}
        self.script: list[str] = []
        self.default = "take"
        self.always: dict[str, str] = {}
        self.elsewhere = ""
        self.events: Callable[[Any], Any] = lambda _payload: []
        self.written = 0
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
            if key in self.always:
                return self.always[key]
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
        body = self.rfile.read(int(self.headers["Content-Length"]))
        payload = json.loads(body)
        key, erp = self.headers["Idempotency-Key"], self.server.erp
        erp.headers[key], erp.bodies[key] = self.headers, body
        _ANSWERS[erp.next_answer(key)](self, erp, key, payload)

    def do_GET(self) -> None:
        """A redirect that is followed would come here as a GET."""
        self.server.erp.requests["GET"] += 1
        self.answer(200, {"erp_number": "wrong"})

    def answer(self, code: int, body: Any = None, **headers: str) -> None:
        """Send an answer."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
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


def _trickle(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    # A byte every tenth of a second: no single wait for a byte is long.
    for byte in b"HTTP/1.1 201 Created\r\nX-Slow: " + b"x" * 10_000:
        if erp.released.wait(0.1):
            break
        request.wfile.write(bytes([byte]))
    request.close_connection = True


def _trickle_body(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    request.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 10000\r\n\r\n")
    while not erp.released.wait(0.1):
        request.wfile.write(b" ")
    request.close_connection = True


def _endless(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    request.wfile.write(b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n")
    while not erp.released.is_set():
        request.wfile.write(b" " * 65536)
        erp.written += 65536


def _bomb(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    number = json.dumps({"erp_number": erp.take(key, payload)[0]}).encode()
    packer = zlib.compressobj(1, wbits=31)
    packed = packer.compress(number) + b"".join(packer.compress(b" " * 1024 * 1024) for _ in range(400))
    request.answer(201, packed + packer.flush(), Content_Encoding="gzip")


def _answer_events(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    erp.payloads[key] = payload
    request.answer(200, erp.events(payload))


def _hang(request: _Request, erp: HttpErp, key: str, payload: Any) -> None:
    erp.released.wait(60)
    _take(request, erp, key, payload)


_ANSWERS: dict[str, Callable[[_Request, HttpErp, str, Any], None]] = {
    "take": _take,
    "take and reset": _take_and_reset,
    "hang": _hang,
    "events": _answer_events,
    "accept": lambda request, _erp, _key, _payload: request.answer(202),
    "echo": lambda request, _erp, _key, _payload: request.answer(401, {"got": request.headers["Authorization"]}),
    "latin": lambda request, _erp, _key, _payload: request.answer(201, b'{"erp_number": "7", "said": "cora\xe7\xe3o"}'),
    "marked": lambda request, _erp, _key, _payload: request.answer(201, b'\xef\xbb\xbf{"erp_number": "7"}'),
    "marked list": lambda request, _erp, _key, _payload: request.answer(200, b"\xef\xbb\xbf[]"),
    "500": lambda request, _erp, _key, _payload: request.answer(500, {"detail": "down"}),
    "400": lambda request, _erp, _key, _payload: request.answer(400, {"detail": "no such customer"}),
    "429": lambda request, _erp, _key, _payload: request.answer(429, {}, Retry_After="1"),
    "reset": lambda request, _erp, _key, _payload: request.reset(),
    "garbage": lambda request, _erp, _key, _payload: request.answer(200, b"<html>\xff"),
    "empty": lambda request, _erp, _key, _payload: request.answer(200, {}),
    "trickle": _trickle,
    "trickle body": _trickle_body,
    "endless": _endless,
    "bomb": _bomb,
    "true": lambda request, _erp, _key, _payload: request.answer(200, {"erp_number": True}),
    "list": lambda request, _erp, _key, _payload: request.answer(201, [1]),
    "blank": lambda request, _erp, _key, _payload: request.answer(201, {"erp_number": "  "}),
    "half a pair": lambda request, _erp, _key, _payload: request.answer(201, b'{"erp_number": "\\ud800"}'),
    "nested": lambda request, _erp, _key, _payload: request.answer(201, b"[" * 100_000),
    "elsewhere": lambda request, erp, _key, _payload: request.answer(307, {}, Location=erp.elsewhere),
    "redirect": lambda request, erp, _key, _payload: request.answer(303, {}, Location=erp.url),
}


def _refuse(code: int, request: _Request, _erp: HttpErp, _key: str, _payload: Any) -> None:
    request.answer(code, None if code < 400 else {"detail": "no"})


for _code in range(201, 505):
    _ANSWERS.setdefault(str(_code), partial(_refuse, _code))


@contextmanager
def running_http_erp(tls: ssl.SSLContext | None = None) -> Iterator[HttpErp]:
    """Run an ERP that ends with the block; with `tls` it speaks https, and shows what is loaded there at the time."""
    port = free_port()
    server = _Server((HOST, port), _Request)
    server.erp = erp = HttpErp(port)
    if tls is not None:
        erp.url = erp.url.replace("http:", "https:")
        # The handshake is left to the request's own thread: one that fails holds up no other.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="ERP", daemon=True)
    thread.start()
    try:
        yield erp
    finally:
        erp.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
