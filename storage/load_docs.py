"""Descriptions of the tables of full loads, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["LOAD_DOCS"]

_LOAD = "Number of the load: loads.number."
_CHUNK = "Number of the chunk; a load without chunks has one."

LOAD_DOCS: Mapping[str, TableDoc] = {
    "loads": (
        "Full loads: an ERP publishes a whole domain, and what it has not named is deleted.",
        {
            "shop": "Id of the shop.",
            "domain": "Domain.",
            "load_id": "Id that the ERP gave it.",
            "number": "Number that the other tables name it by.",
            "version": "Version of the ERP before it began to read; null: its begin has not come yet.",
            "state": "running, held, completed, superseded, expired or cancelled.",
            "chunks": "Number of chunks that the ERP says it has.",
            "count": "Number of keys that the ERP says it has.",
            "seen": "Number of its keys that have come.",
            "deleted": "Number of rows that it has deleted.",
            "allowed": "Number of rows that it may delete; null: not reckoned yet.",
            "started_at": "Time of its first message.",
            "changed_at": "Time of its last change.",
            "ended_at": "Time of its end; null: it runs.",
        },
    ),
    "load_chunks": (
        "Chunks of full loads: of each, what it deletes is decided apart.",
        {
            "load": _LOAD,
            "chunk": _CHUNK,
            "version": "Version of the ERP before it read the chunk.",
            "range_from": "First key of its range: a JSON list; null: open.",
            "range_to": "First key beyond its range: a JSON list; null: open.",
            "count": "Number of keys that the ERP says it has.",
            "seen": "Number of its keys that have come.",
            "discarded": "Number of its events that were discarded.",
            "quarantined": "Number of its events that were quarantined.",
            "state": "open, incomplete, complete, counted or settled.",
            "reason": "Reason why it deletes nothing; null: it may.",
            "would_delete": "Number of rows that are still to be deleted.",
            "deleted": "Number of rows that it has deleted.",
            "cursor": "Key up to which its range is done: a JSON list.",
            "cleared": "Whether the keys that it has named are forgotten.",
            "changed_at": "Time of its last change.",
        },
    ),
    "load_keys": (
        "Keys that a chunk has named, until it is settled.",
        {"load": _LOAD, "chunk": _CHUNK, "key": "Key fields, as JSON text."},
    ),
}
