"""Order rows: orders written, read and settled by their keys, each in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    bindparam,
    case,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from rules.orders import NO_FAILURES, CancelState, OrderRecord, OrderState
from schemas.orders import ReceivedOrder
from storage.dialect import (
    Rowset,
    before_conflict,
    document_rowset,
    dump_documents,
    dump_rows,
    insert_into,
    rowset,
)
from storage.tables import orders
from storage.types import EXACT_TEXT, UtcTime

__all__ = [
    "OrderKey",
    "insert_orders",
    "order_key",
    "order_parameters",
    "order_rowset",
    "peek_orders",
    "read_orders",
    "since_change",
    "write_settled",
]

OrderKey = tuple[str, str]

_KEY: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, "order_id": EXACT_TEXT}

_BROUGHT = ("shop", "order_id", "placed_at", "payload", "digest")
_SETTLED = (
    *("state", "erp_number", "last_error", "receipt_id"),
    *("cancellation", "cancel_reason", "cancelled_at", "cancel_due_at", "cancel_error"),
)


def insert_orders(connection: Connection, accepted: Sequence[ReceivedOrder], now: datetime) -> set[OrderKey]:
    """Insert orders, one a key, as waiting; return the keys that did not exist before."""
    dialect = connection.dialect.name
    params = order_parameters(dialect, sorted(accepted, key=order_key))
    return {(row.shop, row.order_id) for row in connection.execute(_insert(dialect), {**params, "now": now})}


def read_orders(connection: Connection, keys: Iterable[OrderKey]) -> dict[OrderKey, OrderRecord]:
    """Read and lock orders until the transaction ends; unknown keys are left out."""
    return _records(connection, _read(connection.dialect.name).with_for_update(of=orders), keys)


def peek_orders(connection: Connection, keys: Iterable[OrderKey]) -> dict[OrderKey, OrderRecord]:
    """Read orders without a lock; unknown keys are left out."""
    return _records(connection, _read(connection.dialect.name), keys)


def _records(connection: Connection, query: Select[Any], keys: Iterable[OrderKey]) -> dict[OrderKey, OrderRecord]:
    dialect = connection.dialect.name
    rows = ({"shop": shop, "order_id": order_id} for shop, order_id in sorted(keys))
    records = connection.execute(query, {"rows": dump_rows(dialect, rows)})
    return {
        (row.shop, row.order_id): OrderRecord(
            row.digest,
            OrderState(row.state),
            row.erp_number,
            row.last_error,
            row.receipt_id,
            row.attempts,
            row.cancellation and CancelState(row.cancellation),
            row.cancel_reason,
            row.cancelled_at,
            row.cancel_due_at,
            row.cancel_error,
        )
        for row in records
    }


def write_settled(connection: Connection, settled: Mapping[OrderKey, OrderRecord], now: datetime) -> None:
    """Write the orders that receipts have changed."""
    dialect = connection.dialect.name
    # Most are null, and a field that is left out is null as well.
    rows = (
        {"shop": shop, "order_id": order_id}
        | {name: value for name in _SETTLED if (value := getattr(order, name)) is not None}
        for (shop, order_id), order in sorted(settled.items())
    )
    connection.execute(_settle_statement(dialect), {"rows": dump_rows(dialect, rows), "now": now})


def order_key(order: ReceivedOrder) -> OrderKey:
    """Return the key of an order."""
    return order.shop, order.order_id


def order_parameters(dialect: str, placed: Sequence[ReceivedOrder]) -> dict[str, Any]:
    """Return the parameters of the columns that orders bring; a payload is written as the text that it is."""
    rows = (
        {"shop": each.shop, "order_id": each.order_id, "placed_at": each.placed_at, "digest": each.digest}
        for each in placed
    )
    return dump_documents(dialect, rows, "payload", [each.payload for each in placed])


def order_rowset(dialect: str) -> Rowset:
    """Return the rows of `order_parameters`."""
    return document_rowset(dialect, _types(_BROUGHT), "payload")


def _types(names: Iterable[str]) -> dict[str, TypeEngine[Any]]:
    return {name: orders.c[name].type for name in names}


def _same_order(rows: Rowset) -> Any:
    return (orders.c.shop == rows.columns["shop"]) & (orders.c.order_id == rows.columns["order_id"])


def since_change(state: ColumnElement[Any], now: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the value of `state_since` where the state is set: attempts of an undelivered order change nothing."""
    undelivered = (OrderState.WAITING.value, OrderState.SENDING.value)
    attempt = state.in_(undelivered) & orders.c.state.in_(undelivered)
    return case((or_(state == orders.c.state, attempt), orders.c.state_since), else_=now)


@cache
def _insert(dialect: str) -> Executable:
    rows = order_rowset(dialect)
    now = bindparam("now", type_=UtcTime)
    source = select(*(rows.columns[name] for name in _BROUGHT), literal(OrderState.WAITING.value), literal(0), now, now)
    insert = insert_into(dialect, orders).from_select(
        [*_BROUGHT, "state", "attempts", "received_at", "state_since"], before_conflict(source)
    )
    return insert.on_conflict_do_nothing().returning(orders.c.shop, orders.c.order_id)  # type: ignore[no-any-return]


@cache
def _read(dialect: str) -> Select[Any]:
    rows = rowset(dialect, _KEY)
    query = select(
        orders.c.shop, orders.c.order_id, orders.c.digest, orders.c.attempts, *(orders.c[name] for name in _SETTLED)
    )
    query = query.select_from(orders.join(rows.source, _same_order(rows)))
    return query.order_by(orders.c.shop, orders.c.order_id)


@cache
def _settle_statement(dialect: str) -> Executable:
    rows = rowset(dialect, _KEY | _types(_SETTLED))
    now = bindparam("now", type_=UtcTime)
    internalized = (rows.columns["state"] == OrderState.INTERNALIZED.value) & orders.c.internalized_at.is_(None)
    released = (rows.columns["state"] == OrderState.WAITING.value) & (orders.c.state == OrderState.HELD.value)
    failures, since = NO_FAILURES
    return (
        update(orders)
        .where(_same_order(rows))
        .values(
            {name: rows.columns[name] for name in _SETTLED}
            | {
                "internalized_at": case((internalized, now), else_=orders.c.internalized_at),
                "next_attempt_at": None,
                "state_since": since_change(rows.columns["state"], now),
                # A released order begins anew, as one that is sent again.
                "failures": case((released, failures), else_=orders.c.failures),
                "failing_since": case((released, since), else_=orders.c.failing_since),
            }
        )
    )
