"""Order lifecycle as a state machine: a worker stepped by hand, against a model ERP that numbers each order once."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import orjson
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import update

from broker.connection import open_connection
from consumers.source import BatchLimits
from consumers.worker import orders_worker
from producers.erp import AmqpErpGateway
from rules.actions import AuditContext
from rules.orders import CANCELLING, DeliveryStatus, ErpResponse, after_attempt
from schemas.topology import ORDERS_QUEUE, RECEIPTS_QUEUE
from storage.audit import AuditEntry
from storage.order_claims import ClaimedOrder
from storage.order_queue import Due, OrderQueue
from storage.order_store import OrderStore
from storage.tables import orders
from tests.support.order_events import internalized, placed, rejected
from tests.support.order_interventions import OrderInterventions
from tests.support.order_steps import (
    CODES,
    STEPS,
    BatchSource,
    Key,
    Receipt,
    SentOrder,
    one_of,
    same_random,
    some_orders,
    step,
)
from tests.support.order_tables import OrderTables
from tests.support.pipeline import Pipeline

__all__ = ["OrderLifecycle"]

_LEASES = {"holds": timedelta(hours=1), "is over at once": timedelta(seconds=-1)}
_PAST = datetime(2026, 1, 1, tzinfo=UTC)
_examples = itertools.count()


class OrderLifecycle(OrderTables, OrderInterventions, RuleBasedStateMachine):
    """State machine of orders, for Hypothesis and for seeded runs."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline, self.batch = pipeline, BatchSource()
        example = next(_examples)
        self.shops = {letter: f"{letter}{example}" for letter in "ab"}
        self.worker = orders_worker(
            pipeline.url, BatchLimits(500, 0, 1000), OrderStore(pipeline.database.fence, "w1"), pipeline.stop
        )
        self.queues = {
            name: OrderQueue(pipeline.database.fence, pipeline.switchboard, lease) for name, lease in _LEASES.items()
        }
        self.before, self.delivered, self.refused = self.ledger(), 0, 0
        self.notes: dict[Key, str] = {}
        self.off: set[str] = set()
        self.gateway, self.connection = AmqpErpGateway(pipeline.url), open_connection(pipeline.url, name="ERP")
        self.erp = self.connection.channel()
        self.in_flight: list[SentOrder] = []
        self.held: dict[Key, int] = {}
        self.claims: Counter[Key] = Counter()
        self.identities: dict[Key, str] = {}
        self.numbers: dict[Key, str] = {}
        self.receipts: list[Receipt] = []
        self.counted: dict[Key, str] = {}
        self.done: dict[Key, str] = {}
        self.begin_interventions()

    def teardown(self) -> None:
        try:
            # Unless something was found already: what is found last is what is shown.
            if sys.exc_info()[0] is None:
                self.end_well()
        finally:
            self.close()

    def close(self) -> None:
        for shop in self.off:
            self.pipeline.change("resume", shop=shop, new_shop=True)
        self.gateway.close()
        self.cancel_gateway.close()
        self.connection.release()

    @step(orders=some_orders, crash=one_of(False, True))
    def place(self, orders: list[tuple[str, str, str]], crash: bool) -> None:
        for _ in range(1 + crash):
            for letter, code, notes in orders:
                key = self.shops[letter], code
                self.refused += self.notes.setdefault(key, notes) != notes
                self.deliver(ORDERS_QUEUE, placed(code, notes=notes), key[0])
            self.take_batch()

    @step(number=one_of(1, 2, 3), lease=one_of(*_LEASES))
    def claim(self, number: int, lease: str) -> None:
        """Claims some; a lease that is over at once is a worker that died, or one so slow that others go on."""
        for order in self.queues[lease].claim(lambda due: self.of_each(due, number)):
            sent = SentOrder(order, self.send(order))
            assert not self.off & {"*", order.shop}
            assert sent.key not in self.done
            assert sent.key not in self.held
            assert self.may_leave(sent.key)
            self.claims[sent.key] += 1
            self.in_flight.append(sent)
            if lease == "holds":
                self.held[sent.key] = order.attempts

    @step("in_flight", random=same_random, said=one_of(*DeliveryStatus, "lost"), dies=one_of(False, True))
    def answer(self, random: Random, said: str, dies: bool) -> None:
        """The ERP answers, perhaps to a worker that has died; a lost answer is a failure after it took the order."""
        # The first has waited longest: others may be at it by now.
        sent = self.in_flight.pop(random.choice([0, random.randrange(len(self.in_flight))]))
        if said == DeliveryStatus.REJECTED and sent.key in self.numbers:
            said = DeliveryStatus.INTERNALIZED
        number = self.take(sent) if said in {DeliveryStatus.SENT, DeliveryStatus.INTERNALIZED, "lost"} else None
        if not dies:
            self.record(sent.order, DeliveryStatus.FAILED if said == "lost" else DeliveryStatus(said), number)

    @step("in_flight", random=same_random, heard=one_of(False, True))
    def take_early(self, random: Random, heard: bool) -> None:
        """The ERP takes an order whose sender knows nothing of it yet: its receipt may come first."""
        self.take(random.choice(self.in_flight))
        if heard:
            self.hear(self.receipts[-1])

    @step(letter=one_of(*"ab"), code=one_of(*CODES))
    def refuse(self, letter: str, code: str) -> None:
        """The ERP says no to an order it has not taken, perhaps to one that never came."""
        if (key := (self.shops[letter], code)) not in self.numbers:
            self.say(key, None)

    @step("receipts", random=same_random, crash=one_of(False, True))
    def receive(self, random: Random, crash: bool) -> None:
        """A receipt comes: in any order, and again and again."""
        receipt = random.choice(self.receipts)
        for _ in range(1 + crash):
            self.hear(receipt)

    @step("done", random=same_random, number=one_of("another", None))
    def contradict(self, random: Random, number: str | None) -> None:
        key = random.choice(sorted(self.done))
        self.hear(Receipt(key, f"contradicting-{self.delivered}", number))

    @step(action=one_of("pause", "resume"), letter=one_of(*"*ab"))
    def switch(self, action: Any, letter: str) -> None:
        shop = self.shops.get(letter, "*")
        self.pipeline.change(action, shop=shop, new_shop=True)
        (self.off.add if action == "pause" else self.off.discard)(shop)

    @step(letter=one_of(*"ab"), code=one_of(*CODES))
    def retry(self, letter: str, code: str) -> None:
        key = self.shops[letter], code
        row = self.rows().get(key, {})
        may = row.get("state") in {"waiting", "sent", "stuck", "rejected"} and row["cancellation"] not in CANCELLING
        assert self.pipeline.retry(*key) is may

    @step()
    def let_time_pass(self) -> None:
        """Every lease is over, and whatever waits for its next attempt is due."""
        self.held.clear()
        with self.pipeline.database.fence.shared() as connection:
            connection.execute(update(orders).where(orders.c.lease_until.is_not(None)).values(lease_until=_PAST))
            connection.execute(
                update(orders).where(orders.c.next_attempt_at.is_not(None)).values(next_attempt_at=_PAST)
            )

    def end_well(self) -> None:
        """From wherever they stand, all orders get their numbers once everything is on and the ERP answers.

        Of the cancelled ones none is sent any more, and of those that it has the ERP is told.
        """
        for shop in list(self.off):
            self.switch("resume", {shop: letter for letter, shop in self.shops.items()}.get(shop, "*"))
        for key in sorted(self.set_aside):
            assert self.changes.change("release", AuditEntry("release", AuditContext("ana", "http")), *key)
        self.set_aside.clear()
        self.let_time_pass()
        for key in self.notes:
            self.pipeline.retry(*key)
        earlier, self.in_flight = self.in_flight, []
        self.claim(len(self.notes), "holds")
        for sent in self.in_flight:
            self.record(sent.order, DeliveryStatus.INTERNALIZED, self.take(sent))
        self.in_flight = earlier
        for receipt in list(self.receipts):
            self.hear(receipt)
        self.tell_all()
        assert self.notes.keys() - self.cancelled <= self.numbers.keys()
        assert {key: row["erp_number"] for key, row in self.rows().items()} == {
            key: self.numbers.get(key) for key in self.notes
        }

    @initialize(random=st.randoms(use_true_random=True))
    def begin(self, random: Random) -> None:
        self.place(some_orders(random), False)

    @rule(random=st.randoms(use_true_random=True))
    def go_on(self, random: Random) -> None:
        name, given = self.any_step(random)
        note(f"{name}: {given}")
        getattr(self, name)(**given)

    def any_step(self, random: Random) -> tuple[str, dict[str, Any]]:
        """One of those that can be taken, each as likely as the others."""
        name = random.choice([name for name, (needed, _) in STEPS.items() if self.has(needed)])
        return name, {each: draw(random) for each, draw in STEPS[name][1].items()}

    def has(self, needed: str) -> bool:
        return not needed or bool(getattr(self, needed))

    @invariant()
    def orders_and_ledger_are_the_models(self) -> None:
        rows = self.rows()
        assert {key: row["payload"]["notes"] for key, row in rows.items()} == self.notes
        assert {key: row["attempts"] for key, row in rows.items() if row["attempts"]} == self.claims
        assert {rows[key]["state"] for key in self.held} <= {"sending"}
        numbers = {key: row["erp_number"] for key, row in rows.items() if row["erp_number"] is not None}
        assert numbers.items() <= self.numbers.items()
        assert numbers.keys() == {key for key, row in rows.items() if row["state"] == "internalized"}
        assert self.done.items() <= numbers.items()
        self.done = numbers
        ledger = self.ledger() - self.before
        assert (ledger.total(), ledger["quarantined"]) == (self.delivered, self.refused)

    def send(self, order: ClaimedOrder) -> str:
        """Hands an order to the ERP's queue; returns the key it lies there under."""
        [answer] = self.gateway.send([(order.shop, order.order_id, order.payload)])
        assert answer.result().status is DeliveryStatus.SENT
        event = orjson.loads(self.erp.basic_get("erp.orders", no_ack=True).body)
        assert event["data"]["order_id"] == order.order_id
        return str(event["id"])

    def take(self, sent: SentOrder) -> str:
        """The ERP's number for what came under a key, the same each time; it also says so with a receipt."""
        key = sent.key
        # Of one order under two keys it would make two.
        assert self.identities.setdefault(key, sent.identity) == sent.identity
        number = self.numbers.setdefault(key, f"{key[0]}-{1000 + len(self.numbers)}")
        self.say(key, number)
        return number

    def say(self, key: Key, number: str | None) -> None:
        self.receipts.append(Receipt(key, f"receipt-{key[0]}-{len(self.receipts)}", number))

    def hear(self, receipt: Receipt) -> None:
        """A receipt is delivered; what it should come to."""
        key, identity, number = receipt
        counts = False
        if key not in self.notes:
            self.refused += 1
        elif self.counted.get(key) != identity:
            known = self.rows()[key]["erp_number"]
            self.refused += known is not None and number != known
            counts = known is None
        body = rejected(key[1], id=identity) if number is None else internalized(key[1], number, id=identity)
        self.deliver(RECEIPTS_QUEUE, body, f"{key[0]}.receipts")
        self.take_batch()
        if counts:
            self.counted[key] = identity
            self.held.pop(key, None)
            refused = "cancelled" if key in self.cancelled else "rejected"
            assert self.rows()[key]["state"] == (refused if number is None else "internalized")
            self.set_aside.discard(key)

    def record(self, order: ClaimedOrder, said: DeliveryStatus, number: str | None) -> None:
        key = order.shop, order.order_id
        if said is DeliveryStatus.INTERNALIZED:
            self.set_aside.discard(key)
        if said is DeliveryStatus.INTERNALIZED or self.held.get(key) == order.attempts:
            self.held.pop(key, None)
        answer = ErpResponse(said, number if said is DeliveryStatus.INTERNALIZED else None, None if number else "no")
        # As though another order had succeeded just now: with the third failure an order is stuck.
        self.queues["holds"].record(
            [(order, lambda now: after_attempt(answer, order.attempts, now, 0.0, order.history, now, limit=2))]
        )

    def of_each(self, due: Due, number: int) -> list[tuple[str, int]]:
        assert not self.off & set(due.open)
        return [(shop, number) for shop in due.open if shop in self.shops.values()]
