"""Commits a batch of orders and receipts, whether the switches are on or off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Select, bindparam, case, literal, select, update
from sqlalchemy.types import TypeEngine

from rules.orders import OrderRecord, OrderState, apply_receipt
from rules.outcomes import Decoded, Outcome, RejectedDelivery, Tally
from schemas.orders import Receipt, ReceivedOrder
from schemas.reasons import Reason, Refusal
from storage.dialect import Rowset, before_conflict, dump_rows, insert_into, rowset
from storage.event_store import Committed
from storage.fence import Fence
from storage.ledger import add_shops, add_tally, count_received
from storage.quarantine import add_rejected
from storage.switches import read_switches
from storage.tables import orders
from storage.types import EXACT_TEXT, UtcTime

__all__ = ["OrderItem", "OrderKey", "OrderStore", "insert_orders", "read_orders", "write_settled"]
_Told = Decoded[ReceivedOrder | Receipt]
OrderItem = _Told | RejectedDelivery
_CHANGED = Refusal(Reason.ORDER_CHANGED, "/data", "an order of this id has come before, with another content")
OrderKey = tuple[str, str]

_KEY: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, "order_id": EXACT_TEXT}

_ACCEPTED = ("shop", "order_id", "placed_at", "payload", "digest")
_SETTLED = ("state", "erp_number", "last_error", "receipt_id")


class OrderStore:
    """Writes what shops and ERPs say of orders, for one worker; `accepted` is told when there is something to send."""

    def __init__(self, fence: Fence, worker: str, accepted: Callable[[], None] = lambda: None) -> None:
        self._fence = fence
        self._worker = worker
        self._accepted = accepted

    def commit(self, batch: Sequence[OrderItem]) -> Committed:
        """Writes a batch; when this returns, every outcome is committed.

        Raises `RowRefused` (nothing written, some row is at fault) or `Unavailable` (nothing known).
        """
        came_in = count_received(batch)
        tally: Tally = Counter()
        with self._fence.shared() as connection:
            state = read_switches(connection)
            rejected = [item for item in batch if isinstance(item, RejectedDelivery)]
            told = [item for item in batch if not isinstance(item, RejectedDelivery)]
            rejected += _accept(connection, told, tally, state.now)
            rejected += _settle(connection, told, tally, state.now)
            for item in rejected:
                tally[item.shop, item.domain, Outcome.QUARANTINED] += 1
            shops = {shop for shop, _, outcome in tally if outcome is not Outcome.QUARANTINED}
            if shops:
                add_shops(connection, shops, state.now)
            if rejected:
                add_rejected(connection, self._worker, rejected, state.now)
            add_tally(connection, self._worker, came_in, tally, state.now)
        if any(outcome is Outcome.APPLIED for _, _, outcome in tally):
            self._accepted()
        return Committed(tally, state.epoch, rejected)


def _accept(connection: Connection, told: Sequence[_Told], tally: Tally, now: datetime) -> list[RejectedDelivery]:
    """Writes the new orders; returns those that contradict what came before under their id."""
    placed = [(item, item.message) for item in told if isinstance(item.message, ReceivedOrder)]
    if not placed:
        return []
    first: dict[OrderKey, ReceivedOrder] = {}
    for _, order in placed:
        first.setdefault((order.shop, order.order_id), order)
    new = insert_orders(connection, list(first.values()), now)
    digests = {key: known.digest for key, known in read_orders(connection, first.keys() - new).items()}
    digests |= {key: first[key].digest for key in new}
    rejected = []
    for item, order in placed:
        key = (order.shop, order.order_id)
        if order.digest != digests[key]:
            rejected.append(item.reject(_CHANGED))
            continue
        outcome = Outcome.APPLIED if key in new else Outcome.SUPERSEDED
        new.discard(key)
        tally[order.shop, item.domain, outcome] += 1
    return rejected


def _settle(connection: Connection, told: Sequence[_Told], tally: Tally, now: datetime) -> list[RejectedDelivery]:
    """Applies receipts in the order they came; returns those that are refused."""
    receipts = [(item, item.message) for item in told if isinstance(item.message, Receipt)]
    if not receipts:
        return []
    known = read_orders(connection, {(receipt.shop, receipt.order_id) for _, receipt in receipts})
    changed: dict[OrderKey, OrderRecord] = {}
    rejected = []
    for item, receipt in receipts:
        key = (receipt.shop, receipt.order_id)
        settled = apply_receipt(known.get(key), receipt)
        if settled.refusal is not None:
            rejected.append(item.reject(settled.refusal))
            continue
        if settled.order is not None and settled.outcome is Outcome.APPLIED:
            known[key] = changed[key] = settled.order
        tally[receipt.shop, item.domain, settled.outcome] += 1
    if changed:
        write_settled(connection, changed, now)
    return rejected


def insert_orders(connection: Connection, accepted: Sequence[ReceivedOrder], now: datetime) -> set[OrderKey]:
    """Writes orders, one a key, as waiting; returns the keys that were not there before."""
    dialect = connection.dialect.name
    rows = ({name: getattr(order, name) for name in _ACCEPTED} for order in sorted(accepted, key=_key))
    given = {"rows": dump_rows(dialect, rows), "now": now}
    return {(row.shop, row.order_id) for row in connection.execute(_insert(dialect), given)}


def read_orders(connection: Connection, keys: Iterable[OrderKey]) -> dict[OrderKey, OrderRecord]:
    """What is known of some orders, locked until the transaction ends; who is unknown is left out."""
    dialect = connection.dialect.name
    rows = ({"shop": shop, "order_id": order_id} for shop, order_id in sorted(keys))
    found = connection.execute(_read(dialect), {"rows": dump_rows(dialect, rows)})
    return {
        (row.shop, row.order_id): OrderRecord(
            row.digest, OrderState(row.state), row.erp_number, row.last_error, row.receipt_id
        )
        for row in found
    }


def write_settled(connection: Connection, settled: Mapping[OrderKey, OrderRecord], now: datetime) -> None:
    """Writes what receipts have changed."""
    dialect = connection.dialect.name
    rows = (
        {"shop": shop, "order_id": order_id, **{name: getattr(order, name) for name in _SETTLED}}
        for (shop, order_id), order in sorted(settled.items())
    )
    connection.execute(_settle_statement(dialect), {"rows": dump_rows(dialect, rows), "now": now})


def _key(order: ReceivedOrder) -> OrderKey:
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
def _settle_statement(dialect: str) -> Executable:
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
