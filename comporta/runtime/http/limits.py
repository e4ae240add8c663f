"""Limits of an HTTP server, and the settings that they come from."""

from __future__ import annotations

import ipaddress
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.log import logger

__all__ = ["RESERVED_CONNECTIONS", "HttpLimits", "HttpSettings", "file_limit", "trusted_proxies"]

log = logger(__name__)

# Connections beyond the limit, for health, metrics and the switch alone.
RESERVED_CONNECTIONS = 16
# Descriptors that are left to the database, the broker, files and connections that are being closed.
_OTHER_FILES = 256


class HttpSettings(BaseSettings):
    """Settings of the HTTP server, which the process's settings include."""

    model_config = SettingsConfigDict(defer_build=True)

    http_connections: Annotated[int, Field(ge=8, le=100_000)] = 500
    http_connections_per_address: Annotated[int, Field(ge=1, le=100_000)] = 100
    http_header_timeout: Annotated[float, Field(gt=0, le=3600)] = 10.0
    http_body_timeout: Annotated[float, Field(gt=0, le=3600)] = 120.0
    http_body_rate: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1024
    http_streams: Annotated[int, Field(ge=1, le=100_000)] = 100


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits on connections (in all, and of one address), on seconds to headers and body, and on bytes per second.

    `exempt` tells whether an address is that of a proxy, which speaks for many.
    """

    connections: int = 500
    per_address: int = 100
    header_timeout: float = 10.0
    body_timeout: float = 120.0
    body_rate: int = 1024
    exempt: Callable[[str], bool] = lambda _address: False

    @classmethod
    def of(cls, settings: HttpSettings) -> HttpLimits:
        """Return the limits that the settings name, lowered where the descriptors of the process do not suffice."""
        connections = min(settings.http_connections, file_limit())
        if connections < settings.http_connections:
            log.warning("fewer connections than set: the limit of open files is too low", connections=connections)
        return cls(
            connections,
            settings.http_connections_per_address,
            settings.http_header_timeout,
            settings.http_body_timeout,
            settings.http_body_rate,
            trusted_proxies(os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")),
        )


def file_limit() -> int:
    """Return the number of connections for which the process has descriptors, beside its other files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return 1_000_000
    return max(1, files - min(files // 2, _OTHER_FILES) - RESERVED_CONNECTIONS)


def trusted_proxies(listed: str) -> Callable[[str], bool]:
    """Return the test of an address for a list of proxies as `FORWARDED_ALLOW_IPS` has it."""
    names = {name.strip() for name in listed.split(",") if name.strip()}
    networks = [network for name in names if (network := _network(name)) is not None]

    def trusted(address: str) -> bool:
        if "*" in names or address in names:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in networks)

    return trusted


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(name)
    except ValueError:
        return None
