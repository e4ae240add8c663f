"""Orders as rows: accepted once, and settled by receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Select, bindparam, case, literal, select, update
from sqlalchemy.types import TypeEngine

from rules.orders import Known, OrderState
from schemas.orders import OrderPlaced
from storage.dialect import Rowset, before_conflict, dump_rows, rowset
from storage.entities import insert_into
from storage.tables import orders
from storage.types import EXACT_TEXT, UtcTime

__all__ = ["OrderKey", "insert_orders", "read_orders", "write_settled"]

OrderKey = tuple[str, str]
_KEY: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, "order_id": EXACT_TEXT}
_ACCEPTED = ("shop", "order_id", "placed_at", "payload", "digest")
_SETTLED = ("state", "erp_number", "last_error", "receipt_id")


def insert_orders(connection: Connection, accepted: Sequence[OrderPlaced], now: datetime) -> set[OrderKey]:
    """Writes orders, one a key, as waiting; returns the keys that were not there before."""
    dialect = connection.dialect.name
    rows = ({name: getattr(order, name) for name in _ACCEPTED} for order in sorted(accepted, key=_key))
    given = {"rows": dump_rows(dialect, rows), "now": now}
    return {(row.shop, row.order_id) for row in connection.execute(_insert(dialect), given)}


def read_orders(connection: Connection, keys: Iterable[OrderKey]) -> dict[OrderKey, Known]:
    """What is known of some orders, locked until the transaction ends; who is unknown is left out."""
    dialect = connection.dialect.name
    rows = ({"shop": shop, "order_id": order_id} for shop, order_id in sorted(keys))
    found = connection.execute(_read(dialect), {"rows": dump_rows(dialect, rows)})
    return {
        (row.shop, row.order_id): Known(
            row.digest, OrderState(row.state), row.erp_number, row.last_error, row.receipt_id
        )
        for row in found
    }


def write_settled(connection: Connection, settled: Mapping[OrderKey, Known], now: datetime) -> None:
    """Writes what receipts have changed."""
    dialect = connection.dialect.name
    rows = (
        {"shop": shop, "order_id": order_id, **{name: getattr(order, name) for name in _SETTLED}}
        for (shop, order_id), order in sorted(settled.items())
    )
    connection.execute(_settle(dialect), {"rows": dump_rows(dialect, rows), "now": now})


def _key(order: OrderPlaced) -> OrderKey:
    return order.shop, order.order_id


def _types(names: Iterable[str]) -> dict[str, TypeEngine[Any]]:
    return {name: orders.c[name].type for name in names}


def _same(given: Rowset) -> Any:
    return (orders.c.shop == given.columns["shop"]) & (orders.c.order_id == given.columns["order_id"])


@cache
def _insert(dialect: str) -> Executable:
    given = rowset(dialect, _types(_ACCEPTED))
    now = bindparam("now", type_=UtcTime)
    source = select(*(given.columns[name] for name in _ACCEPTED), literal(OrderState.WAITING.value), literal(0), now)
    insert = insert_into(dialect, orders).from_select(
        [*_ACCEPTED, "state", "attempts", "received_at"], before_conflict(source)
    )
    return insert.on_conflict_do_nothing().returning(orders.c.shop, orders.c.order_id)  # type: ignore[no-any-return]


@cache
def _read(dialect: str) -> Select[Any]:
    given = rowset(dialect, _KEY)
    found = select(orders.c.shop, orders.c.order_id, orders.c.digest, *(orders.c[name] for name in _SETTLED))
    found = found.select_from(orders.join(given.source, _same(given)))
    return found.order_by(orders.c.shop, orders.c.order_id).with_for_update(of=orders)


@cache
def _settle(dialect: str) -> Executable:
    given = rowset(dialect, _KEY | _types(_SETTLED))
    now = bindparam("now", type_=UtcTime)
    done = given.columns["state"] == OrderState.INTERNALIZED.value
    return (
        update(orders)
        .where(_same(given))
        .values(
            {name: given.columns[name] for name in _SETTLED}
            | {"internalized_at": case((done, now), else_=orders.c.internalized_at), "next_attempt_at": None}
        )
    )
