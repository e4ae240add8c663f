"""Order events and cancellations that come before their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, literal, select, update
from sqlalchemy.types import TypeEngine

from rules.orders import NOT_PLACED, OrderState
from rules.outcomes import Outcome, Tally
from schemas.domains import RECEIPTS
from schemas.order_news import Cancellation, OrderNews
from schemas.orders import ReceivedOrder
from storage.dialect import before_conflict, dump_rows, insert_into, rowset
from storage.order_rows import order_parameters, order_rowset
from storage.tables import order_events, orders
from storage.types import JSON_VALUE, UtcTime

__all__ = ["add_news", "fill_placeholders", "insert_placeholders"]

_NEWS = ("shop", "order_id", "event_id", "event", "data", "occurred_at")
_CANCELLED = ("shop", "order_id", "cancel_reason", "cancelled_at")
_NOW = bindparam("now", type_=UtcTime)


def add_news(connection: Connection, news: Sequence[OrderNews], tally: Tally, now: datetime) -> list[OrderNews]:
    """Keep the news of orders, each event once; return those that are new."""
    dialect = connection.dialect.name
    rows = {(each.shop, each.order_id, each.event_id): each for each in reversed(news)}
    dumped = dump_rows(dialect, ({name: getattr(rows[key], name) for name in _NEWS} for key in sorted(rows)))
    added = {tuple(row) for row in connection.execute(_add_news(dialect), {"rows": dumped, "now": now})}
    new = []
    for each in news:
        key = (each.shop, each.order_id, each.event_id)
        is_new = key in added
        if is_new:
            added.discard(key)
            new.append(each)
        tally[each.shop, RECEIPTS, Outcome.APPLIED if is_new else Outcome.SUPERSEDED] += 1
    return new


def insert_placeholders(
    connection: Connection, wishes: Mapping[tuple[str, str], Cancellation], now: datetime
) -> set[tuple[str, str]]:
    """Keep cancelled keys of which no order has come; return them."""
    dialect = connection.dialect.name
    rows = (
        {
            "shop": shop,
            "order_id": order_id,
            "cancel_reason": wish.reason,
            "cancelled_at": wish.cancelled_at or now,
        }
        for (shop, order_id), wish in sorted(wishes.items())
    )
    params = {"rows": dump_rows(dialect, rows), "now": now}
    return {(row.shop, row.order_id) for row in connection.execute(_insert_placeholders(dialect), params)}


def fill_placeholders(connection: Connection, placed: Sequence[ReceivedOrder], now: datetime) -> None:
    """Complete cancelled keys by the orders that have come; they stay cancelled."""
    dialect = connection.dialect.name
    connection.execute(_fill(dialect), {**order_parameters(dialect, placed), "now": now})


def _types(names: Sequence[str], table: Any = orders) -> dict[str, TypeEngine[Any]]:
    return {name: table.c[name].type for name in names}


@cache
def _add_news(dialect: str) -> Executable:
    rows = rowset(dialect, _types(_NEWS, order_events))
    source = select(*(rows.columns[name] for name in _NEWS), _NOW)
    insert = insert_into(dialect, order_events).from_select([*_NEWS, "received_at"], before_conflict(source))
    keys = order_events.c
    return insert.on_conflict_do_nothing().returning(keys.shop, keys.order_id, keys.event_id)  # type: ignore[no-any-return]


@cache
def _insert_placeholders(dialect: str) -> Executable:
    rows = rowset(dialect, _types(_CANCELLED))
    constants = (
        literal(OrderState.CANCELLED.value),
        literal(0),
        literal(NOT_PLACED),
        literal({}, type_=JSON_VALUE),
        rows.columns["cancelled_at"],
        _NOW,
        _NOW,
    )
    source = select(*(rows.columns[name] for name in _CANCELLED), *constants)
    names = [*_CANCELLED, "state", "attempts", "digest", "payload", "placed_at", "received_at", "state_since"]
    insert = insert_into(dialect, orders).from_select(names, before_conflict(source))
    return insert.on_conflict_do_nothing().returning(orders.c.shop, orders.c.order_id)  # type: ignore[no-any-return]


@cache
def _fill(dialect: str) -> Executable:
    rows = order_rowset(dialect).columns
    same = (orders.c.shop == rows["shop"], orders.c.order_id == rows["order_id"], orders.c.digest == NOT_PLACED)
    values = {name: rows[name] for name in ("placed_at", "payload", "digest")}
    return update(orders).where(*same).values(values | {"received_at": _NOW})
