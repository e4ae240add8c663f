"""Broker URL: one or several nodes, the login and the virtual host, for every client library alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from rules.addresses import AddressError, Host, read_address

__all__ = ["BrokerAddress", "BrokerUrlError", "check_url", "is_memory", "masked", "read_url"]

_PORTS = {"amqp": 5672, "amqps": 5671}
_FORM = "use memory://, amqp://user:password@host:5672/vhost or amqps://"


class BrokerUrlError(ValueError):
    """Broker URL that can't be used; the text has the remedy."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Nodes of one cluster with the login to all of them; `options`: the URL has a query, which nothing reads."""

    nodes: tuple[Host, ...]
    user: str
    password: str = field(repr=False)
    vhost: str
    tls: bool
    options: bool = False


def is_memory(url: str) -> bool:
    """Return whether the URL names the embedded broker of this process."""
    return url.startswith("memory://")


def read_url(url: str) -> BrokerAddress:
    """Read an amqp:// or amqps:// URL; raises `BrokerUrlError`.

    The libraries are given the parts and never the URL: each would read several nodes, a query or the virtual host in
    its own way.
    """
    scheme = url.partition("://")[0]
    if scheme not in _PORTS:
        raise BrokerUrlError(f"not a broker URL; {_FORM}")
    try:
        address = read_address(url)
    except AddressError as error:
        raise BrokerUrlError(f"not a broker URL: {error}; {_FORM}") from None
    if not address.hosts:
        raise BrokerUrlError(f"not a broker URL: it names no host; {_FORM}")
    return BrokerAddress(
        tuple(Host(node.name, node.port or _PORTS[scheme]) for node in address.hosts),
        address.user or "guest",
        "guest" if address.user is None and address.password is None else address.password or "",
        unquote(address.path[1:]) or "/",
        scheme == "amqps",
        bool(address.query),
    )


def check_url(url: str) -> str:
    """Return the URL unchanged. Raises `BrokerUrlError` unless it is memory://, amqp:// or amqps:// and well formed."""
    if not is_memory(url):
        read_url(url)
    return url


def masked(url: str) -> str:
    """Return the URL without its password, for logs and messages."""
    if is_memory(url):
        return "memory://"
    try:
        return replace(read_address(url), password=None).masked
    except AddressError:
        return "(unreadable URL)"
