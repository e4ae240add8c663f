"""Where people see us: the address that a proxy shows, and the hosts and origins that are ours."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Place", "is_loopback", "place_of"]


class Place(NamedTuple):
    """The public address taken apart; without one, all is as the request says."""

    origin: str | None = None
    host: str | None = None
    root: str = ""

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return self.origin is not None and self.origin.startswith("https://")


def place_of(public_url: str | None) -> Place:
    """Where a public URL says we are; its path is the root path, without a slash at its end."""
    if public_url is None:
        return Place()
    parts = urlsplit(public_url)
    standard = {"http": 80, "https": 443}[parts.scheme]
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, standard} else f":{parts.port}"
    return Place(f"{parts.scheme}://{named}{port}", named, parts.path.rstrip("/"))


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
