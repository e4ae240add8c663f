"""History of the items that a search finds: their last versions, what became of an event, the pauses that discarded."""

from __future__ import annotations

from typing import NamedTuple

from storage.entities import key_text
from storage.views import Biography
from storage.views.history import Change, DiscardedBy, EventOutcome, HistoryView

__all__ = ["ItemHistory", "item_history"]

# A price table has thousands of prices: the history is told of those on top.
_MOST_ITEMS = 20


class ItemHistory(NamedTuple):
    """Versions by position of the entity, pauses by position of the missed key, and the outcomes of an event."""

    changes: list[list[Change]]
    pauses: list[DiscardedBy | None]
    events: list[EventOutcome]


def item_history(view: HistoryView, biography: Biography) -> ItemHistory:
    """Return the history of what a search has found."""
    names = [
        (row["shop"], row["domain"], key_text(row["domain"], list(row["key"].values())))
        for row in biography.entities[:_MOST_ITEMS]
    ]
    changes = view.of_keys(names)
    return ItemHistory(
        [changes.get(name, []) for name in names], view.discarding(biography.missed), view.of_event(biography.text)
    )
