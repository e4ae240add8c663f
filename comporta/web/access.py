"""From settings to who may come in: the operators of a file or, on loopback, whoever has the link."""

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
    """Who may come in, and where: `token` is that of the link where there are no operators, else None."""

    registry: CredentialStore
    sessions: Sessions
    place: PublicUrl
    hosts: tuple[str, ...]
    token: str | None = field(repr=False)

    def link(self, address: str) -> str | None:
        """The link that lets its holder in at this address or, behind a proxy, at the public one."""
        if self.token is None:
            return None
        return f"{self.public_address(address)}/?token={self.token}"

    def public_address(self, address: str) -> str:
        """Where people find us, who listen at `address`."""
        return address if self.place.origin is None else self.place.origin + self.place.root


def open_access(settings: Settings) -> Access:
    """What the settings say; raises `SettingsError` where they let in whoever comes, or name a faulty file."""
    place = parse_public_url(settings.public_url)
    if settings.operators_file is not None:
        try:
            registry: CredentialStore = OperatorsFile(settings.operators_file)
        except OperatorsUnreadable as error:
            raise SettingsError(f"{PREFIX}OPERATORS_FILE: {error}") from None
        # Whoever asks is asked who they are, so that the name by which they came proves nothing more.
        return Access(registry, Sessions(registry), place, ("*",), None)
    if not is_loopback(settings.admin_host):
        raise SettingsError(
            f"{PREFIX}ADMIN_HOST: {settings.admin_host} is not a loopback address, and without operators that takes "
            f"more than a link: name them in a file with `comporta operator add` and set {PREFIX}OPERATORS_FILE to it, "
            f"or leave {PREFIX}ADMIN_HOST at 127.0.0.1"
        )
    token = new_token()
    registry = SingleCredential(Credential(LOCAL, digest_of(token)))
    hosts = (settings.admin_host, "localhost", "127.0.0.1", "[::1]", *([place.host] if place.host else []))
    return Access(registry, Sessions(registry), place, hosts, token)


class PublicUrl(NamedTuple):
    """The public address taken apart; without one, all is as the request says."""

    origin: str | None = None
    host: str | None = None
    root: str = ""

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return self.origin is not None and self.origin.startswith("https://")


def parse_public_url(public_url: str | None) -> PublicUrl:
    """Where a public URL says we are; its path is the root path, without a slash at its end."""
    if public_url is None:
        return PublicUrl()
    parts = urlsplit(public_url)
    standard = {"http": 80, "https": 443}[parts.scheme]
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, standard} else f":{parts.port}"
    return PublicUrl(f"{parts.scheme}://{named}{port}", named, parts.path.rstrip("/"))


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
