"""Hands out waiting orders under the fence, and writes down what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, and_, bindparam, case, or_, update
from sqlalchemy.types import TypeEngine

from control.switchboard import Switchboard
from rules.delivering import Attempted
from rules.orders import OrderState
from rules.switches import Switches
from schemas.domains import ORDERS
from storage.claiming import Claimed, claim_oldest, look
from storage.dialect import dump_rows, rowset
from storage.fence import Fence
from storage.switches import read_switches
from storage.tables import orders
from storage.types import UtcTime

__all__ = ["Claimed", "Dispatch", "Due", "Result"]

# What an attempt may take; a worker that died gives its orders back after it.
LEASE = timedelta(seconds=60)
_WRITTEN = ("state", "erp_number", "last_error", "next_attempt_at")


class Due(NamedTuple):
    """Which shops have orders to send, oldest first, which of them are stopped, and how many workers send."""

    open: tuple[str, ...]
    stopped: frozenset[str]
    workers: int


Result = tuple[Claimed, Callable[[datetime], Attempted]]


class Dispatch:
    """Claims orders for one worker; nothing is claimed of a shop whose orders are switched off."""

    def __init__(self, fence: Fence, switchboard: Switchboard, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._lease = lease

    def claim(self, share: Callable[[Due], Sequence[tuple[str, int]]], results: Sequence[Result] = ()) -> list[Claimed]:
        """Claims orders, oldest first per shop: `share` says how many of which shop.

        Claiming and the switches are one transaction inside the fence: behind a pause nothing is claimed. Before it
        the `results` of earlier claims are recorded in the same one.
        """
        while True:
            with self._fence.shared() as connection:
                state = read_switches(connection)
                if not state.expired:
                    _write(connection, results, state.now)
                    due = self._due(connection, state)
                    wanted = [(shop, number) for shop, number in share(due) if shop not in due.stopped]
                    return claim_oldest(connection, wanted, state.now, state.now + self._lease) if wanted else []
            # A pause ran out: ended inside the fence, as for a batch.
            self._switchboard.end_expired()

    def record(self, results: Sequence[Result]) -> None:
        """Writes what became of claimed orders.

        One that a receipt or a later attempt has moved on is left alone, unless the ERP's number has come.
        """
        with self._fence.shared() as connection:
            _write(connection, results, read_switches(connection).now)

    @staticmethod
    def _due(connection: Connection, state: Switches) -> Due:
        shops, senders = look(connection, state.now)
        stopped = frozenset(shop for shop in shops if state.stops(shop, ORDERS))
        return Due(tuple(shop for shop in shops if shop not in stopped), stopped, senders)


_NOW = bindparam("now", type_=UtcTime)


def _write(connection: Connection, results: Sequence[Result], now: datetime) -> None:
    if not results:
        return
    dialect = connection.dialect.name
    rows = sorted(
        (
            {"shop": order.shop, "order_id": order.order_id, "attempts": order.attempts, **after(now)._asdict()}
            for order, after in results
        ),
        key=lambda row: (row["shop"], row["order_id"]),
    )
    connection.execute(_record(dialect), {"rows": dump_rows(dialect, rows), "now": now})


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
