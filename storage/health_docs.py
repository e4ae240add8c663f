"""Descriptions of the tables of the installation's health, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["HEALTH_DOCS"]

_SHOP, _DOMAIN = "Id of the shop.", "Domain."

HEALTH_DOCS: Mapping[str, TableDoc] = {
    "queues": (
        "Queues of the broker, as last read.",
        {
            "queue": "Name of the queue.",
            "ready": "Number of messages that no worker has taken.",
            "consumers": "Number of consumers.",
            "checked_at": "Time of the reading.",
            "consumed_at": "Time at which it last had a consumer.",
            "waiting_since": "Time since which messages wait; null: none waits.",
            "away_since": "Time since which it can't be read; null: it can.",
        },
    ),
    "feed_activity": (
        "Last activity of each feed.",
        {
            "shop": _SHOP,
            "domain": _DOMAIN,
            "last_at": "Time of its last delivery.",
            "event_at": "Time of its newest event.",
            "minute": "Last minute that had measured events.",
            "behind_least": "Least seconds from an event's time to its commit in that minute.",
            "behind_most": "Most seconds from an event's time to its commit in that minute.",
            "behind_sum": "Sum of these seconds.",
            "measured": "Number of events measured in that minute.",
        },
    ),
    "feed_hours": (
        "Hours in which a feed had deliveries, by minute.",
        {
            "shop": _SHOP,
            "domain": _DOMAIN,
            "hour": "The hour.",
            "minutes": "Bit n is set if minute n had deliveries.",
        },
    ),
}
