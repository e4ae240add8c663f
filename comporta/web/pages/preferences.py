"""Preferences of the browser: language and theme, in cookies."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from comporta.web.pages.i18n import COOKIE, language_by_tag
from comporta.web.pages.renderer import THEME_COOKIE, THEMES, address

__all__ = ["preferences_router", "safe_next"]

_ONE_YEAR = 365 * 86_400


def safe_next(target: str) -> str:
    """Return `target` if it is a path of ours, else `/`, so that no redirect leads to another site."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_path else "/"


def preferences_router() -> APIRouter:
    """Return the route of the preferences; a GET, since viewers need it and it only affects their browser."""
    router = APIRouter(include_in_schema=False)

    @router.get("/preferences")
    def choose(request: Request, language: str = "", theme: str = "", next: str = "/") -> Response:
        response = RedirectResponse(address(request, safe_next(next)), 303)
        path = request.scope.get("root_path", "") or "/"
        if language_by_tag(language) is not None:
            response.set_cookie(COOKIE, language, _ONE_YEAR, path=path, samesite="strict")
        if theme in THEMES:
            response.set_cookie(THEME_COOKIE, theme, _ONE_YEAR, path=path, samesite="strict")
        return response

    return router
