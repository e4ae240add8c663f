"""Steps of the order state machine by which the shop and operators intervene: cancel, hold, release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
from sqlalchemy import update

from producers.cancellations import AmqpCancelGateway, message_id
from rules.actions import AuditContext
from rules.cancellations import after_cancel_attempt
from rules.orders import CANCELLING, DeliveryStatus, ErpResponse
from schemas.topology import ORDERS_QUEUE
from storage.audit import AuditEntry
from storage.cancellation_queue import CancellationQueue
from storage.order_changes import Change, OrderChanges
from storage.tables import orders
from tests.support.order_events import cancelled
from tests.support.order_steps import CODES, Key, SentOrder, one_of, same_random, step

__all__ = ["OrderInterventions"]

_PAST = datetime(2026, 1, 1, tzinfo=UTC)
_LEASES = {"holds": timedelta(hours=1), "is over at once": timedelta(seconds=-1)}


class OrderInterventions:
    """What the shop and operators do to orders; `cancelled` and `set_aside` are what must not leave."""

    # The machine that these steps are part of.
    pipeline: Any
    batch: Any
    shops: dict[str, str]
    notes: dict[Key, str]
    numbers: dict[Key, str]
    off: set[str]
    in_flight: list[SentOrder]
    erp: Any
    rows: Any
    deliver: Any
    take_batch: Any

    def begin_interventions(self) -> None:
        fence, self.cancelled, self.set_aside = self.pipeline.database.fence, set[Key](), set[Key]()
        self.changes = OrderChanges(fence, self.pipeline.database.receipt_timeout)
        self.cancel_gateway = AmqpCancelGateway(self.pipeline.url)
        self.cancel_queues = {
            name: CancellationQueue(fence, self.pipeline.switchboard, lease) for name, lease in _LEASES.items()
        }
        # The keys under which the ERP was told, and whatever is still to be recorded of it.
        self.told: dict[Key, str] = {}

    @step(letter=one_of(*"ab"), code=one_of(*CODES), crash=one_of(False, True))
    def cancel(self, letter: str, code: str, crash: bool) -> None:
        """The shop cancels an order, perhaps one that has not come, perhaps again."""
        key = self.shops[letter], code
        for _ in range(1 + crash):
            self.deliver(ORDERS_QUEUE, cancelled(code), key[0])
            self.take_batch()
        self.cancelled.add(key)
        self.set_aside.discard(key)

    @step("in_flight", random=same_random)
    def cancel_in_flight(self, random: Random) -> None:
        """The shop cancels an order that is on its way."""
        shop, code = random.choice(self.in_flight).key
        self.cancel(next(letter for letter, name in self.shops.items() if name == shop), code, False)

    @step(lease=one_of(*_LEASES), said=one_of("sent", "failed", "lost"))
    def tell(self, lease: str, said: str) -> None:
        """The ERP is told; the worker may die before it records that, or may not be heard."""
        claimed = self.cancel_queues[lease].claim()
        for each in claimed:
            assert not self.off & {"*", each.shop}
            assert (each.shop, each.order_id) in self.cancelled
            assert self.rows()[each.shop, each.order_id]["state"] != "sending"
        for each, response in zip(claimed, self.cancel_gateway.tell(claimed), strict=True):
            assert response == ErpResponse(DeliveryStatus.SENT)
            event = orjson.loads(self.erp.basic_get("erp.orders", no_ack=True).body)
            assert event["type"] == "comporta.order.cancelled.v1"
            key = each.shop, each.order_id
            # Under another key it would be another cancellation.
            assert self.told.setdefault(key, event["id"]) == event["id"] == message_id(each)
            if said != "lost":
                answer = ErpResponse(DeliveryStatus(said))
                self.cancel_queues[lease].record(
                    [
                        (
                            each,
                            lambda now, each=each, answer=answer: after_cancel_attempt(answer, each.attempts, now, 0.0),
                        )
                    ]
                )

    @step(random=same_random, change=one_of("hold", "release", "cancel"))
    def change(self, random: Random, change: Change) -> None:
        """An operator holds, releases or cancels an order, perhaps one that does not exist."""
        key = random.choice([(shop, code) for shop in self.shops.values() for code in CODES])
        row = self.rows(placed_only=False).get(key, {})
        state, active = row.get("state"), row.get("cancellation") in CANCELLING
        may = {
            "hold": state in {"waiting", "sent", "stuck", "rejected"} and not active,
            "release": state == "held",
            "cancel": state not in {"cancelled", None} and not active,
        }[change]
        entry = AuditEntry(change, AuditContext("ana", "http"))
        assert self.changes.change(change, entry, *key) is (may if row else None)
        if may:
            (self.set_aside.add if change == "hold" else self.set_aside.discard)(key)
            if change == "cancel":
                self.cancelled.add(key)

    def may_leave(self, key: Key) -> bool:
        """Whether an order may be claimed."""
        return key not in self.cancelled and key not in self.set_aside

    def tell_all(self) -> None:
        """The ERP hears of every cancellation that it has to hear of."""
        with self.pipeline.database.fence.shared() as connection:
            due = update(orders).where(orders.c.cancel_due_at.is_not(None)).values(cancel_due_at=_PAST)
            connection.execute(due)
        self.tell("holds", "sent")
        known = {key for key in self.cancelled if key in self.numbers and key in self.notes}
        assert known <= self.told.keys()
