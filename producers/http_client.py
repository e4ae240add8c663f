"""HTTP client for one address: a deadline for the whole answer, of which so many bytes are read, and no redirects."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import zlib
from base64 import b64encode
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote

import httpcore
import httpx

__all__ = ["MOST_BYTES", "HttpAnswer", "HttpClient", "HttpFailure"]

MOST_BYTES = 1024 * 1024
_PIECE = 16 * 1024
_IDLE_SECONDS = 5.0
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
# Of zlib: find out by itself whether the data is in the format gzip or zlib.
_EITHER_FORMAT = 47


class HttpFailure(Exception):
    """A request without an answer; the text begins with the kind of the failure."""


class HttpAnswer(NamedTuple):
    """Status, headers by lower-case name, and the body without a byte order mark, cut off at the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text: UTF-8, else Latin-1, in which every byte is a character."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            return self.body.decode("latin-1")


class HttpClient:
    """Client that POSTs to one address over kept connections, at most `connections` at once, from several threads.

    An answer takes at most `timeout` seconds from the call to its last byte, however slowly it comes; `connect_timeout`
    of these are for the connection. A name that the resolver does not answer may take longer.
    """

    def __init__(
        self,
        url: str,
        connections: int,
        timeout: float,
        connect_timeout: float,
        headers: Mapping[str, str],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        target = httpx.URL(url)
        self._url = httpcore.URL(
            scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path
        )
        given = {name.lower() for name in headers}
        defaults = {"User-Agent": "comporta", "Accept": "application/json", **_basic_auth(target)}
        self._headers = {name: value for name, value in defaults.items() if name.lower() not in given} | dict(headers)
        self._timeout = timeout
        self._most_bytes = most_bytes
        self._timeouts = {"connect": connect_timeout, "read": timeout, "write": timeout, "pool": timeout}
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            # Made once: reading the certificates takes longer than an order.
            ssl_context=httpcore.default_ssl_context() if target.scheme == "https" else None,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=_Network(self._deadline),
        )

    def post(self, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """POST a body; raises `HttpFailure` if no whole answer comes in time."""
        fields = {"Accept-Encoding": "identity", **self._headers, **headers}
        self._deadline.at = time.monotonic() + self._timeout
        try:
            with self._pool.stream(
                "POST",
                self._url,
                headers=[(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
                content=body,
                extensions={"timeout": self._timeouts},
            ) as response:
                received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                # Some writers begin their texts with a byte order mark, of which JSON knows nothing.
                body = self._body(response, received).removeprefix(BOM_UTF8)
                return HttpAnswer(response.status, received, body)
        except _FAILURES as error:
            connecting = isinstance(error, httpcore.ConnectTimeout)
            raise HttpFailure(_explain(error, self._timeouts["connect" if connecting else "read"])) from error

    def _body(self, response: httpcore.Response, received: Mapping[str, str]) -> bytes:
        return _decoded(_read(response.iter_stream(), self._most_bytes), received, self._most_bytes)

    def close(self) -> None:
        """Close the connections: a request that waits for its answer fails at once."""
        self._pool.close()


def _basic_auth(url: httpx.URL) -> dict[str, str]:
    if not url.userinfo:
        return {}
    return {"Authorization": f"Basic {b64encode(unquote(url.userinfo.decode()).encode()).decode()}"}


def _read(pieces: Iterable[bytes], most: int) -> bytes:
    """Read until the end or one byte beyond the limit: the connection of an answer that is cut off is closed."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > most:
            break
    return bytes(body[:most])


def _decoded(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """Decompress a body that is compressed although it was not to be, up to the limit."""
    if headers.get("content-encoding", "").strip().lower() not in _COMPRESSED:
        return body
    try:
        return zlib.decompressobj(_EITHER_FORMAT).decompress(body, most)
    except zlib.error:
        return body


_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
    OSError,
)


class _UnknownHost(httpcore.ConnectError):
    """The name in the address has no host."""


class _TlsFailed(httpcore.ConnectError):
    """The encryption could not be agreed on: a certificate that is not trusted, no TLS at all."""


def _explain(error: Exception, timeout: float) -> str:
    """Return the kind of a failure, as people and alerts read it, and the details."""
    kind = next((kind for type_, kind in _KINDS if isinstance(error, type_)), "connection broken")
    is_late = isinstance(error, httpcore.TimeoutException)
    return f"{kind}: {f'not within {timeout:g} s' if is_late else error}"


_KINDS = (
    (_UnknownHost, "unknown host"),
    (_TlsFailed, "TLS failed"),
    ((httpcore.ConnectError, httpcore.ConnectTimeout), "no connection"),
    (httpcore.TimeoutException, "no answer"),
)


class _Deadline(threading.local):
    """The moment at which the request of the current thread is given up: kept connections go from thread to thread."""

    at: float = 0.0

    def within(self, timeout: float | None, error: type[Exception]) -> float:
        left = self.at - time.monotonic()
        if left <= 0:
            raise error("the time is over")
        return left if timeout is None else min(timeout, left)


class _Network(httpcore.SyncBackend):
    """Connections on which each step has no more time than is left of the request's."""

    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in _addresses(host, port):
            left = self._deadline.within(timeout, httpcore.ConnectTimeout)
            try:
                stream = super().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _Stream(stream, self._deadline)
        raise failure or httpcore.ConnectError(f"{host} has no address")


def _addresses(host: str, port: int) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _UnknownHost(str(error)) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            left = self._deadline.within(timeout, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _PIECE], left)

    def close(self) -> None:
        # Closing alone would leave a thread that reads from it waiting until its time is over.
        connected = self._stream.get_extra_info("socket")
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.within(timeout, httpcore.ConnectTimeout)
        try:
            return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)
        except httpcore.ConnectError as error:
            raise _TlsFailed(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
