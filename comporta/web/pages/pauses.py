"""Pauses: the list, and the report of one, which can be printed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response

from comporta.web.pages.i18n import N_
from comporta.web.pages.renderer import Pages, translate
from storage.views.pauses import PauseView

__all__ = ["pauses_router"]

_MOST = 2**63 - 1
_NONE = N_("There is no report of a pause with the number %(epoch)s.")


def pauses_router(pages: Pages, pauses: PauseView) -> APIRouter:
    """Return the routes of the pauses."""
    router = APIRouter(include_in_schema=False)

    @router.get("/pauses")
    def newest(request: Request) -> Response:
        return pages.render(request, "pauses.html", pauses=pauses.newest())

    @router.get("/pauses/{epoch}")
    def report(request: Request, epoch: Annotated[int, Path(ge=0, le=_MOST)]) -> Response:
        pause = pauses.one(epoch)
        if pause is None:
            raise HTTPException(404, translate(request, _NONE, epoch=epoch))
        return pages.render(request, "pause.html", pause=pause)

    return router
