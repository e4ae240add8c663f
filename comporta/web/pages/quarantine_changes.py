"""Quarantine on the page: the note on a group, and the correction of one message."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from comporta.web.pages.forms import Form, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none
from comporta.web.pages.renderer import Pages, translate
from comporta.web.request import audit_context, identity_of
from control.quarantine_edit import QuarantineEdits
from rules.actions import ActionError, DiscardRefused
from schemas.reasons import Reason
from storage.audit import AuditEntry
from storage.quarantine_notes import QuarantineNotes

__all__ = ["quarantine_changes_router"]

_REASONS = frozenset(reason.value for reason in Reason)
_LONGEST_NOTE, _LONGEST_TICKET, _LONGEST_REASON = 2_000, 200, 500


def quarantine_changes_router(pages: Pages, notes: QuarantineNotes, edits: QuarantineEdits) -> APIRouter:
    """Return the routes of notes and corrections."""
    router = APIRouter(include_in_schema=False)

    @router.get("/quarantine/note")
    def note_form(request: Request, reason: str, shop: str) -> Response:
        known = next((note for note in notes.all() if (note.reason, note.shop) == (reason, shop)), None)
        return pages.render(request, "ask/note.html", reason=reason, shop=shop, note=known)

    @router.post("/quarantine/note")
    def write(request: Request, reason: Form = "", shop: Form = "", note: Form = "", ticket: Form = "") -> Response:
        if reason not in _REASONS or not shop:
            raise HTTPException(400, "reason, shop: the reason and the shop of a group are needed")

        def run() -> str:
            texts = (_plain(note)[:_LONGEST_NOTE], blank_to_none(_plain(ticket)[:_LONGEST_TICKET]))
            notes.write(AuditEntry("note", audit_context(request)), reason, shop[:100], *texts)
            return translate(request, N_("The note is kept."))

        return run_action(pages, request, run)

    @router.get("/quarantine/edit")
    def edit_form(request: Request, id: str) -> Response:
        # Nothing is masked in it: it is for those who may send it.
        if not identity_of(request).may_act:
            raise HTTPException(403, translate(request, N_("Your role is viewer. Ask an operator, or sign in as one.")))
        try:
            text = edits.text(id)
        except ActionError as refused:
            return pages.render(request, "done.html", refused.status, sentence=str(refused), failed=True)
        return pages.render(request, "ask/edit.html", id=id, text=text, why="", fault="", discarded=0)

    @router.post("/quarantine/edit")
    def edit(request: Request, id: Form = "", text: Form = "", why: Form = "", discard: Form = "") -> Response:
        context = audit_context(request, blank_to_none(_plain(why)[:_LONGEST_REASON]))
        try:
            copy = edits.send(id, text, context, discard=bool(discard))
        except ActionError as refused:
            typed = {"id": id, "text": text, "why": why, "fault": str(refused)}
            discarded = int(isinstance(refused, DiscardRefused))
            return pages.render(request, "ask/edit.html", refused.status, **typed, discarded=discarded)
        sentence = translate(request, N_("The copy %(id)s is on its way. If it is refused, it comes back."), id=copy)
        return pages.render(request, "done.html", sentence=sentence, failed=False)

    return router


def _plain(text: str) -> str:
    return text.replace("\0", "").strip()
