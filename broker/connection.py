"""Connections to the broker over kombu, and the one translation of their errors to `BrokerLost`."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import kombu
from amqp.exceptions import AMQPError
from kombu.exceptions import KombuError
from kombu.transport import memory, virtual

from broker import reader

__all__ = [
    "BrokerLost",
    "BrokerUrlError",
    "check_url",
    "is_memory",
    "masked",
    "open_connection",
    "release",
    "translated",
]

HEARTBEAT = 30
# A quorum queue that did not recover may never answer, and py-amqp would wait forever.
_READ_TIMEOUT = 5


class BrokerLost(ConnectionError):
    """Loss of the broker, the connection or a channel; a later attempt may succeed."""


class BrokerUrlError(ValueError):
    """Broker URL that can't be used; the text has the remedy."""


class _RawMessage(virtual.Message):
    """Message with the body as sent: kombu's own class would decompress a body with a `compression` header."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **kwargs: Any) -> None:
        self.compression = (payload.get("headers") or {}).get("compression")
        headers = {name: value for name, value in (payload.get("headers") or {}).items() if name != "compression"}
        super().__init__({**payload, "headers": headers}, channel=channel, **kwargs)


class _MemoryChannel(memory.Channel):
    Message = _RawMessage


class _MemoryTransport(memory.Transport):
    """kombu's in-process broker, polled every 2 ms instead of every second."""

    Channel = _MemoryChannel
    polling_interval = 0.002


def is_memory(url: str) -> bool:
    """Return whether the URL names the embedded broker of this process."""
    return url.startswith("memory://")


def check_url(url: str) -> str:
    """Return the URL unchanged. Raises `BrokerUrlError` unless it is memory://, amqp:// or amqps:// and well formed."""
    if not url.startswith(("memory://", "amqp://", "amqps://")):
        raise BrokerUrlError("not a broker URL; use memory://, amqp://user:password@host:5672/vhost or amqps://")
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise BrokerUrlError("the host is unreadable or the port is not a number between 0 and 65535") from None
    return url


def masked(url: str) -> str:
    """Return the URL without its password, for logs and messages."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{port}{parts.path}"


def open_connection(url: str, *, name: str, publishing: bool = False) -> kombu.Connection:
    """Return an open connection; the broker lists it under `name`. Raises `BrokerLost`.

    A publishing connection waits for confirms. It has no heartbeats, since its thread does not read between messages.
    """
    with translated():
        if is_memory(url):
            embedded = kombu.Connection(url, transport=_MemoryTransport)
            embedded.connect()
            return embedded
        scheme = urlsplit(url).scheme
        connection = kombu.Connection(
            "amqp" + url.removeprefix(scheme),
            transport=reader.Transport,
            heartbeat=0 if publishing else HEARTBEAT,
            connect_timeout=5,
            ssl=_tls(url) if scheme == "amqps" else False,
            transport_options={
                "confirm_publish": publishing,
                "read_timeout": _READ_TIMEOUT,
                "write_timeout": HEARTBEAT,
                "socket_settings": {socket.TCP_USER_TIMEOUT: 15_000},
                "client_properties": {"connection_name": f"comporta {name} {os.getpid()}"},
            },
        )
        connection.connect()
        return connection


def release(connection: kombu.Connection, *, broken: bool = False) -> None:
    """Close a connection; a broken one without the closing handshake, which might never be answered."""
    with suppress(BrokerLost), translated():
        if broken:
            connection.collect()
        else:
            connection.release()


@contextmanager
def translated() -> Iterator[None]:
    """Translate the errors of kombu, py-amqp and the socket to `BrokerLost`, without passwords or bodies."""
    try:
        yield
    except BrokerLost:
        raise
    except (KombuError, AMQPError, OSError, struct.error, AttributeError, LookupError, TypeError) as error:
        # py-amqp raises the last three when the connection is closed during a call.
        raise BrokerLost(_error_text(error)) from error


def _error_text(error: BaseException) -> str:
    text = getattr(error, "reply_text", None) or getattr(error, "strerror", None) or ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _tls(url: str) -> dict[str, Any]:
    # py-amqp checks the host name only if it is passed; the CA certificates are the system's or SSL_CERT_FILE's.
    return {"server_hostname": urlsplit(url).hostname, "cert_reqs": ssl.CERT_REQUIRED}
