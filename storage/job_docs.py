"""Descriptions of the tables of background replays and drops."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["JOB_DOCS"]

JOB_DOCS: Mapping[str, TableDoc] = {
    "quarantine_jobs": (
        "Replays and drops of many messages that go on in the background; deleted a week after their end.",
        {
            "id": "UUIDv7.",
            "action": "replay or drop.",
            "state": "running, canary (it waits for what becomes of the first ten), done, stopped or cancelled.",
            "filter": "Filter that chose the messages.",
            "title": "The filter as text.",
            "through": "Id of the newest chosen message.",
            "after": "Id of the last message that was tried.",
            "chosen": "Number of messages at the beginning.",
            "done": "Number of messages that have left the quarantine by it.",
            "staying": "Number of messages that can't be replayed.",
            "canary": "Whether the first ten are still to be tried alone.",
            "discard": "Whether messages are published although they would be discarded.",
            "by": "Operator who began it.",
            "reason": "Reason that the operator gave.",
            "error": "Reason of its stop.",
            "audit_id": "Id of its entry in the audit.",
            "at": "Time of its beginning.",
            "settles_at": "Time until which it waits for what becomes of the first ten.",
            "ended_at": "Time of its end.",
            "holder": "Process that does it.",
            "lease_until": "Time until which that process alone does it.",
        },
    ),
    "quarantine_job_items": (
        "Messages that a background replay has published, to count those that came back.",
        {"job": "Id of the replay.", "digest": "Hash of the message, as in the quarantine."},
    ),
    "quarantine_notes": (
        "Notes of operators on the messages of one reason and shop.",
        {
            "reason": "Reason of the refusals.",
            "shop": "Id of the shop.",
            "note": "The text.",
            "ticket": "Number or address of a ticket.",
            "by": "Operator who wrote it last.",
            "at": "Time at which it was written.",
        },
    ),
}
