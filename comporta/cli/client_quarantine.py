"""Background jobs, notes and corrections of the quarantine: their protocol, in the database, and over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import orjson

from comporta.cli.client_actions import check_response
from control.quarantine_edit import QuarantineEdits
from control.quarantine_jobs import QuarantineJobs
from producers.messages import Publish
from rules.actions import AuditContext
from storage.audit import AuditEntry
from storage.fence import Fence
from storage.quarantine_jobs import QuarantineAction
from storage.quarantine_notes import QuarantineNotes
from storage.views import QuarantineFilter

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpChanges", "QuarantineChanges", "StoredChanges"]

Row = dict[str, Any]


class QuarantineChanges(Protocol):
    """What an operator may do with the quarantine beside replay, drop and accept; each raises `ActionError`."""

    def jobs(self) -> list[Row]:
        """Return the newest background replays and drops."""

    def job(self, identity: str, /) -> Row:
        """Return one job."""

    def begin(
        self,
        action: QuarantineAction,
        filters: QuarantineFilter,
        context: AuditContext,
        expected: int,
        /,
        *,
        canary: bool,
        discard: bool,
    ) -> Row:
        """Begin a replay or a drop in the background."""

    def cancel(self, identity: str, /) -> Row:
        """End a job after its present step."""

    def notes(self) -> list[Row]:
        """Return every note."""

    def write_note(self, reason: str, shop: str, note: str, ticket: str | None, context: AuditContext, /) -> None:
        """Write the note of a group; an empty one removes it."""

    def edit(self, identity: str, text: str, context: AuditContext, /, *, discard: bool) -> str:
        """Publish a corrected copy of a message; return the copy's id."""


class StoredChanges:
    """The changes by this process, in the database of the settings."""

    def __init__(self, fence: Fence, publish: Publish, *, allow_edit: bool) -> None:
        self._jobs = QuarantineJobs(fence)
        self._notes = QuarantineNotes(fence)
        self._edits = QuarantineEdits(fence, publish, allowed=allow_edit)

    def jobs(self) -> list[Row]:
        return [job.document() for job in self._jobs.newest()]

    def job(self, identity: str) -> Row:
        return self._jobs.one(identity).document()

    def begin(
        self,
        action: QuarantineAction,
        filters: QuarantineFilter,
        context: AuditContext,
        expected: int,
        *,
        canary: bool,
        discard: bool,
    ) -> Row:
        return self.job(self._jobs.begin(action, filters, context, expected, canary=canary, discard=discard))

    def cancel(self, identity: str) -> Row:
        self._jobs.cancel(identity)
        return self.job(identity)

    def notes(self) -> list[Row]:
        return [note._asdict() for note in self._notes.all()]

    def write_note(self, reason: str, shop: str, note: str, ticket: str | None, context: AuditContext) -> None:
        self._notes.write(AuditEntry("note", context), reason, shop, note, ticket)

    def edit(self, identity: str, text: str, context: AuditContext, *, discard: bool) -> str:
        return self._edits.send(identity, text, context, discard=discard)


class HttpChanges:
    """The changes over HTTP, on behalf of the token's operator."""

    def __init__(self, request: Callable[..., httpx.Response]) -> None:
        self._request = request

    def jobs(self) -> list[Row]:
        rows: list[Row] = self._send("GET", "/api/quarantine/jobs")
        return rows

    def job(self, identity: str) -> Row:
        row: Row = self._send("GET", f"/api/quarantine/jobs/{quote(identity, safe='')}")
        return row

    def begin(
        self,
        action: QuarantineAction,
        filters: QuarantineFilter,
        context: AuditContext,
        expected: int,
        *,
        canary: bool,
        discard: bool,
    ) -> Row:
        chosen = {name: value for name, value in asdict(filters).items() if value is not None}
        payload: Row = {"action": action, "filter": chosen, "expected": expected, "canary": canary, "discard": discard}
        payload |= {} if context.reason is None else {"reason": context.reason}
        row: Row = self._send("POST", "/api/quarantine/jobs", payload)
        return row

    def cancel(self, identity: str) -> Row:
        row: Row = self._send("POST", f"/api/quarantine/jobs/{quote(identity, safe='')}/cancel", {})
        return row

    def notes(self) -> list[Row]:
        rows: list[Row] = self._send("GET", "/api/quarantine-notes")
        return rows

    def write_note(self, reason: str, shop: str, note: str, ticket: str | None, _context: AuditContext) -> None:
        self._send("PUT", "/api/quarantine-notes", {"reason": reason, "shop": shop, "note": note, "ticket": ticket})

    def edit(self, identity: str, text: str, context: AuditContext, *, discard: bool) -> str:
        payload = {"text": text, "reason": context.reason, "discard": discard}
        return str(self._send("POST", f"/api/quarantine/{quote(identity, safe='')}/edit", payload)["id"])

    def _send(self, method: str, path: str, payload: Row | None = None) -> Any:
        options: Row = {}
        if payload is not None:
            options = {"content": orjson.dumps(payload), "headers": {"content-type": "application/json"}}
        return check_response(self._request(method, path, timeout=60.0, **options)).json()
