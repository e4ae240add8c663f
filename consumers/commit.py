"""Commit of a batch; a row that the database refuses is found by bisection and quarantined alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from consumers.decode import reject
from consumers.delivery import Delivery
from rules.outcomes import RejectedDelivery
from rules.unknown_fields import merged_counts
from schemas.reasons import Reason, Refusal
from storage.errors import RowRefused, Unavailable
from storage.event_store import Committed, Reject

__all__ = ["BatchStore", "Item", "commit"]

Item = tuple[Delivery, Any]


class BatchStore(Protocol):
    """Store for one kind of messages."""

    def commit(self, batch: Sequence[Any], reject: Reject) -> Committed:
        """Write a batch in one transaction; `reject` gives the delivery of an item that is refused there.

        Raises `RowRefused` or `Unavailable`.
        """


def commit(store: BatchStore, items: Sequence[Item]) -> Committed:
    """Commit the outcome of every item, in one transaction unless the database refuses one of them.

    Raises `Unavailable` when the database is away. Part of the batch may then be committed; to commit it again is
    harmless.
    """

    def reject_at(position: int, refusal: Refusal) -> RejectedDelivery:
        return reject(items[position][0], refusal)

    try:
        return store.commit([decoded for _, decoded in items], reject_at)
    except RowRefused as error:
        if len(items) > 1:
            half = len(items) // 2
            return _merged(commit(store, items[:half]), commit(store, items[half:]))
        delivery, decoded = items[0]
        if isinstance(decoded, RejectedDelivery):
            raise Unavailable(f"the quarantine itself was refused: {error}") from error
        refusal = Refusal(Reason.REFUSED_BY_DATABASE, "", str(error))
        return store.commit([reject(delivery, refusal)], reject_at)


def _merged(first: Committed, second: Committed) -> Committed:
    rejected = [*first.rejected, *second.rejected]
    unknown = merged_counts(first.unknown, second.unknown)
    return Committed(Counter(first.tally) + Counter(second.tally), second.epoch, rejected, unknown)
