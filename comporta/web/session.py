"""The cookie that a session lies in."""

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
_BY_ADDRESS, _IN_ALL = RateLimitItemPerMinute(10), RateLimitItemPerMinute(100)


class SessionCookie:
    """Reads, sets and clears it: out of reach of scripts, and of requests that other sites cause.

    A cookie knows no ports and, with `__Host-`, no path: the name tells several of us on one host apart.
    """

    def __init__(self, place: PublicUrl, port: int) -> None:
        self._secure = place.secure
        self._name = f"comporta-{re.sub('[^a-z0-9]+', '-', place.root.lower()).strip('-') or port}"

    def read(self, connection: HTTPConnection) -> str | None:
        """Its value, if it came along."""
        return connection.cookies.get(self._named(connection))

    def put(self, connection: HTTPConnection, response: Response, value: str) -> None:
        """Sends it with the response."""
        response.set_cookie(
            self._named(connection),
            value,
            max_age=SESSION_SECONDS,
            secure=self._by_https(connection),
            httponly=True,
            samesite="strict",
        )

    def clear(self, connection: HTTPConnection, response: Response) -> None:
        """Takes it back."""
        response.delete_cookie(
            self._named(connection), secure=self._by_https(connection), httponly=True, samesite="strict"
        )

    def _named(self, connection: HTTPConnection) -> str:
        # Browsers take a name with this prefix only from the host itself, over https.
        return f"__Host-{self._name}" if self._by_https(connection) else self._name

    def _by_https(self, connection: HTTPConnection) -> bool:
        return self._secure or connection.scope["scheme"] == "https"


class LoginLimiter:
    """Counts failures of the last minute, by address and in all; who succeeds costs nobody a try."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, address: str) -> int:
        """How long until another try is heard; 0 if it is now."""
        return max(self._wait(_BY_ADDRESS, "address", address), self._wait(_IN_ALL, "all"))

    def failed(self, address: str) -> None:
        """Counts a failure."""
        self._limiter.hit(_BY_ADDRESS, "address", address)
        self._limiter.hit(_IN_ALL, "all")

    def _wait(self, item: RateLimitItem, *names: str) -> int:
        if self._limiter.test(item, *names):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(item, *names).reset_time - time.time()))
