"""Hands out waiting orders under the fence, and writes down what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, and_, bindparam, case, func, or_, select, tuple_, update
from sqlalchemy.types import TypeEngine

from rules.delivering import Attempted
from rules.orders import OrderState
from schemas.registry import ORDERS
from storage.fence import Fence
from storage.rowset import dump_rows, rowset
from storage.switchboard import Switchboard
from storage.switches import read_switches
from storage.tables import orders, workers
from storage.types import UtcTime

__all__ = ["Claimed", "Dispatch", "Due", "retry_order"]

# What an attempt may take; a worker that died gives its orders back after it.
LEASE = timedelta(seconds=60)
_HEARD_OF = timedelta(seconds=10)
_WRITTEN = ("state", "erp_number", "last_error", "next_attempt_at")


class Claimed(NamedTuple):
    """An order that is this worker's to send until its lease ends."""

    shop: str
    order_id: str
    attempts: int
    payload: dict[str, Any]


class Due(NamedTuple):
    """Which shops have orders to send, oldest first, which of them are stopped, and how many workers send."""

    open: tuple[str, ...]
    stopped: frozenset[str]
    workers: int


class Dispatch:
    """Claims orders for one worker; nothing is claimed of a shop whose orders are switched off."""

    def __init__(self, fence: Fence, switchboard: Switchboard, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._lease = lease

    def claim(self, share: Callable[[Due], Sequence[tuple[str, int]]]) -> list[Claimed]:
        """Claims orders, oldest first per shop: `share` says how many of which shop.

        Claiming and the switches are one transaction inside the fence: behind a pause nothing is claimed.
        """
        while True:
            with self._fence.shared() as connection:
                state = read_switches(connection)
                if not state.expired:
                    connection.execute(_GIVE_BACK, {"now": state.now})
                    shops = list(connection.scalars(_SHOPS, {"now": state.now}))
                    stopped = frozenset(shop for shop in shops if state.stops(shop, ORDERS))
                    going = tuple(shop for shop in shops if shop not in stopped)
                    due = Due(going, stopped, _senders(connection, state.now) if going else 0)
                    return [
                        order
                        for shop, number in share(due)
                        if shop not in stopped
                        for order in self._claim(connection, shop, number, state.now)
                    ]
            # A pause ran out: ended inside the fence, as for a batch.
            self._switchboard.end_expired()

    def record(self, results: Iterable[tuple[Claimed, Callable[[datetime], Attempted]]]) -> None:
        """Writes what became of claimed orders.

        One that a receipt or a later attempt has moved on is left alone, unless the ERP's number has come.
        """
        with self._fence.shared() as connection:
            now = read_switches(connection).now
            rows = sorted(
                (
                    {"shop": order.shop, "order_id": order.order_id, "attempts": order.attempts, **after(now)._asdict()}
                    for order, after in results
                ),
                key=lambda row: (row["shop"], row["order_id"]),
            )
            dialect = connection.dialect.name
            connection.execute(_record(dialect), {"rows": dump_rows(dialect, rows), "now": now})

    def _claim(self, connection: Connection, shop: str, number: int, now: datetime) -> list[Claimed]:
        given = {"of_shop": shop, "number": number, "now": now, "until": now + self._lease}
        rows = connection.execute(_CLAIM, given).all()
        found = [Claimed(row.shop, row.order_id, row.attempts, row.payload) for row in rows]
        placed = {(row.shop, row.order_id): row.placed_at for row in rows}
        return sorted(found, key=lambda order: (placed[order.shop, order.order_id], order.order_id))


def retry_order(fence: Fence, shop: str, order_id: str) -> bool:
    """Lets an order be sent again that the ERP has rejected, or not answered for; whether there was such a one."""
    with fence.shared() as connection:
        return connection.execute(_RETRY, {"of_shop": shop, "of_order": order_id}).rowcount > 0


_NOW = bindparam("now", type_=UtcTime)
_DUE = and_(
    orders.c.state == OrderState.WAITING.value,
    or_(orders.c.next_attempt_at.is_(None), orders.c.next_attempt_at <= _NOW),
)
_GIVE_BACK = (
    update(orders)
    .where(orders.c.state == OrderState.SENDING.value, orders.c.lease_until < _NOW)
    .values(state=OrderState.WAITING.value, lease_until=None)
)
_CHOSEN = (
    select(orders.c.shop, orders.c.order_id)
    .where(orders.c.shop == bindparam("of_shop"), _DUE)
    .order_by(orders.c.placed_at, orders.c.order_id)
    .limit(bindparam("number"))
    .with_for_update(skip_locked=True)
    # Apart, so that it runs once: inside the condition its limit could count for each row anew.
    .cte("chosen")
)
_CLAIM = (
    update(orders)
    .where(tuple_(orders.c.shop, orders.c.order_id).in_(select(_CHOSEN.c.shop, _CHOSEN.c.order_id)), _DUE)
    .values(
        state=OrderState.SENDING.value,
        attempts=orders.c.attempts + 1,
        lease_until=bindparam("until", type_=UtcTime),
        next_attempt_at=None,
    )
    .returning(orders.c.shop, orders.c.order_id, orders.c.attempts, orders.c.payload, orders.c.placed_at)
)
_RETRY = (
    update(orders)
    .where(
        orders.c.shop == bindparam("of_shop"),
        orders.c.order_id == bindparam("of_order"),
        orders.c.state.in_([OrderState.REJECTED.value, OrderState.SENT.value, OrderState.WAITING.value]),
    )
    .values(state=OrderState.WAITING.value, next_attempt_at=None)
)
_SHOPS = select(orders.c.shop).where(_DUE).group_by(orders.c.shop).order_by(func.min(orders.c.placed_at))


def _senders(connection: Connection, now: datetime) -> int:
    heard = connection.scalars(select(workers.c.domains).where(workers.c.last_seen > now - _HEARD_OF))
    return sum(ORDERS in domains for domains in heard)


@cache
def _record(dialect: str) -> Executable:
    names = ("shop", "order_id", "attempts", *_WRITTEN)
    types: dict[str, TypeEngine[Any]] = {name: orders.c[name].type for name in names}
    given = rowset(dialect, types).columns
    state = given["state"]
    return (
        update(orders)
        .where(
            orders.c.shop == given["shop"],
            orders.c.order_id == given["order_id"],
            or_(
                and_(orders.c.attempts == given["attempts"], orders.c.state == OrderState.SENDING.value),
                # A number of the ERP counts, however late it comes.
                and_(state == OrderState.INTERNALIZED.value, orders.c.state != OrderState.INTERNALIZED.value),
            ),
        )
        .values(
            {name: given[name] for name in _WRITTEN}
            | {
                "lease_until": None,
                "sent_at": case((state == OrderState.SENT.value, _NOW), else_=orders.c.sent_at),
                "internalized_at": case((state == OrderState.INTERNALIZED.value, _NOW), else_=None),
            }
        )
    )
