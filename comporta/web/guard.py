"""Puts what guards the application around it, from the outside in."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from comporta.web.access import Access
from comporta.web.attempts import Attempts
from comporta.web.auth import Gate
from comporta.web.middleware import SafeHeaders
from comporta.web.pages.login import login_router
from comporta.web.rooted import UnderRoot
from comporta.web.session import SessionCookie

__all__ = ["guard"]


def guard(app: FastAPI, access: Access, port: int) -> ASGIApp:
    """The application with a gate, a login and safe headers; `port` is where it listens."""
    cookie, attempts = SessionCookie(access.place, port), Attempts()
    app.include_router(login_router(access, cookie, attempts))
    guarded: ASGIApp = Gate(app, access, cookie, attempts)
    # Without operators a page elsewhere must not reach us through a name that resolves to loopback.
    guarded = TrustedHostMiddleware(guarded, allowed_hosts=list(access.hosts), www_redirect=False)
    if access.place.root:
        guarded = UnderRoot(guarded, access.place.root)
    return SafeHeaders(guarded)
