"""Description of the table of the last versions of each key."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["HISTORY_DOCS"]

HISTORY_DOCS: Mapping[str, TableDoc] = {
    "history": (
        "The last versions of each key and their outcomes, COMPORTA_HISTORY of each key; empty while that is 0. "
        "Customers are left out, so that personal data is not kept twice.",
        {
            "id": "UUIDv7: the order in which the versions came.",
            "shop": "Id of the shop.",
            "domain": "Domain.",
            "key": "Key fields, as JSON text in the order of the key.",
            "version": "Version of the event.",
            "event_id": "Id of the event.",
            "outcome": "applied, superseded or discarded.",
            "deleted": "Whether the event is a deletion.",
            "state": "JSON: the fields beside the key; null for a deletion and for a superseded version.",
            "at": "Time of the transaction, by the database's clock.",
        },
    ),
}
