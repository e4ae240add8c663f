"""CSRF check by Sec-Fetch-Site and Origin."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

__all__ = ["is_same_origin"]

# "none": the user's own action, such as a reload or a bookmark.
_TRUSTED_SITES = frozenset({"same-origin", "none"})


def is_same_origin(connection: HTTPConnection, origin: str | None) -> bool:
    """Return whether the browser reports a request from one of our own pages; `origin` is the public one, if set.

    Browsers also attach cookies to requests that other sites trigger, so a cookie alone does not prove intent.
    A request with neither header is rejected: programs use a Bearer token.
    """
    if (site := connection.headers.get("sec-fetch-site")) is not None:
        return site.lower() in _TRUSTED_SITES
    request_origin = connection.headers.get("origin")
    if request_origin is None or request_origin == "null":
        return False
    return request_origin == origin or urlsplit(request_origin).netloc == connection.headers.get("host", "")
