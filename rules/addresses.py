"""Server addresses: login, hosts, path and query of a URL; no part of a password can pass for another part.

A password with `@`, `/`, `?` or `#` that is not percent-encoded would otherwise end early, and its rest would be shown
as a host, a port or a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

__all__ = ["Address", "AddressError", "Host", "read_address"]

_LOGIN = re.compile(r"(?P<user>[^:/?#]*)(?::(?P<password>.*))?", re.DOTALL)
_HOSTS = re.compile(r"(?P<hosts>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?P<fragment>#.*)?", re.DOTALL)
_HOST = re.compile(
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>[\w.-]+))(?::(?P<port>.*))?",
    re.DOTALL,
)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LAST_PORT = 65_535
_NEXT_URL = re.compile(r";\s*\w*://")
_SEVERAL = "several hosts are separated by commas within one URL: //user:password@host1:1,host2:2/path"
_ENCODE = "percent-encode @ : / ? # in the user and the password (@ is %40)"


class AddressError(ValueError):
    """A URL that can't be read in one way only; the text repeats no part of it."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host, without brackets if it is an IPv6 address, and its port; `port` is None where the URL names none."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """Parts of a URL: user and password decoded, path (with its slash) and query as written."""

    scheme: str
    hosts: tuple[Host, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str = ""
    query: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Return the whole URL, with its password."""
        password = "" if self.password is None else f":{quote(self.password, safe='')}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self._login(password)}{self._place}{query}"

    @property
    def masked(self) -> str:
        """Return the URL for display: without its password, and without its query, which may hold one too."""
        password = "" if self.password is None else ":***"
        return f"{self.scheme}://{self._login(password)}{self._place}"

    @property
    def _place(self) -> str:
        return ",".join(map(str, self.hosts)) + self.path

    def _login(self, password: str) -> str:
        return "" if self.user is None and not password else f"{quote(self.user or '', safe='')}{password}@"


def read_address(text: str) -> Address:
    """Read `scheme://user:password@host:port,host:port/path?query`; raises `AddressError`.

    The login ends at the only `@`. A password may hold `/`, `?` and `#` as they are, since databases have always taken
    them so.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise AddressError("it has no scheme")
    if _NEXT_URL.search(rest):
        raise AddressError(_SEVERAL)
    login, at, place = rest.rpartition("@")
    if "@" in login:
        raise AddressError(f"it has a second @: {_ENCODE}")
    user = password = None
    if at:
        parts = _LOGIN.fullmatch(login)
        if parts is None:
            raise AddressError(f"it has an @ after the host: {_ENCODE}")
        user = unquote(parts["user"]) or None
        password = None if parts["password"] is None else unquote(parts["password"])
    found = _HOSTS.fullmatch(place)
    if found is None or found["fragment"] is not None:
        raise AddressError(f"it has a #: {_ENCODE}")
    if ";" in found["hosts"]:
        raise AddressError(_SEVERAL)
    hosts = tuple(map(_host, found["hosts"].split(","))) if found["hosts"] else ()
    return Address(scheme, hosts, user, password, found["path"] or "", found["query"] or "")


def _host(text: str) -> Host:
    parts = _HOST.fullmatch(text)
    if parts is None:
        raise AddressError("a host is unreadable; an IPv6 address is written in brackets")
    port = parts["port"]
    if port is None:
        return Host(parts["literal"] or parts["name"])
    if not _PORT.fullmatch(port) or not 0 < int(port) <= _LAST_PORT:
        raise AddressError(f"a port is not a number between 1 and {_LAST_PORT}")
    return Host(parts["literal"] or parts["name"], int(port))
