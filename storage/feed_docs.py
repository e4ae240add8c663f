"""Descriptions of the change feed's table for the shop, and of the relays' tables, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["FEED_DOCS"]

_SHOP, _DOMAIN = "Id of the shop.", "Domain."

FEED_DOCS: Mapping[str, TableDoc] = {
    "changes": (
        "The change feed: one row for each row of the seven tables that was written, while COMPORTA_CHANGES is true. "
        "Kept for COMPORTA_CHANGES_HOURS. Behind a position that is visible no other appears.",
        {
            "position": "Position: grows by one with each change.",
            "shop": _SHOP,
            "domain": "Domain, which is the name of the table.",
            "key": "Key fields of the row, as JSON text in the order of the key.",
            "version": "Version that was written.",
            "deleted": "Whether the row is a tombstone since.",
            "at": "Time of the transaction, by the database's clock.",
        },
    ),
    "change_feed": (
        "The state of the change feed: one row once it was on.",
        {
            "name": "changes.",
            "recording": "Whether changes are recorded.",
            "position": "The newest position.",
        },
    ),
    "outcome_notices": (
        "Quarantined events that the exchange comporta.outcomes has not been told of yet.",
        {
            "id": "Id of the message in the quarantine.",
            "at": "Time of the refusal.",
            "shop": _SHOP,
            "domain": _DOMAIN,
            "data": "What is published, as JSON text.",
        },
    ),
    "relays": (
        "Publishers of what was committed: one row for each kind, with the worker that alone publishes it.",
        {
            "name": "changes, outcomes, or resync for the requests after a resume.",
            "worker": "Id of the worker: host, process id and a random part.",
            "until": "Time at which the worker's lease ends.",
            "position": "What is published: the position of the change, or the minute in seconds since 1970.",
        },
    ),
}
