"""Prefix proxy: shows the page below a path, and takes the path off the requests."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.services.ports import HOST

__all__ = ["running_prefix_proxy"]

_CHUNK = 65_536
_BETWEEN_TWO = {"connection", "keep-alive", "transfer-encoding", "date", "server"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    prefix: str
    target: int

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that has left meanwhile is part of the game."""


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Ask the target, and pass its answer on as it comes."""
        if not self.path.startswith(self.server.prefix + "/"):
            self.send_error(404, "not below the path")
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = http.client.HTTPConnection(HOST, self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _BETWEEN_TWO}
        asked.request(self.command, self.path.removeprefix(self.server.prefix), body, headers)
        answer = asked.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _BETWEEN_TWO:
                self.send_header(name, value)
        self.end_headers()
        while part := answer.read1(_CHUNK):
            self.wfile.write(part)
        asked.close()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def running_prefix_proxy(port: int, prefix: str, target: int) -> Iterator[None]:
    """Show the target port below the prefix at another port, for as long as the block lasts."""
    server = _Server((HOST, port), _Request)
    server.prefix, server.target = prefix, target
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="prefix proxy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
