"""Access rules from the settings: the operators of a file or, on loopback, the holder of the printed link."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from comporta.runtime.settings import PREFIX, Settings, SettingsError
from control.auth.operators import CredentialStore, OperatorsFile, OperatorsUnreadable, SingleCredential
from control.auth.sessions import Sessions
from control.auth.tokens import LOCAL, Credential, digest_of, new_token

__all__ = ["Access", "PublicUrl", "is_loopback", "open_access", "parse_public_url"]


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials, sessions and addresses of the web server; `token` is that of the login link, if any."""

    registry: CredentialStore
    sessions: Sessions
    public_url: PublicUrl
    hosts: tuple[str, ...]
    token: str | None = field(repr=False)

    def link(self, address: str) -> str | None:
        """Return the login link for `address` or, behind a proxy, for the public URL; None with an operators file."""
        if self.token is None:
            return None
        return f"{self.public_address(address)}/?token={self.token}"

    def public_address(self, address: str) -> str:
        """Return the public URL or, without one, `address`, where the server listens."""
        return address if self.public_url.origin is None else self.public_url.origin + self.public_url.root


def open_access(settings: Settings) -> Access:
    """Build the access rules.

    Raises `SettingsError` if the operators file can't be read, or if there is none and the address is not loopback.
    """
    public_url = parse_public_url(settings.public_url)
    if settings.operators_file is not None:
        try:
            registry: CredentialStore = OperatorsFile(settings.operators_file)
        except OperatorsUnreadable as error:
            raise SettingsError(f"{PREFIX}OPERATORS_FILE: {error}") from None
        # Every request authenticates, so checking the Host header as well would add no protection.
        return Access(registry, Sessions(registry), public_url, ("*",), None)
    if not is_loopback(settings.admin_host):
        raise SettingsError(
            f"{PREFIX}ADMIN_HOST: {settings.admin_host} is not a loopback address, and other addresses require "
            f"operators: create an operators file with `comporta operator add` and set {PREFIX}OPERATORS_FILE to it, "
            f"or leave {PREFIX}ADMIN_HOST at 127.0.0.1"
        )
    token = new_token()
    registry = SingleCredential(Credential(LOCAL, digest_of(token)))
    hosts = (settings.admin_host, "localhost", "127.0.0.1", "[::1]", *([public_url.host] if public_url.host else []))
    return Access(registry, Sessions(registry), public_url, hosts, token)


class PublicUrl(NamedTuple):
    """Parts of the public URL; without one, origin and host are those of the request."""

    origin: str | None = None
    host: str | None = None
    root: str = ""

    @property
    def secure(self) -> bool:
        """Return whether the public URL is https."""
        return self.origin is not None and self.origin.startswith("https://")


def parse_public_url(public_url: str | None) -> PublicUrl:
    """Parse a public URL; its path, without a trailing slash, is the root path."""
    if public_url is None:
        return PublicUrl()
    parts = urlsplit(public_url)
    default_port = {"http": 80, "https": 443}[parts.scheme]
    host = parts.hostname or ""
    netloc = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, default_port} else f":{parts.port}"
    return PublicUrl(f"{parts.scheme}://{netloc}{port}", netloc, parts.path.rstrip("/"))


def is_loopback(host: str) -> bool:
    """Return whether only programs on this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
