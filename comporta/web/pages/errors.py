"""Error pages: title, sentence and links, in the design of the other pages."""

from __future__ import annotations

from fastapi import Request, Response

from comporta.web.pages.i18n import N_
from comporta.web.pages.renderer import database_away_since, render_bare, translate

__all__ = ["error_page", "wants_html"]

_TITLES = {
    400: N_("Invalid request"),
    401: N_("Sign in first"),
    403: N_("Your role does not allow this"),
    404: N_("Not found"),
    405: N_("This can’t be done here"),
    409: N_("Something has changed in the meantime"),
    422: N_("Invalid request"),
    503: N_("The database is unavailable"),
}
_OTHER = N_("Something went wrong")
_SENTENCES = {
    403: N_("Ask an operator, or sign in as one."),
    404: N_("There is no page at this address."),
    405: N_("This address can’t be used in this way."),
    500: N_("See Comporta’s log. Switches that are off stay off."),
    503: N_("What is switched off stays off, and nothing is lost: messages wait at the broker."),
}
# Seconds of the Refresh header, which makes the browser retry without a script.
_REFRESH_SECONDS = "5"


def wants_html(request: Request) -> bool:
    """Return whether the caller is a browser that shows a page; programs get problem details."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    if path.startswith("/api/") or path == "/events" or (path == "/orders" and request.method == "POST"):
        return False
    return "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers


def error_page(request: Request, status: int, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return an error as a page, or as the part of a page that htmx requested."""
    part = "hx-request" in request.headers
    away = status == 503
    response = render_bare(
        request,
        "error.html",
        status,
        layout="layout/part.html" if part else "layout/bare.html",
        title=translate(request, _TITLES.get(status, _OTHER)),
        sentence=translate(request, _SENTENCES[status]) if status in _SENTENCES else "",
        detail=detail,
        since=database_away_since() if away else None,
    )
    response.headers.update(headers or {})
    if away and not part:
        response.headers["Refresh"] = _REFRESH_SECONDS
    return response
