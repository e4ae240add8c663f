"""Descriptions of the tables of the pauses' costs and of the upkeep, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["UPKEEP_DOCS"]

UPKEEP_DOCS: Mapping[str, TableDoc] = {
    "pause_ends": (
        "Scopes of pauses that have ended, with what they have cost.",
        {
            "epoch": "Epoch of the end.",
            "shop": "Shop of the scope; * is every shop.",
            "domain": "Domain of the scope; * is every domain.",
            "since": "Beginning of the pause.",
            "ended_at": "Time at which the scope was switched on.",
            "orders_held": "Number of orders that waited at the end.",
            "longest_wait": "Longest time in seconds that one of them had waited since the beginning.",
            "made_good_at": "Time at which none of its keys was missed any more; null: some are.",
        },
    ),
    "pause_lines": (
        "What the scope of a pause has cost each shop and domain.",
        {
            "epoch": "Epoch of the end.",
            "scope_shop": "Shop of the scope; * is every shop.",
            "scope_domain": "Domain of the scope; * is every domain.",
            "shop": "Id of the shop.",
            "domain": "Domain.",
            "discarded": "Number of changes discarded.",
            "keys": "Number of distinct keys missed by the end.",
        },
    ),
    "upkeep": (
        "The process that does the upkeep, and how far the ledger is rolled up.",
        {
            "name": "lock, or the table and the unit of a roll-up.",
            "holder": "Process that has the lock, or that has rolled up last.",
            "until": "End of the lock, or time of the roll-up.",
            "position": "Time before which everything is rolled up.",
        },
    ),
}
