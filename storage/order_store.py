"""Order store: commits a batch of orders, cancellations and receipts, whether the switches are on or off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from rules.cancellations import answer_cancellation, cancel
from rules.orders import NOT_PLACED, OrderRecord, ReceiptDecision, apply_receipt
from rules.outcomes import Decoded, Outcome, RejectedDelivery, Tally
from rules.shops import OPEN, UNKNOWN_SHOP, ShopRules
from rules.unknown_fields import FieldCounts, count_fields
from schemas.domains import NO_SHOP, ORDERS
from schemas.order_news import CancelAnswer, Cancellation, OrderNews
from schemas.order_notices import Notice
from schemas.orders import ORDER_CHANGED, OrderMessage, ReceivedOrder
from schemas.reasons import Reason, Refusal
from schemas.receipts import Receipt
from storage.dialect import database_now
from storage.event_store import Committed, Reject
from storage.fence import Fence
from storage.ledger import add_tally, count_received
from storage.order_news import add_news, fill_placeholders, insert_placeholders
from storage.order_rows import OrderKey, insert_orders, order_key, read_orders, write_settled
from storage.outbox import OrderNotice, add_notices, change_notices
from storage.quarantine import add_rejected
from storage.shops import ShopMemory, add_shops
from storage.switches import read_switches
from storage.unknown_fields import UnknownFieldCounts

__all__ = ["OrderItem", "OrderStore", "OrdersRefused", "accept_orders"]
_DecodedItem = Decoded[OrderMessage]
OrderItem = _DecodedItem | RejectedDelivery


class OrdersRefused(Exception):
    """Error: orders contradict earlier ones of their ids, or are of an unknown shop; `refusals` has them by index."""

    def __init__(self, refusals: Mapping[int, Refusal]) -> None:
        super().__init__(f"{len(refusals)} orders are refused")
        self.refusals = refusals


class OrderStore:
    """The orders and receipts of one worker; `accepted` is called when a new order may be sent."""

    def __init__(
        self,
        fence: Fence,
        worker: str,
        accepted: Callable[[], None] = lambda: None,
        shop_rules: ShopRules = OPEN,
    ) -> None:
        self._fence = fence
        self._worker = worker
        self._accepted = accepted
        self._shop_rules = shop_rules
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
            # Asked for every batch, unlike for events: an operator may have removed a shop.
            admission = ShopMemory(self._shop_rules).admit(connection, {item.message.shop for item in decoded})
            strangers = [item.reject(UNKNOWN_SHOP) for item in decoded if item.message.shop in admission.refused]
            decoded = [item for item in decoded if item.message.shop not in admission.refused]
            notices: list[OrderNotice] = []
            rejected += _accept(connection, decoded, tally, notices, state.now)
            _cancel(connection, decoded, tally, notices, state.now)
            rejected += _settle(connection, decoded, tally, notices, state.now)
            if notices:
                add_notices(connection, notices, state.now)
            for item in rejected:
                tally[item.shop, item.domain, Outcome.QUARANTINED] += 1
            for item in strangers:
                tally[NO_SHOP, item.domain, Outcome.QUARANTINED] += 1
            rejected += strangers
            accepted = {shop for shop, _, outcome in tally if outcome is not Outcome.QUARANTINED}
            add_shops(connection, accepted & admission.new, state.now)
            if rejected:
                add_rejected(connection, self._worker, rejected, state.now)
            add_tally(connection, self._worker, received_counts, tally, state.now)
            unknown = self._count_unknown(connection, decoded, state.now)
        if any(outcome is Outcome.APPLIED for _, _, outcome in tally):
            self._accepted()
        return Committed(tally, state.epoch, rejected, unknown)

    def place(self, messages: Sequence[ReceivedOrder | Cancellation]) -> list[Outcome]:
        """Store orders and cancellations, all or none; when this returns, they are committed.

        Returns `APPLIED` for each that is new. Raises `OrdersRefused`, and what `commit` raises.
        """
        if not messages:
            return []
        notices: list[OrderNotice] = []
        with self._fence.shared() as connection:
            now = database_now(connection)
            strangers = ShopMemory(self._shop_rules).admit(connection, {each.shop for each in messages}).refused
            if strangers:
                raise OrdersRefused(
                    {index: UNKNOWN_SHOP for index, each in enumerate(messages) if each.shop in strangers}
                )
            placed = [message for message in messages if isinstance(message, ReceivedOrder)]
            wishes = [message for message in messages if isinstance(message, Cancellation)]
            of_orders = iter(_place(connection, placed, notices, now))
            of_wishes = iter(_cancel_all(connection, wishes, notices, now))
            outcomes = [next(of_orders if isinstance(each, ReceivedOrder) else of_wishes) for each in messages]
            contradicting = [index for index, outcome in enumerate(outcomes) if outcome is Outcome.QUARANTINED]
            if contradicting:
                raise OrdersRefused(dict.fromkeys(contradicting, ORDER_CHANGED))
            if notices:
                add_notices(connection, notices, now)
            add_shops(connection, {message.shop for message in messages}, now)
            tally = Counter((each.shop, ORDERS, outcome) for each, outcome in zip(messages, outcomes, strict=True))
            add_tally(connection, self._worker, Counter({ORDERS: len(messages)}), tally, now)
        self._accepted()
        return outcomes

    def _count_unknown(self, connection: Connection, decoded: Sequence[_DecodedItem], now: datetime) -> FieldCounts:
        placed = [item.message for item in decoded if isinstance(item.message, ReceivedOrder) and item.message.unknown]
        if not placed:
            return {}
        counts = count_fields((order.shop, ORDERS, order.unknown) for order in placed)
        return self._unknown_fields.add(connection, counts, now)


def _accept(
    connection: Connection, decoded: Sequence[_DecodedItem], tally: Tally, notices: list[OrderNotice], now: datetime
) -> list[RejectedDelivery]:
    """Write the new orders; return those that contradict an earlier order with the same id."""
    placed = [(item, item.message) for item in decoded if isinstance(item.message, ReceivedOrder)]
    outcomes = _place(connection, [order for _, order in placed], notices, now)
    rejected = []
    for (item, order), outcome in zip(placed, outcomes, strict=True):
        if outcome is Outcome.QUARANTINED:
            rejected.append(item.reject(ORDER_CHANGED))
        else:
            tally[order.shop, item.domain, outcome] += 1
    return rejected


def _place(
    connection: Connection, placed: Sequence[ReceivedOrder], notices: list[OrderNotice], now: datetime
) -> list[Outcome]:
    """Write the new orders; return the outcome of each, `QUARANTINED` if it contradicts an earlier one of its id."""
    if not placed:
        return []
    first: dict[OrderKey, ReceivedOrder] = {}
    for order in placed:
        first.setdefault(order_key(order), order)
    new, known = accept_orders(connection, first, notices, now)
    digests = {key: record.digest for key, record in known.items()}
    digests |= {key: first[key].digest for key in new}
    outcomes = []
    for order in placed:
        key = order_key(order)
        outcome = Outcome.APPLIED if key in new else Outcome.SUPERSEDED
        outcomes.append(outcome if order.digest == digests[key] else Outcome.QUARANTINED)
        if outcomes[-1] is Outcome.APPLIED:
            new.discard(key)
    return outcomes


def accept_orders(
    connection: Connection, placed: Mapping[OrderKey, ReceivedOrder], notices: list[OrderNotice], now: datetime
) -> tuple[set[OrderKey], dict[OrderKey, OrderRecord]]:
    """Insert orders; return the keys that did not come before, and the orders that did."""
    new = insert_orders(connection, list(placed.values()), now)
    known = read_orders(connection, placed.keys() - new)
    cancelled = {key: record for key, record in known.items() if record.digest == NOT_PLACED}
    if cancelled:
        fill_placeholders(connection, [placed[key] for key in cancelled], now)
        new |= cancelled.keys()
    notices += [OrderNotice(*key, Notice.ACCEPTED, {}) for key in placed if key in new]
    # The last notice of an order says what it is: cancelled, before it came.
    notices += [
        OrderNotice(*key, Notice.CANCELLED, {"reason": record.cancel_reason}) for key, record in cancelled.items()
    ]
    return new, known


def _cancel(
    connection: Connection, decoded: Sequence[_DecodedItem], tally: Tally, notices: list[OrderNotice], now: datetime
) -> None:
    wishes = [(item, item.message) for item in decoded if isinstance(item.message, Cancellation)]
    outcomes = _cancel_all(connection, [wish for _, wish in wishes], notices, now)
    for (item, wish), outcome in zip(wishes, outcomes, strict=True):
        tally[wish.shop, item.domain, outcome] += 1


def _cancel_all(
    connection: Connection, wishes: Sequence[Cancellation], notices: list[OrderNotice], now: datetime
) -> list[Outcome]:
    """Cancel orders; of one that has not come yet only the key is kept. Returns the outcome of each."""
    if not wishes:
        return []
    first: dict[OrderKey, Cancellation] = {}
    for wish in wishes:
        first.setdefault((wish.shop, wish.order_id), wish)
    # An order that another transaction is inserting is waited for here: neither can miss the other.
    new = insert_placeholders(connection, first, now)
    known = read_orders(connection, first.keys() - new)
    changed = {key: order for key, record in known.items() if (order := cancel(record, first[key], now)) is not None}
    if changed:
        write_settled(connection, changed, now)
    notices += [OrderNotice(*key, Notice.CANCELLED, {"reason": first[key].reason}) for key in first if key in new]
    for key, order in changed.items():
        notices += change_notices(key, known[key], order)
    effective = new | changed.keys()
    outcomes = []
    for wish in wishes:
        key = (wish.shop, wish.order_id)
        outcomes.append(Outcome.APPLIED if key in effective else Outcome.SUPERSEDED)
        effective.discard(key)
    return outcomes


def _settle(
    connection: Connection, decoded: Sequence[_DecodedItem], tally: Tally, notices: list[OrderNotice], now: datetime
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
            notices += change_notices(key, known[key], settled.order)
            known[key] = changed[key] = settled.order
        tally[receipt.shop, item.domain, settled.outcome] += 1
    if changed:
        write_settled(connection, changed, now)
    if news:
        told = add_news(connection, news, tally, now)
        notices += [OrderNotice(each.shop, each.order_id, each.event, each.data) for each in told]
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
