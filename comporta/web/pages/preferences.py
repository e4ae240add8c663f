"""Remembers the language and the theme that somebody chose, in a cookie."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from comporta.web.pages.i18n import COOKIE, language_by_tag
from comporta.web.pages.rendering import THEME_COOKIE, THEMES, address

__all__ = ["preferences_router", "safe_next"]

_A_YEAR = 365 * 86_400


def safe_next(wanted: str) -> str:
    """A path of our own; anything else leads to the overview, so that no link of ours leads elsewhere."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if plain else "/"


def preferences_router() -> APIRouter:
    """The door for choices that concern nobody else; a link will do, since a viewer may choose too."""
    router = APIRouter(include_in_schema=False)

    @router.get("/preferences")
    def choose(request: Request, language: str = "", theme: str = "", next: str = "/") -> Response:
        answer = RedirectResponse(address(request, safe_next(next)), 303)
        path = request.scope.get("root_path", "") or "/"
        if language_by_tag(language) is not None:
            answer.set_cookie(COOKIE, language, _A_YEAR, path=path, samesite="strict")
        if theme in THEMES:
            answer.set_cookie(THEME_COOKIE, theme, _A_YEAR, path=path, samesite="strict")
        return answer

    return router
