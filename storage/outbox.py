"""Outbox of order notices: written with the change that each tells of, removed once it is published.

Of one order the positions grow in the order of its changes, since each change holds the order's row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import starmap
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    Text,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    true,
)

from rules.order_notices import notices_of
from rules.orders import OrderRecord
from schemas.order_notices import notice_data
from storage.dialect import before_conflict, database_now, dump_rows, insert_into, rowset
from storage.fence import Fence
from storage.tables import outbox, outbox_leases
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["OrderNotice", "Outbox", "OutboxRow", "add_notices", "change_notices"]
# Longer than a publisher waits for its confirms; the shops of a relay that died are free again after it.
LEASE = timedelta(seconds=20)
_SHOPS_AT_ONCE = 100
_ROWS_AT_ONCE = 1_000
# Where many shops have few notices each, a shop that has many goes on all the same.
_LEAST_ROWS_OF_SHOP = 20
_COLUMNS = ("shop", "order_id", "kind", "data")


class OrderNotice(NamedTuple):
    """News of an order for its shop; `order_id` is None where a refused message names none."""

    shop: str
    order_id: str | None
    kind: str
    data: Mapping[str, Any]


class OutboxRow(NamedTuple):
    """A notice to publish; `data` is JSON text."""

    position: int
    shop: str
    order_id: str | None
    kind: str
    data: str
    at: datetime


def change_notices(key: tuple[str, str], before: OrderRecord, after: OrderRecord) -> list[OrderNotice]:
    """Return the notices of an order's change."""
    return [OrderNotice(*key, kind, data) for kind, data in notices_of(before, after)]


def add_notices(connection: Connection, events: Sequence[OrderNotice], now: datetime) -> None:
    """Write notices into the transaction of the changes that they tell of, in one statement, in this order."""
    dialect = connection.dialect.name
    rows = (
        {"shop": shop, "order_id": order_id, "kind": kind, "data": notice_data(order_id, data)}
        for shop, order_id, kind, data in events
    )
    connection.execute(_insert(dialect), {"rows": dump_rows(dialect, rows), "now": now})


class Outbox:
    """The outbox as one relay sees it: the notices of the shops that it alone publishes until its lease ends."""

    def __init__(self, fence: Fence, relay: str, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._relay = relay
        self._lease = lease
        self._last = ""

    def is_empty(self) -> bool:
        """Return whether no notice waits; takes no lock."""
        with self._fence.glance() as connection:
            return not connection.scalar(_ANY)

    def exchange(self, published: Sequence[int], skip: frozenset[str] = frozenset()) -> list[OutboxRow]:
        """Remove published notices and return the next ones, of each shop in the order of their positions.

        Shops under another relay's lease are left to it, and those in `skip` are left for later.
        """
        with self._fence.shared() as connection:
            _remove(connection, published)
            shops = self._take(connection, [shop for shop in connection.scalars(_WAITING_SHOPS) if shop not in skip])
            return list(_next_rows(connection, shops))

    def close(self, published: Sequence[int]) -> None:
        """Remove published notices, and give every lease back."""
        with self._fence.shared() as connection:
            _remove(connection, published)
            connection.execute(delete(outbox_leases).where(outbox_leases.c.worker == self._relay))

    def _take(self, connection: Connection, waiting: Sequence[str]) -> list[str]:
        """Lease some of these shops, in turn; return those that no other relay holds."""
        turn = [shop for shop in waiting if shop > self._last] + [shop for shop in waiting if shop <= self._last]
        if not turn:
            return []
        shops = sorted(turn[:_SHOPS_AT_ONCE])
        self._last = turn[:_SHOPS_AT_ONCE][-1]
        dialect, now = connection.dialect.name, database_now(connection)
        rows = dump_rows(dialect, ({"shop": shop} for shop in shops))
        params = {"rows": rows, "relay": self._relay, "now": now, "until": now + self._lease}
        return sorted(connection.scalars(_lease(dialect), params))


def _next_rows(connection: Connection, shops: Sequence[str]) -> Iterator[OutboxRow]:
    """Yield the next notices, shop by shop in the order of their positions."""
    if not shops:
        return
    number = max(_LEAST_ROWS_OF_SHOP, _ROWS_AT_ONCE // len(shops))
    if connection.dialect.name == "postgresql":
        # One round trip, however many shops there are.
        rows = dump_rows("postgresql", ({"shop": shop} for shop in shops))
        yield from starmap(OutboxRow, connection.execute(_NEXT_OF_EACH, {"rows": rows, "number": number}))
        return
    for shop in shops:
        yield from starmap(OutboxRow, connection.execute(_NEXT_OF_ONE, {"of_shop": shop, "number": number}))


def _remove(connection: Connection, positions: Sequence[int]) -> None:
    if positions:
        dialect = connection.dialect.name
        rows = dump_rows(dialect, ({"position": position} for position in positions))
        connection.execute(_delete(dialect), {"rows": rows})


@cache
def _insert(dialect: str) -> Executable:
    rows = rowset(dialect, {name: outbox.c[name].type for name in _COLUMNS})
    source = select(*(rows.columns[name] for name in _COLUMNS), bindparam("now", type_=UtcTime))
    statement: Executable = insert_into(dialect, outbox).from_select([*_COLUMNS, "at"], source)
    return statement


@cache
def _delete(dialect: str) -> Executable:
    rows = rowset(dialect, {"position": BIGINT})
    return delete(outbox).where(outbox.c.position.in_(select(rows.columns["position"])))


@cache
def _lease(dialect: str) -> Executable:
    rows = rowset(dialect, {"shop": EXACT_TEXT})
    until = bindparam("until", type_=UtcTime)
    source = select(rows.columns["shop"], bindparam("relay", type_=Text()), until)
    insert = insert_into(dialect, outbox_leases).from_select(["shop", "worker", "until"], before_conflict(source))
    free = or_(
        outbox_leases.c.until <= bindparam("now", type_=UtcTime), outbox_leases.c.worker == insert.excluded.worker
    )
    statement: Executable = insert.on_conflict_do_update(
        index_elements=["shop"], set_={"worker": insert.excluded.worker, "until": insert.excluded.until}, where=free
    ).returning(outbox_leases.c.shop)
    return statement


def _waiting_shops() -> Select[Any]:
    # One index lookup for each shop, however many notices wait.
    shops = select(func.min(outbox.c.shop).label("shop")).cte("shops", recursive=True)
    after = select(func.min(outbox.c.shop)).where(outbox.c.shop > shops.c.shop).scalar_subquery()
    shops = shops.union_all(select(after).where(shops.c.shop.is_not(None)))
    return select(shops.c.shop).where(shops.c.shop.is_not(None)).order_by(shops.c.shop)


def _next(shop: ColumnElement[str]) -> Select[Any]:
    columns = (outbox.c[name] for name in OutboxRow._fields)
    return select(*columns).where(outbox.c.shop == shop).order_by(outbox.c.position).limit(bindparam("number"))


def _of_each() -> Select[Any]:
    rows = rowset("postgresql", {"shop": EXACT_TEXT})
    each = _next(rows.columns["shop"]).correlate(rows.source).lateral("next")
    joined = rows.source.join(each, true())
    return (
        select(*(each.c[name] for name in OutboxRow._fields)).select_from(joined).order_by(each.c.shop, each.c.position)
    )


_ANY = select(exists(outbox.select()))
_WAITING_SHOPS = _waiting_shops()
_NEXT_OF_ONE = _next(bindparam("of_shop"))
_NEXT_OF_EACH = _of_each()
