"""Commits a batch of orders and receipts, whether the switches are on or off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from rules.orders import Known, judge_receipt
from rules.outcomes import Outcome, Rejected, Tally, Told
from schemas.orders import OrderPlaced, Receipt
from schemas.reasons import Reason, Refusal
from storage.event_store import Committed
from storage.fence import Fence
from storage.ledger import add_shops, add_tally, count_received
from storage.orders import OrderKey, insert_orders, read_orders, write_settled
from storage.quarantine import add_rejected
from storage.switches import read_switches

__all__ = ["OrderItem", "OrderStore"]

_Told = Told[OrderPlaced | Receipt]
OrderItem = _Told | Rejected
_CHANGED = Refusal(Reason.ORDER_CHANGED, "/data", "an order of this id has come before, with another content")


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
            rejected = [item for item in batch if isinstance(item, Rejected)]
            told = [item for item in batch if not isinstance(item, Rejected)]
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


def _accept(connection: Connection, told: Sequence[_Told], tally: Tally, now: datetime) -> list[Rejected]:
    """Writes the new orders; returns those that contradict what came before under their id."""
    placed = [(item, item.message) for item in told if isinstance(item.message, OrderPlaced)]
    if not placed:
        return []
    first: dict[OrderKey, OrderPlaced] = {}
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


def _settle(connection: Connection, told: Sequence[_Told], tally: Tally, now: datetime) -> list[Rejected]:
    """Applies receipts in the order they came; returns those that are refused."""
    receipts = [(item, item.message) for item in told if isinstance(item.message, Receipt)]
    if not receipts:
        return []
    known = read_orders(connection, {(receipt.shop, receipt.order_id) for _, receipt in receipts})
    changed: dict[OrderKey, Known] = {}
    rejected = []
    for item, receipt in receipts:
        key = (receipt.shop, receipt.order_id)
        settled = judge_receipt(known.get(key), receipt)
        if settled.refusal is not None:
            rejected.append(item.reject(settled.refusal))
            continue
        if settled.order is not None and settled.outcome is Outcome.APPLIED:
            known[key] = changed[key] = settled.order
        tally[receipt.shop, item.domain, settled.outcome] += 1
    if changed:
        write_settled(connection, changed, now)
    return rejected
