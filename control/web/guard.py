"""Puts what guards the application around it, from the outside in."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from control.access.opening import Access
from control.web.attempts import Attempts
from control.web.cookie import SessionCookie
from control.web.gate import Gate
from control.web.headers import SafeHeaders
from control.web.login import login_router
from control.web.rooted import UnderRoot

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
