"""Session cookie and login rate limit."""

from __future__ import annotations

import ipaddress
import math
import re
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.responses import Response

from comporta.web.access import PublicUrl
from comporta.web.failed_logins import FailedLogins, Way
from control.auth.sessions import SESSION_SECONDS
from control.auth.tokens import digest_of, token_beginning

__all__ = ["LOGIN", "LOGOUT", "LoginLimiter", "SessionCookie"]

LOGIN, LOGOUT = "/login", "/logout"
_FAILURES = RateLimitItemPerMinute(10)


class SessionCookie:
    """Session cookie: HttpOnly, SameSite=Strict, and Secure over https.

    Cookies are not bound to a port and, with `__Host-`, not to a path, so the name contains the root path or the port:
    several Comportas on one host must not overwrite each other's cookies.
    """

    def __init__(self, public_url: PublicUrl, port: int) -> None:
        self._secure = public_url.secure
        self._name = f"comporta-{re.sub('[^a-z0-9]+', '-', public_url.root.lower()).strip('-') or port}"

    def read(self, connection: HTTPConnection) -> str | None:
        """Return the cookie's value; None without one."""
        return connection.cookies.get(self._cookie_name(connection))

    def put(self, connection: HTTPConnection, response: Response, value: str) -> None:
        """Set the cookie on the response."""
        response.set_cookie(
            self._cookie_name(connection),
            value,
            max_age=SESSION_SECONDS,
            secure=self._is_https(connection),
            httponly=True,
            samesite="strict",
        )

    def clear(self, connection: HTTPConnection, response: Response) -> None:
        """Delete the cookie from the browser."""
        response.delete_cookie(
            self._cookie_name(connection), secure=self._is_https(connection), httponly=True, samesite="strict"
        )

    def _cookie_name(self, connection: HTTPConnection) -> str:
        # Browsers accept this prefix only over https and without a Domain, so no other host can set the cookie.
        return f"__Host-{self._name}" if self._is_https(connection) else self._name

    def _is_https(self, connection: HTTPConnection) -> bool:
        return self._secure or connection.scope["scheme"] == "https"


class LoginLimiter:
    """Rate limit of failed logins per minute, by address and by the beginning of the token; successes don't count.

    There is no limit for all together: a few addresses could lock out everybody with it. A login form's token is
    limited by its beginning as well, so that many addresses can't try tokens around one that they know a part of.
    """

    def __init__(self, failures: FailedLogins | None = None) -> None:
        self.failures = failures or FailedLogins()
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, address: str, token: str) -> int:
        """Return the seconds until the next attempt is allowed; 0 if it is allowed now."""
        return max(self._wait(*names) for names in _names(address, token))

    def failed(self, way: Way, address: str, token: str) -> None:
        """Count a failed login."""
        for names in _names(address, token):
            self._limiter.hit(_FAILURES, *names)
        self.failures.record(way, address)

    def _wait(self, *names: str) -> int:
        if self._limiter.test(_FAILURES, *names):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(_FAILURES, *names).reset_time - time.time()))


def _names(address: str, token: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("address", _network(address)), ("token", digest_of(token_beginning(token)))


def _network(address: str) -> str:
    """Return an IPv6 address's network: a client that has one address of a /64 usually has all of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
