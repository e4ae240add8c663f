"""Quarantine: the list, one message with its reason, replay and drop."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi import Form as FormField
from pydantic import BaseModel

from comporta.web.api.quarantine import body_text
from comporta.web.context import AppContext
from comporta.web.own_shops import own, own_quarantine, owned
from comporta.web.pages.formats import indented
from comporta.web.pages.forms import Form, parse_expected, run_action
from comporta.web.pages.i18n import N_, wanted_language
from comporta.web.pages.lists import blank_to_none, list_page, parse_moment
from comporta.web.pages.quarantine_jobs import JOB_STATES, recent_jobs
from comporta.web.pages.reasons import reason_doc
from comporta.web.pages.renderer import Pages, is_refresh, translate, translate_plural
from comporta.web.request import audit_context, identity_of
from control.quarantine_jobs import CANARY
from control.replay import ReplayResult
from rules.actions import NotConfirmed
from rules.masks import mask_documents
from schemas.domains import ORDERS
from schemas.orders import ACCEPTABLE
from schemas.reasons import Reason
from storage.views import QuarantineFilter, UnknownFieldFilter

__all__ = ["quarantine_router"]

_MOST_BYTES = 64 * 1024
# So many groups are shown, the largest first; the filter finds the others.
_GROUPS = 8
_FIELDS_SHOWN = 10
# More than this go on in the background.
_MOST_AT_ONCE = 100


_BEGUN = N_("It goes on in the background; the quarantine’s page shows how far it is.")


class _Filter(BaseModel):
    """Filter of the quarantine as query parameters or form fields; `message` has the ids of chosen ones."""

    shop: str = ""
    domain: str = ""
    reason: str = ""
    since: str = ""
    since_utc: str = ""
    until: str = ""
    until_utc: str = ""
    key: str = ""
    message: list[str] = []

    @property
    def selection(self) -> QuarantineFilter:
        """Return the filter for the database; raises `HTTPException` 400 if a moment can't be parsed."""
        return QuarantineFilter(
            shop=blank_to_none(self.shop),
            domain=blank_to_none(self.domain),
            reason=blank_to_none(self.reason),
            since=parse_moment(self.since, self.since_utc),
            until=parse_moment(self.until, self.until_utc),
            key=blank_to_none(self.key),
            ids=tuple(self.message) or None,
        )


class _BulkForm(_Filter):
    """Form of a bulk action: the filter, the number of messages that the form showed, and whether ten go first."""

    expected: str = ""
    discard: str = ""
    canary: str = ""

    @property
    def is_long(self) -> bool:
        """Return whether it goes on in the background."""
        return bool(self.canary) or parse_expected(self.expected) > _MOST_AT_ONCE


def quarantine_router(pages: Pages, context: AppContext) -> APIRouter:
    """Return the routes of the quarantine."""
    views, actions, jobs = context.views, context.actions, context.jobs
    router = APIRouter(include_in_schema=False)

    @router.get("/quarantine")
    def quarantine(request: Request, query: Annotated[_Filter, Query()]) -> Response:
        reasons = sorted(reason.value for reason in Reason)
        ignored = own(request, UnknownFieldFilter(blank_to_none(query.shop), blank_to_none(query.domain)))
        # A filter for one reason is one of the groups already.
        # The groups count orders too, which are not the ERP's to see.
        counted = [] if query.reason or identity_of(request).is_erp else views.quarantine_groups()
        groups = [group for group in counted if query.shop.strip() in ("", group.shop)]
        return list_page(
            pages,
            views,
            request,
            "quarantine.html",
            own_quarantine(request, query.selection),
            query.model_dump(exclude={"message"}),
            "/api/quarantine",
            reasons=reasons,
            job_states={name: translate(request, text) for name, text in JOB_STATES.items()},
            jobs=[] if identity_of(request).is_erp else recent_jobs(jobs),
            groups=groups[:_GROUPS],
            notes={(note.reason, note.shop): note for note in context.notes.all()} if groups else {},
            more_groups=max(0, len(groups) - _GROUPS),
            ignored=views.page(ignored, _FIELDS_SHOWN, counted=False),
        )

    @router.get("/quarantine/message")
    def message(request: Request, id: str) -> Response:
        row = views.quarantined_message(id, _MOST_BYTES)
        if row is None or not owned(request, row["shop"], row["domain"]):
            text = N_("No message with the id %(id)s is in the quarantine: it was replayed or dropped.")
            sentence = translate(request, text, id=id)
            if is_refresh(request):
                return pages.render(request, "message_gone.html", sentence=sentence)
            raise HTTPException(404, sentence)
        cut = row["size"] > len(row["body"])
        return pages.render(
            request,
            "message.html",
            message=row,
            body=mask_documents(indented(body_text(row["body"], cut=cut))),
            cut=cut,
            size=row["size"],
            discarded=actions.replays_discarded(QuarantineFilter(ids=(id,))),
            headers=mask_documents(indented(orjson.dumps(row["headers"]).decode())) if row["headers"] else "",
            editable=context.edits.allowed,
            acceptable=row["domain"] == ORDERS and row["reason"] in ACCEPTABLE,
            reason_doc=reason_doc(row["reason"], wanted_language(request).tag),
        )

    @router.get("/quarantine/chosen")
    def chosen_form(
        request: Request, change: Literal["replay", "drop"], query: Annotated[_Filter, Query()]
    ) -> Response:
        return action_form(request, change, query)

    @router.get("/quarantine/{action}")
    def action_form(
        request: Request, action: Literal["replay", "drop"], query: Annotated[_Filter, Query()], id: str = ""
    ) -> Response:
        count = 1 if id else actions.count_quarantined(query.selection)
        selection = QuarantineFilter(ids=(id,)) if id else query.selection
        discarded = actions.replays_discarded(selection) if action == "replay" else 0
        return pages.render(
            request,
            "ask/quarantine.html",
            action=action,
            count=count,
            discarded=discarded,
            id=id,
            filters=query.model_dump(exclude_defaults=True, exclude={"message"}),
            chosen=query.message,
            canary=CANARY if action == "replay" and count > CANARY else 0,
        )

    @router.post("/quarantine/replay")
    def replay(request: Request, id: Form = "", discard: Form = "") -> Response:
        def run() -> str:
            actions.replay(id, audit_context(request), discard=bool(discard))
            return translate(request, N_("The message is on its way again. If it is still refused, it comes back."))

        return run_action(pages, request, run)

    @router.post("/quarantine/drop")
    def drop(request: Request, id: Form = "") -> Response:
        def run() -> str:
            actions.drop(id, audit_context(request))
            return translate(request, N_("The message is dropped."))

        return run_action(pages, request, run)

    @router.post("/quarantine/accept")
    def accept(request: Request, id: Form = "") -> Response:
        def run() -> str:
            order = actions.accept(id, audit_context(request))
            return translate(request, N_("Order %(id)s is accepted as it is."), id=order.order_id)

        return run_action(pages, request, run)

    @router.post("/quarantine/replay-many")
    def replay_many(request: Request, form: Annotated[_BulkForm, FormField()]) -> Response:
        def run() -> str:
            said, expected = audit_context(request), parse_expected(form.expected)
            if form.is_long:
                canary, discard = bool(form.canary), bool(form.discard)
                jobs.begin("replay", form.selection, said, expected, canary=canary, discard=discard)
                return translate(request, _BEGUN)
            result = actions.replay_many(form.selection, said, expected, discard=bool(form.discard))
            return _replay_sentence(request, result)

        return run_action(pages, request, run)

    @router.post("/quarantine/drop-many")
    def drop_many(request: Request, form: Annotated[_BulkForm, FormField()]) -> Response:
        def run() -> str:
            said, expected = audit_context(request), parse_expected(form.expected)
            if form.is_long:
                jobs.begin("drop", form.selection, said, expected)
                return translate(request, _BEGUN)
            count = actions.drop_many(form.selection, said, expected)
            return translate_plural(request, "%(count)s message is dropped.", "%(count)s messages are dropped.", count)

        return run_action(pages, request, run)

    return router


def _replay_sentence(request: Request, result: ReplayResult) -> str:
    if result.error is not None:
        text = N_("%(replayed)s replayed, %(left)s left: %(error)s")
        raise NotConfirmed(translate(request, text, replayed=result.replayed, left=result.left, error=result.error))
    text = N_("%(replayed)s replayed, %(refused)s can’t be replayed, %(left)s not tried.")
    return translate(request, text, replayed=result.replayed, refused=result.staying, left=result.left)
