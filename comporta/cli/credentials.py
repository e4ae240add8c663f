"""The token that a command shows to a running Comporta, and what is said when it is not enough."""

from __future__ import annotations

from typing import NamedTuple

from comporta.runtime.settings import PREFIX, Settings
from control.auth.local_token import UnsafeTokenFile, load_local_token

__all__ = ["ClientCredentials", "client_credentials"]

_UNAUTHORIZED, _FORBIDDEN = 401, 403


class ClientCredentials(NamedTuple):
    """A token, if there is one, where it came from, and why there is none."""

    token: str | None
    source: str
    problem: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What to send along with a request."""
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}

    def refused(self, status: int) -> str | None:
        """What to do about an answer that says no to who asks; None for any other answer."""
        if status == _FORBIDDEN:
            return f"{self.source} is that of a viewer, who may only look: use an operator's token"
        if status != _UNAUTHORIZED:
            return None
        if self.token is not None:
            return f"{self.source} is not known there: {_HOW}"
        return f"it asks who you are, and {self.problem}: {_HOW}"


_HOW = (
    f"set {PREFIX}TOKEN to a token that `comporta operator add` printed or, where there is no "
    f"{PREFIX}OPERATORS_FILE, run this as the user who started Comporta"
)


def client_credentials(settings: Settings) -> ClientCredentials:
    """`COMPORTA_TOKEN`; without it, what the process on this port has left for its own user."""
    if settings.token is not None:
        return ClientCredentials(settings.token.get_secret_value(), f"{PREFIX}TOKEN")
    try:
        link = load_local_token(settings.admin_port)
    except UnsafeTokenFile as unsafe:
        return ClientCredentials(None, "", str(unsafe))
    if link is None:
        return ClientCredentials(None, "", f"{PREFIX}TOKEN is not set")
    return ClientCredentials(link, f"the token of the Comporta that was started on port {settings.admin_port}")
