"""The quarantine: the list, one message with its reason, replaying and dropping."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi import Form as FormField
from pydantic import BaseModel

from comporta.web.pages.formats import indented
from comporta.web.pages.forms import Form, expected_of, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none, list_page, parse_moment
from comporta.web.pages.rendering import Pages, is_refresh, translate, translate_plural
from comporta.web.request import audit_context
from control.actions import OperatorActions
from control.replay import ReplayResult
from rules.actions import NotConfirmed
from rules.masking import mask_documents
from schemas.reason_docs import reason_docs
from schemas.reasons import Reason
from storage.views import QuarantineFilter, Views

__all__ = ["quarantine_router"]

_MOST_SHOWN = 64 * 1024
_MEANINGS = {meaning.reason: meaning for meaning in reason_docs()}


class _Filter(BaseModel):
    """Which messages, as an address or a form says it."""

    shop: str = ""
    domain: str = ""
    reason: str = ""
    since: str = ""
    since_utc: str = ""
    until: str = ""
    until_utc: str = ""

    @property
    def chosen(self) -> QuarantineFilter:
        """The same for those who do it."""
        return QuarantineFilter(
            shop=blank_to_none(self.shop),
            domain=blank_to_none(self.domain),
            reason=blank_to_none(self.reason),
            since=parse_moment(self.since, self.since_utc),
            until=parse_moment(self.until, self.until_utc),
        )


class _Many(_Filter):
    """… and how many somebody was shown."""

    expected: str = ""


def quarantine_router(pages: Pages, views: Views, acting: OperatorActions) -> APIRouter:
    """The doors to the quarantine."""
    router = APIRouter(include_in_schema=False)

    @router.get("/quarantine")
    def quarantine(request: Request, wanted: Annotated[_Filter, Query()]) -> Response:
        reasons = sorted(reason.value for reason in Reason)
        said = wanted.model_dump()
        return list_page(
            pages, views, request, "quarantine.html", wanted.chosen, said, "/api/quarantine", reasons=reasons
        )

    @router.get("/quarantine/message")
    def message(request: Request, id: str) -> Response:
        found = views.quarantined_message(id)
        if found is None:
            why = N_("Nothing with the id %(id)s is in the quarantine: it was replayed or dropped.")
            sentence = translate(request, why, id=id)
            if is_refresh(request):
                return pages.render(request, "message_gone.html", sentence=sentence)
            raise HTTPException(404, sentence)
        body = found["body"].decode(errors="backslashreplace")
        return pages.render(
            request,
            "message.html",
            message=found,
            body=mask_documents(indented(body[:_MOST_SHOWN] if len(body) > _MOST_SHOWN else body)),
            cut=len(body) > _MOST_SHOWN,
            size=len(found["body"]),
            headers=mask_documents(indented(orjson.dumps(found["headers"]).decode())) if found["headers"] else "",
            meaning=_MEANINGS.get(Reason(found["reason"])),
        )

    @router.get("/quarantine/{what}")
    def ask(
        request: Request, what: Literal["replay", "drop"], wanted: Annotated[_Filter, Query()], id: str = ""
    ) -> Response:
        count = 1 if id else acting.count_quarantined(wanted.chosen)
        return pages.render(
            request,
            "ask/quarantine.html",
            what=what,
            count=count,
            id=id,
            wanted=wanted.model_dump(exclude_defaults=True),
        )

    @router.post("/quarantine/replay")
    def replay(request: Request, id: Form = "") -> Response:
        def again() -> str:
            acting.replay(id, audit_context(request))
            return translate(request, N_("The message is on its way again. If it is still refused, it comes back."))

        return run_action(pages, request, again)

    @router.post("/quarantine/drop")
    def drop(request: Request, id: Form = "") -> Response:
        def remove() -> str:
            acting.drop(id, audit_context(request))
            return translate(request, N_("The message is dropped."))

        return run_action(pages, request, remove)

    @router.post("/quarantine/replay-many")
    def replay_many(request: Request, wanted: Annotated[_Many, FormField()]) -> Response:
        def again() -> str:
            return _replayed(
                request, acting.replay_many(wanted.chosen, audit_context(request), expected_of(wanted.expected))
            )

        return run_action(pages, request, again)

    @router.post("/quarantine/drop-many")
    def drop_many(request: Request, wanted: Annotated[_Many, FormField()]) -> Response:
        def remove() -> str:
            count = acting.drop_many(wanted.chosen, audit_context(request), expected_of(wanted.expected))
            return translate_plural(request, "%(count)s message is dropped.", "%(count)s messages are dropped.", count)

        return run_action(pages, request, remove)

    return router


def _replayed(request: Request, done: ReplayResult) -> str:
    if done.error is not None:
        text = N_("%(replayed)s replayed, %(left)s left: %(error)s")
        raise NotConfirmed(translate(request, text, replayed=done.replayed, left=done.left, error=done.error))
    text = N_("%(replayed)s replayed, %(refused)s can’t be, %(left)s left for another go.")
    return translate(request, text, replayed=done.replayed, refused=done.staying, left=done.left)
