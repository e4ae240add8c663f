"""Order store: commits a batch of orders and receipts, whether the switches are on or off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Select, bindparam, case, literal, select, update
from sqlalchemy.types import TypeEngine

from rules.cancellations import answer_cancellation, cancel
from rules.orders import NO_FAILURES, NOT_PLACED, CancelState, OrderRecord, OrderState, ReceiptDecision, apply_receipt
from rules.outcomes import Decoded, Outcome, RejectedDelivery, Tally
from rules.unknown_fields import FieldCounts, count_fields
from schemas.domains import ORDERS
from schemas.order_news import CancelAnswer, Cancellation, OrderNews
from schemas.orders import OrderMessage, Receipt, ReceivedOrder
from schemas.reasons import Reason, Refusal
from storage.dialect import Rowset, before_conflict, dump_rows, insert_into, rowset
from storage.event_store import Committed, Reject
from storage.fence import Fence
from storage.ledger import add_shops, add_tally, count_received
from storage.order_news import add_news, fill_placeholders, insert_placeholders
from storage.quarantine import add_rejected
from storage.switches import read_switches
from storage.tables import orders
from storage.types import EXACT_TEXT, UtcTime
from storage.unknown_fields import UnknownFieldCounts

__all__ = ["OrderItem", "OrderKey", "OrderStore", "accept_orders", "insert_orders", "read_orders", "write_settled"]
_DecodedItem = Decoded[OrderMessage]
OrderItem = _DecodedItem | RejectedDelivery
_CHANGED = Refusal(Reason.ORDER_CHANGED, "/data", "an earlier order with this id has different content")
OrderKey = tuple[str, str]

_KEY: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, "order_id": EXACT_TEXT}

_ACCEPTED = ("shop", "order_id", "placed_at", "payload", "digest")
_SETTLED = (
    *("state", "erp_number", "last_error", "receipt_id"),
    *("cancellation", "cancel_reason", "cancelled_at", "cancel_due_at", "cancel_error"),
)


class OrderStore:
    """The orders and receipts of one worker; `accepted` is called when a new order may be sent."""

    def __init__(self, fence: Fence, worker: str, accepted: Callable[[], None] = lambda: None) -> None:
        self._fence = fence
        self._worker = worker
        self._accepted = accepted
        self._unknown_fields = UnknownFieldCounts()

    def commit(self, batch: Sequence[OrderItem], _reject: Reject | None = None) -> Committed:
        """Write a batch; when this returns, every outcome is committed. Each item can reject itself.

        Raises `RowRefused` (nothing is written, a row is at fault) or `Unavailable` (the result is unknown).
        """
        received_counts = count_received(batch)
        tally: Tally = Counter()
        with self._fence.shared() as connection:
            state = read_switches(connection)
            rejected = [item for item in batch if isinstance(item, RejectedDelivery)]
            decoded = [item for item in batch if not isinstance(item, RejectedDelivery)]
            rejected += _accept(connection, decoded, tally, state.now)
            _cancel(connection, decoded, tally, state.now)
            rejected += _settle(connection, decoded, tally, state.now)
            for item in rejected:
                tally[item.shop, item.domain, Outcome.QUARANTINED] += 1
            shops = {shop for shop, _, outcome in tally if outcome is not Outcome.QUARANTINED}
            if shops:
                add_shops(connection, shops, state.now)
            if rejected:
                add_rejected(connection, self._worker, rejected, state.now)
            add_tally(connection, self._worker, received_counts, tally, state.now)
            unknown = self._count_unknown(connection, decoded, state.now)
        if any(outcome is Outcome.APPLIED for _, _, outcome in tally):
            self._accepted()
        return Committed(tally, state.epoch, rejected, unknown)

    def _count_unknown(self, connection: Connection, decoded: Sequence[_DecodedItem], now: datetime) -> FieldCounts:
        placed = [item.message for item in decoded if isinstance(item.message, ReceivedOrder) and item.message.unknown]
        if not placed:
            return {}
        counts = count_fields((order.shop, ORDERS, order.unknown) for order in placed)
        return self._unknown_fields.add(connection, counts, now)


def _accept(
    connection: Connection, decoded: Sequence[_DecodedItem], tally: Tally, now: datetime
) -> list[RejectedDelivery]:
    """Write the new orders; return those that contradict an earlier order with the same id."""
    placed = [(item, item.message) for item in decoded if isinstance(item.message, ReceivedOrder)]
    if not placed:
        return []
    first: dict[OrderKey, ReceivedOrder] = {}
    for _, order in placed:
        first.setdefault((order.shop, order.order_id), order)
    new, known = accept_orders(connection, first, now)
    digests = {key: record.digest for key, record in known.items()}
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


def _cancel(connection: Connection, decoded: Sequence[_DecodedItem], tally: Tally, now: datetime) -> None:
    """Cancel orders; of one that has not come yet only the key is kept."""
    wishes = [(item, item.message) for item in decoded if isinstance(item.message, Cancellation)]
    if not wishes:
        return
    first: dict[OrderKey, Cancellation] = {}
    for _, wish in wishes:
        first.setdefault((wish.shop, wish.order_id), wish)
    # An order that another transaction is inserting is waited for here: neither can miss the other.
    new = insert_placeholders(connection, first, now)
    known = read_orders(connection, first.keys() - new)
    changed = {key: order for key, record in known.items() if (order := cancel(record, first[key], now)) is not None}
    if changed:
        write_settled(connection, changed, now)
    effective = new | changed.keys()
    for item, wish in wishes:
        key = (wish.shop, wish.order_id)
        tally[wish.shop, item.domain, Outcome.APPLIED if key in effective else Outcome.SUPERSEDED] += 1
        effective.discard(key)


def _settle(
    connection: Connection, decoded: Sequence[_DecodedItem], tally: Tally, now: datetime
) -> list[RejectedDelivery]:
    """Apply receipts in their order of arrival; return those that are refused."""
    receipts = [
        (item, item.message) for item in decoded if isinstance(item.message, Receipt | CancelAnswer | OrderNews)
    ]
    if not receipts:
        return []
    known = read_orders(connection, {(receipt.shop, receipt.order_id) for _, receipt in receipts})
    changed: dict[OrderKey, OrderRecord] = {}
    news: list[OrderNews] = []
    rejected = []
    for item, receipt in receipts:
        key = (receipt.shop, receipt.order_id)
        settled = _decide(known.get(key), receipt, now)
        if settled.refusal is not None:
            rejected.append(item.reject(settled.refusal))
            continue
        if isinstance(receipt, OrderNews):
            news.append(receipt)
            continue
        if settled.order is not None and settled.outcome is Outcome.APPLIED:
            known[key] = changed[key] = settled.order
        tally[receipt.shop, item.domain, settled.outcome] += 1
    if changed:
        write_settled(connection, changed, now)
    if news:
        add_news(connection, news, tally, now)
    return rejected


def _decide(record: OrderRecord | None, receipt: Receipt | CancelAnswer | OrderNews, now: datetime) -> ReceiptDecision:
    if isinstance(receipt, Receipt):
        return apply_receipt(record, receipt, now)
    if isinstance(receipt, CancelAnswer):
        return answer_cancellation(record, receipt)
    if record is None or record.digest == NOT_PLACED:
        unknown = Refusal(Reason.ORDER_UNKNOWN, "/data/order_id", "no such order has come from the shop")
        return ReceiptDecision(Outcome.QUARANTINED, refusal=unknown)
    return ReceiptDecision(Outcome.APPLIED, record)


def accept_orders(
    connection: Connection, placed: Mapping[OrderKey, ReceivedOrder], now: datetime
) -> tuple[set[OrderKey], dict[OrderKey, OrderRecord]]:
    """Insert orders; return the keys that did not come before, and the orders that did."""
    new = insert_orders(connection, list(placed.values()), now)
    known = read_orders(connection, placed.keys() - new)
    cancelled = [placed[key] for key, record in known.items() if record.digest == NOT_PLACED]
    if cancelled:
        fill_placeholders(connection, cancelled, now)
        new |= {_key(order) for order in cancelled}
    return new, known


def insert_orders(connection: Connection, accepted: Sequence[ReceivedOrder], now: datetime) -> set[OrderKey]:
    """Insert orders, one a key, as waiting; return the keys that did not exist before."""
    dialect = connection.dialect.name
    rows = ({name: getattr(order, name) for name in _ACCEPTED} for order in sorted(accepted, key=_key))
    params = {"rows": dump_rows(dialect, rows), "now": now}
    return {(row.shop, row.order_id) for row in connection.execute(_insert(dialect), params)}


def read_orders(connection: Connection, keys: Iterable[OrderKey]) -> dict[OrderKey, OrderRecord]:
    """Read and lock orders until the transaction ends; unknown keys are left out."""
    dialect = connection.dialect.name
    rows = ({"shop": shop, "order_id": order_id} for shop, order_id in sorted(keys))
    records = connection.execute(_read(dialect), {"rows": dump_rows(dialect, rows)})
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
    rows = (
        {"shop": shop, "order_id": order_id, **{name: getattr(order, name) for name in _SETTLED}}
        for (shop, order_id), order in sorted(settled.items())
    )
    connection.execute(_settle_statement(dialect), {"rows": dump_rows(dialect, rows), "now": now})


def _key(order: ReceivedOrder) -> OrderKey:
    return order.shop, order.order_id


def _types(names: Iterable[str]) -> dict[str, TypeEngine[Any]]:
    return {name: orders.c[name].type for name in names}


def _same_order(rows: Rowset) -> Any:
    return (orders.c.shop == rows.columns["shop"]) & (orders.c.order_id == rows.columns["order_id"])


@cache
def _insert(dialect: str) -> Executable:
    rows = rowset(dialect, _types(_ACCEPTED))
    now = bindparam("now", type_=UtcTime)
    source = select(*(rows.columns[name] for name in _ACCEPTED), literal(OrderState.WAITING.value), literal(0), now)
    insert = insert_into(dialect, orders).from_select(
        [*_ACCEPTED, "state", "attempts", "received_at"], before_conflict(source)
    )
    return insert.on_conflict_do_nothing().returning(orders.c.shop, orders.c.order_id)  # type: ignore[no-any-return]


@cache
def _read(dialect: str) -> Select[Any]:
    rows = rowset(dialect, _KEY)
    query = select(
        orders.c.shop, orders.c.order_id, orders.c.digest, orders.c.attempts, *(orders.c[name] for name in _SETTLED)
    )
    query = query.select_from(orders.join(rows.source, _same_order(rows)))
    return query.order_by(orders.c.shop, orders.c.order_id).with_for_update(of=orders)


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
                # A released order begins anew, as one that is sent again.
                "failures": case((released, failures), else_=orders.c.failures),
                "failing_since": case((released, since), else_=orders.c.failing_since),
            }
        )
    )
