"""Source of the relay for the order notices: the outbox of the shops that this worker alone publishes."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from schemas.order_notices import notice_event, notice_id
from schemas.topology import ORDER_NOTICES
from storage.outbox import Outbox, OutboxRow
from storage.relay_notice import RelayedNotice

__all__ = ["OrderNoticeSource"]


class OrderNoticeSource:
    """The outbox as a source: a lane is a shop, and the notices of one order are told in order."""

    poll_seconds = 0.5

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def exchange(self, confirmed: Collection[Hashable], skip: frozenset[str]) -> list[RelayedNotice]:
        """Remove the confirmed notices and return the next ones, but for the shops in `skip`."""
        if not confirmed and self._outbox.is_empty():
            return []
        return [_notice(row) for row in self._outbox.exchange(_positions(confirmed), skip)]

    def close(self, confirmed: Collection[Hashable]) -> None:
        """Remove the confirmed notices and give the shops back."""
        self._outbox.close(_positions(confirmed))


def _positions(confirmed: Collection[Hashable]) -> list[int]:
    return [token for token in confirmed if isinstance(token, int)]


def _notice(row: OutboxRow) -> RelayedNotice:
    identity = notice_id(row.position, row.at)
    event = notice_event(identity, row.position, row.order_id, row.kind, row.data, row.at)
    about = None if row.order_id is None else (row.shop, row.order_id)
    return RelayedNotice(row.position, row.shop, about, ORDER_NOTICES, row.shop, identity, event)
