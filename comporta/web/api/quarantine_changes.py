"""Quarantine: notes on groups, and the correction of one message."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from comporta.web.api.params import Discard, RequestBody, only_known
from comporta.web.request import audit_context
from control.quarantine_edit import QuarantineEdits
from schemas.reasons import Reason
from storage.audit import AuditEntry
from storage.quarantine_notes import QuarantineNotes

__all__ = ["quarantine_changes_router"]

Plain = r"^[^\x00]*$"


class NoteShown(BaseModel):
    """Note on the messages of one reason and shop."""

    reason: str
    shop: str
    note: str
    ticket: str | None
    by: str
    at: datetime


class NoteWanted(RequestBody):
    """Note on the messages of one reason and shop; without text and ticket it is removed."""

    reason: Reason
    shop: Annotated[str, Field(min_length=1, max_length=100, pattern=Plain)]
    note: Annotated[str, Field(max_length=2_000, pattern=Plain)] = ""
    ticket: Annotated[str, Field(max_length=200, pattern=Plain)] | None = None


class EditWanted(RequestBody):
    """Corrected message, whole, as JSON text; the reason is kept in the audit with what has changed."""

    text: Annotated[str, Field(max_length=300_000)]
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=Plain)]
    discard: Discard = False


class EditDone(BaseModel):
    """Id of the copy that was published, and of the message whose place it takes."""

    id: str
    original: str


def quarantine_changes_router(notes: QuarantineNotes, edits: QuarantineEdits) -> APIRouter:
    """Return the routes of notes and corrections; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/quarantine-notes", tags=["look"])
    def every_note() -> list[NoteShown]:
        """Return every note, by reason and shop."""
        return [NoteShown.model_validate(note._asdict()) for note in notes.all()]

    @router.put("/quarantine-notes", tags=["act"])
    def write(request: Request, body: NoteWanted) -> list[NoteShown]:
        """Write the note of a group, or remove it; return every note."""
        entry = AuditEntry("note", audit_context(request))
        notes.write(entry, body.reason.value, body.shop, body.note.strip(), (body.ticket or "").strip() or None)
        return every_note()

    @router.post("/quarantine/{identity}/edit", tags=["act"])
    def edit(request: Request, identity: str, body: EditWanted) -> EditDone:
        """Publish a corrected copy under a new id, and end the original's quarantine.

        409 with the reason if the copy would be refused again, or if COMPORTA_ALLOW_EDIT is not set; 428 if it would
        be discarded, unless the body says `discard`.
        """
        copy = edits.send(identity, body.text, audit_context(request, body.reason), discard=body.discard)
        return EditDone(id=copy, original=identity)

    return router
