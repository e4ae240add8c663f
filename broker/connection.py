"""Connections to the broker over kombu, and the one translation of their errors to `BrokerLost`."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import kombu
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed
from kombu.exceptions import KombuError
from kombu.transport import memory, virtual

from broker import reader
from broker.address import BrokerAddress, BrokerUrlError, check_url, is_memory, masked, read_url
from broker.nodes import report_failure, shuffled
from rules.addresses import Host
from rules.certificates import tls_fault

__all__ = [
    "HEARTBEAT",
    "BrokerLost",
    "BrokerUrlError",
    "ConsumerCancelled",
    "check_url",
    "in_cluster",
    "is_memory",
    "login_refused",
    "masked",
    "node_of",
    "open_connection",
    "release",
    "translated",
]

HEARTBEAT = 30
# A quorum queue that did not recover may never answer, and py-amqp would wait forever.
_READ_TIMEOUT = 5
# Of several nodes the next one is tried sooner.
_CONNECT_TIMEOUT, _NODE_CONNECT_TIMEOUT = 5, 2


class BrokerLost(ConnectionError):
    """Loss of the broker, the connection or a channel; a later attempt may succeed."""


class ConsumerCancelled(BrokerLost):
    """End of a consumer by the broker: its queue was deleted or has moved."""


class _Connection(kombu.Connection):
    """Connection to one node of the broker."""

    node: Host | None = None
    nodes = 1


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


def open_connection(url: str, *, name: str, publishing: bool = False, heartbeat: int = HEARTBEAT) -> kombu.Connection:
    """Return an open connection to one of the nodes; the broker lists it under `name`. Raises `BrokerLost`.

    A publishing connection waits for confirms. It has no heartbeats, since its thread does not read between messages.
    """
    if is_memory(url):
        with translated():
            embedded = kombu.Connection(url, transport=_MemoryTransport)
            embedded.connect()
            return embedded
    address = read_url(url)
    faults: list[tuple[Host, BrokerLost]] = []
    for node in shuffled(address.nodes):
        connection = _to_node(address, node, name, publishing, 0 if publishing else heartbeat)
        try:
            with translated():
                # Without repetitions, which kombu would put 2 s apart: the caller's own go to other nodes.
                connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
            return connection
        except BrokerLost as error:
            report_failure(node)
            faults.append((node, error))
            release(connection, broken=True)
    raise _lost_all(faults)


def _to_node(address: BrokerAddress, node: Host, name: str, publishing: bool, heartbeat: int) -> _Connection:
    # py-amqp checks the host name only if it is passed; the CA certificates are the system's or SSL_CERT_FILE's.
    tls = {"server_hostname": node.name, "cert_reqs": ssl.CERT_REQUIRED}
    connection = _Connection(
        hostname=f"[{node.name}]" if ":" in node.name else node.name,
        port=node.port,
        userid=address.user,
        password=address.password,
        virtual_host=address.vhost,
        transport=reader.Transport,
        heartbeat=heartbeat,
        connect_timeout=_CONNECT_TIMEOUT if len(address.nodes) == 1 else _NODE_CONNECT_TIMEOUT,
        ssl=tls if address.tls else False,
        transport_options={
            "confirm_publish": publishing,
            "read_timeout": _READ_TIMEOUT,
            "write_timeout": HEARTBEAT,
            "socket_settings": {socket.TCP_USER_TIMEOUT: 15_000},
            "client_properties": {"connection_name": f"comporta {name} {os.getpid()}"},
        },
    )
    connection.node, connection.nodes = node, len(address.nodes)
    return connection


def _lost_all(faults: list[tuple[Host, BrokerLost]]) -> BrokerLost:
    """Return the error of nodes of which none could be reached; a refused login is its cause, if there is one."""
    error = next((error for _, error in faults if login_refused(error)), faults[-1][1])
    if len(faults) == 1:
        return error
    lost = BrokerLost("; ".join(f"{node}: {error}" for node, error in faults))
    lost.__cause__ = error.__cause__
    return lost


def in_cluster(connection: kombu.Connection) -> bool:
    """Return whether the URL of the connection names several nodes."""
    return isinstance(connection, _Connection) and connection.nodes > 1


def login_refused(error: BrokerLost) -> bool:
    """Return whether the broker refused the login: the user, the password or the virtual host is wrong."""
    return isinstance(error.__cause__, AccessRefused | NotAllowed)


def broker_release(connection: kombu.Connection) -> tuple[int, int] | None:
    """Return the release of an open connection's broker, such as (4, 3); None for one that does not tell it."""
    properties = getattr(connection.connection, "server_properties", None) or {}
    return read_release(str(properties.get("version", "")))


def read_release(version: str) -> tuple[int, int] | None:
    """Return the first two numbers of a version of RabbitMQ; None if it does not begin with two."""
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def node_of(connection: kombu.Connection) -> str | None:
    """Return the node of a connection for display, None for the embedded broker."""
    return str(node) if (node := getattr(connection, "node", None)) else None


def release(connection: kombu.Connection, *, broken: bool = False) -> None:
    """Close a connection; a broken one without the closing handshake, which might never be answered.

    The next connection rather goes to another node than to that of a broken one.
    """
    if broken and isinstance(connection, _Connection) and connection.node is not None:
        report_failure(connection.node)
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
    text = tls_fault(error) or getattr(error, "reply_text", None) or getattr(error, "strerror", None) or ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
