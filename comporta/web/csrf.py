"""Whether a change that came with a cookie was made on a page of ours."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

__all__ = ["is_same_origin"]

# "none" is what somebody did themselves, such as reloading.
_OURS = frozenset({"same-origin", "none"})


def is_same_origin(connection: HTTPConnection, origin: str | None) -> bool:
    """Whether the browser says so; `origin` is where a proxy shows us.

    A cookie goes along with whatever makes the browser ask, so that it alone says nothing about who meant it.
    Without a word from the browser the answer is no: a program uses a Bearer token.
    """
    if (site := connection.headers.get("sec-fetch-site")) is not None:
        return site.lower() in _OURS
    came_from = connection.headers.get("origin")
    if came_from is None or came_from == "null":
        return False
    return came_from == origin or urlsplit(came_from).netloc == connection.headers.get("host", "")
