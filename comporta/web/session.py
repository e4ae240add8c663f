"""Session cookie and login rate limit."""

from __future__ import annotations

import math
import re
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.responses import Response

from comporta.web.access import PublicUrl
from control.auth.sessions import SESSION_SECONDS

__all__ = ["LOGIN", "LOGOUT", "LoginLimiter", "SessionCookie"]

LOGIN, LOGOUT = "/login", "/logout"
_PER_ADDRESS, _TOTAL = RateLimitItemPerMinute(10), RateLimitItemPerMinute(100)


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
    """Rate limit of failed logins per minute, by address and in total; successful logins don't count."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, address: str) -> int:
        """Return the seconds until the next attempt is allowed; 0 if it is allowed now."""
        return max(self._wait(_PER_ADDRESS, "address", address), self._wait(_TOTAL, "all"))

    def failed(self, address: str) -> None:
        """Count a failed login."""
        self._limiter.hit(_PER_ADDRESS, "address", address)
        self._limiter.hit(_TOTAL, "all")

    def _wait(self, item: RateLimitItem, *names: str) -> int:
        if self._limiter.test(item, *names):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(item, *names).reset_time - time.time()))
