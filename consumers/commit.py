"""Commits a batch; a row that the database refuses is found by halving and quarantined alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from consumers.decode import reject
from consumers.delivery import Delivery
from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.errors import RowRefused, Unavailable
from storage.event_store import Committed

__all__ = ["Commits", "Item", "commit"]

Item = tuple[Delivery, Any]


class Commits(Protocol):
    """A store for one kind of messages."""

    def commit(self, batch: Sequence[Any]) -> Committed:
        """Writes a batch; raises `RowRefused` or `Unavailable`."""


def commit(store: Commits, items: Sequence[Item]) -> Committed:
    """Commits every item's outcome, in one transaction unless the database refuses one of them.

    Raises `Unavailable` when the database is away; part of the batch may then be committed,
    which repeating it does not harm.
    """
    try:
        return store.commit([decoded for _, decoded in items])
    except RowRefused as error:
        if len(items) > 1:
            half = len(items) // 2
            return _both(commit(store, items[:half]), commit(store, items[half:]))
        delivery, decoded = items[0]
        if isinstance(decoded, RejectedDelivery):
            raise Unavailable(f"the quarantine itself was refused: {error}") from error
        refusal = Refusal(Reason.REFUSED_BY_DATABASE, "", str(error))
        return store.commit([reject(delivery, refusal)])


def _both(first: Committed, second: Committed) -> Committed:
    rejected = [*first.rejected, *second.rejected]
    return Committed(Counter(first.tally) + Counter(second.tally), second.epoch, rejected)
