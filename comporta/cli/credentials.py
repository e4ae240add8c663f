"""Credentials of a command for a running Comporta, and the remedy where they are refused."""

from __future__ import annotations

from typing import NamedTuple

from comporta.runtime.settings import PREFIX, Settings
from control.auth.local_token import UnsafeTokenFile, load_local_token

__all__ = ["ClientCredentials", "client_credentials"]

_UNAUTHORIZED, _FORBIDDEN = 401, 403


class ClientCredentials(NamedTuple):
    """Token of a command with its source; `problem` is the reason why there is none."""

    token: str | None
    source: str
    problem: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}

    def refused(self, status: int) -> str | None:
        """Return the remedy for a response with this status, None unless it refuses the credentials (401, 403)."""
        if status == _FORBIDDEN:
            return f"{self.source} belongs to a viewer, who may only read: use an operator's token"
        if status != _UNAUTHORIZED:
            return None
        if self.token is not None:
            return f"{self.source} is not a valid token there: {_REMEDY}"
        return f"it requires a token, and {self.problem}: {_REMEDY}"


_REMEDY = (
    f"set {PREFIX}TOKEN to a token that `comporta operator add` printed or, where there is no "
    f"{PREFIX}OPERATORS_FILE, run this as the user who started Comporta"
)


def client_credentials(settings: Settings) -> ClientCredentials:
    """Return `COMPORTA_TOKEN`, or the token that the process on this port has saved for its own user."""
    if settings.token is not None:
        return ClientCredentials(settings.token.get_secret_value(), f"{PREFIX}TOKEN")
    try:
        token = load_local_token(settings.admin_port)
    except UnsafeTokenFile as unsafe:
        return ClientCredentials(None, "", str(unsafe))
    if token is None:
        return ClientCredentials(None, "", f"{PREFIX}TOKEN is not set")
    return ClientCredentials(token, f"the token of the Comporta that was started on port {settings.admin_port}")
