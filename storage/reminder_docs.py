"""Descriptions of the tables of the reminders."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["REMINDER_DOCS"]

REMINDER_DOCS: Mapping[str, TableDoc] = {
    "reminders": (
        "Occurrences that a reminder has told of, so that none is told of twice.",
        {
            "kind": "Kind of the reminder; begun: the time from which ended pauses are told of.",
            "key": "Occurrence: the scope and its times, the shop, or the full load.",
            "number": "Number at which it was told of, such as messages in the quarantine.",
            "at": "Time at which it was told of.",
        },
    ),
    "reminder_deliveries": (
        "Reminders for each way that is set, webhook and e-mail; deleted after a week.",
        {
            "id": "UUIDv7; the id of the webhook, and part of that of the e-mail.",
            "channel": "webhook or mail.",
            "kind": "Kind of the reminder.",
            "document": "JSON: the body of the webhook.",
            "at": "Time at which it was written.",
            "attempts": "Attempts that were begun.",
            "due_at": "Time of the next attempt.",
            "sent_at": "Time at which it was delivered.",
            "failed_at": "Time at which it was given up.",
            "error": "Failure of the last attempt.",
        },
    ),
}
