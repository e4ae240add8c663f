"""Notes of operators on groups of the quarantine, each with a ticket, if there is one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select

from storage.audit import AuditEntry, record_action
from storage.dialect import database_now, insert_into
from storage.fence import Fence
from storage.job_tables import quarantine_notes

__all__ = ["QuarantineNote", "QuarantineNotes"]


class QuarantineNote(NamedTuple):
    """A note on the messages of one reason and shop."""

    reason: str
    shop: str
    note: str
    ticket: str | None
    by: str
    at: datetime


class QuarantineNotes:
    """The notes, one for each reason and shop."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def all(self) -> list[QuarantineNote]:
        """Return every note, by reason and shop."""
        query = select(*(quarantine_notes.c[name] for name in QuarantineNote._fields))
        with self._fence.snapshot() as connection:
            rows = connection.execute(query.order_by(quarantine_notes.c.reason, quarantine_notes.c.shop))
            return [QuarantineNote(*row) for row in rows]

    def write(self, entry: AuditEntry, reason: str, shop: str, note: str, ticket: str | None) -> None:
        """Write the note of a group, with its entry in the audit; an empty one removes it."""
        key = (quarantine_notes.c.reason == reason) & (quarantine_notes.c.shop == shop)
        with self._fence.shared() as connection:
            if note or ticket:
                insert = insert_into(connection.dialect.name, quarantine_notes)
                values = {name: insert.excluded[name] for name in ("note", "ticket", "by", "at")}
                statement = insert.on_conflict_do_update(index_elements=["reason", "shop"], set_=values)
                by, now = entry.context.user_id or entry.context.by, database_now(connection)
                row = {"reason": reason, "shop": shop, "note": note, "ticket": ticket, "by": by, "at": now}
                connection.execute(statement, row)
            else:
                connection.execute(delete(quarantine_notes).where(key))
            said = f"{reason}: {note}" + (f" ({ticket})" if ticket else "")
            record_action(connection, entry._replace(shop=shop, subject=said), 1)
