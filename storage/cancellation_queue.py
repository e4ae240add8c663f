"""Cancellation queue: claims the cancellations that the ERP has to hear of, and records each attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, exists, func, literal, select, tuple_, update

from rules.orders import CancelState, OrderState
from rules.switches import Switches
from schemas.domains import ORDERS
from schemas.order_notices import Notice
from storage.fence import Fence
from storage.outbox import OrderNotice, add_notices
from storage.switches import EndsExpired, read_switches
from storage.tables import orders

__all__ = ["CancelRecord", "CancellationQueue", "ClaimedCancellation"]

_LEASE = timedelta(seconds=60)
_AT_ONCE = 50
_TELLING = orders.c.cancellation == literal(CancelState.TELLING.value, literal_execute=True)
_ANY_TELLING = select(exists(1).where(_TELLING))
_KEY = tuple_(orders.c.shop, orders.c.order_id)


class ClaimedCancellation(NamedTuple):
    """A cancellation that this worker alone tells the ERP, until its lease ends."""

    shop: str
    order_id: str
    attempts: int
    reason: str | None
    cancelled_at: datetime | None
    erp_number: str | None


CancelRecord = tuple[ClaimedCancellation, Callable[[datetime], tuple[CancelState, datetime | None, str | None]]]


class CancellationQueue:
    """Claims of cancellations for one worker, of shops whose orders are on."""

    def __init__(self, fence: Fence, switchboard: EndsExpired, lease: timedelta = _LEASE) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._lease = lease

    def claim(self, most: int = _AT_ONCE) -> list[ClaimedCancellation]:
        """Claim due cancellations inside the fence: after a pause nothing is claimed."""
        # Asked outside the fence, since mostly there is none.
        with self._fence.glance() as connection:
            if not connection.scalar(_ANY_TELLING):
                return []
        while True:
            with self._fence.shared() as connection:
                state = read_switches(connection)
                if not state.expired:
                    return _claim(connection, state, self._lease, most)
            self._switchboard.end_expired()

    def record(self, results: Sequence[CancelRecord]) -> None:
        """Record the attempts; a cancellation that the ERP has answered meanwhile is left alone."""
        with self._fence.shared() as connection:
            now = read_switches(connection).now
            for claimed, outcome in sorted(results, key=lambda result: result[0][:2]):
                state, due_at, error = outcome(now)
                values = {"cancellation": state.value, "cancel_due_at": due_at, "cancel_error": error}
                recorded = connection.execute(
                    _RECORD,
                    {"of_shop": claimed.shop, "of_order": claimed.order_id, "attempt": claimed.attempts, **values},
                )
                if state is CancelState.REFUSED and recorded.rowcount:
                    refused = OrderNotice(claimed.shop, claimed.order_id, Notice.CANCEL_REFUSED, {"reason": error})
                    add_notices(connection, [refused], now)


def _claim(connection: Connection, state: Switches, lease: timedelta, most: int) -> list[ClaimedCancellation]:
    # An order in flight is told after its attempt has ended: the ERP must not hear of the cancellation first.
    due = (_TELLING, orders.c.cancel_due_at <= state.now, orders.c.state != OrderState.SENDING.value)
    shops = connection.scalars(select(orders.c.shop).where(*due).distinct())
    open_shops = [shop for shop in shops if not state.stops(shop, ORDERS)]
    if not open_shops:
        return []
    oldest = select(orders.c.shop, orders.c.order_id).where(*due, orders.c.shop.in_(open_shops))
    oldest = oldest.order_by(orders.c.cancel_due_at).limit(most).with_for_update(skip_locked=True)
    keys = [(row.shop, row.order_id) for row in connection.execute(oldest)]
    claim = (
        update(orders)
        .where(_KEY.in_(keys))
        .values(cancel_attempts=func.coalesce(orders.c.cancel_attempts, 0) + 1, cancel_due_at=state.now + lease)
        .returning(*(orders.c[name] for name in _CLAIMED))
    )
    return [ClaimedCancellation(*row) for row in connection.execute(claim)]


_CLAIMED = ("shop", "order_id", "cancel_attempts", "cancel_reason", "cancelled_at", "erp_number")
_RECORD: Any = (
    update(orders)
    .where(
        orders.c.shop == bindparam("of_shop"),
        orders.c.order_id == bindparam("of_order"),
        orders.c.cancel_attempts == bindparam("attempt"),
        _TELLING,
    )
    .values(
        {name: bindparam(name, type_=orders.c[name].type) for name in ("cancellation", "cancel_due_at", "cancel_error")}
    )
)
