"""Whatever befalls orders, each ends with one number, which is the ERP's, and none is claimed while they are off."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import update

from consumers.delivery import Delivery
from consumers.orders import orders_worker
from consumers.source import Intake
from rules.delivering import Answer, Said, after_attempt
from schemas.topology import ORDERS_QUEUE, RECEIPTS_QUEUE
from storage.dispatch import Claimed, Dispatch, Due
from storage.order_store import OrderStore
from storage.tables import orders
from tests.broker.line import Line
from tests.broker.order_events import internalized, placed, rejected

Key = tuple[str, str]

_LEASES = {"holds": timedelta(hours=1), "is over at once": timedelta(seconds=-1)}
_PAST = datetime(2026, 1, 1, tzinfo=UTC)
_LETTERS, _CODES, _NOTES = st.sampled_from("ab"), st.sampled_from("wxyz"), st.sampled_from(["", "changed"])

_examples = itertools.count()


class Receipt(NamedTuple):
    """What the model ERP says of an order: its number, or none for a no."""

    key: Key
    identity: str
    number: str | None


class Batch(list[Delivery]):
    """A source that gives all it holds at once."""

    def receive(self, wait: float) -> list[Delivery]:
        return list(self)

    def settle(self, batch: Sequence[Delivery]) -> None:
        assert self == list(batch)
        self.clear()

    def keep_alive(self, seconds: float) -> None:
        raise AssertionError("the database is never away here")


class OrderLife(RuleBasedStateMachine):
    """A worker's parts stepped by hand, against a model ERP that numbers each order once."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line, self.batch = line, Batch()
        example = next(_examples)
        self.shops = {letter: f"{letter}{example}" for letter in "ab"}
        self.worker = orders_worker(line.url, Intake(500, 0, 1000), OrderStore(line.database.fence, "w1"), line.stop)
        self.desks = {name: Dispatch(line.database.fence, line.switchboard, lease) for name, lease in _LEASES.items()}
        self.before, self.delivered, self.refused = self.ledger(), 0, 0
        self.notes: dict[Key, str] = {}
        self.off: set[str] = set()
        self.flying: list[Claimed] = []
        self.claims: Counter[Key] = Counter()
        self.numbers: dict[Key, str] = {}
        self.receipts: list[Receipt] = []
        self.counted: dict[Key, str] = {}
        self.done: dict[Key, str] = {}

    def teardown(self) -> None:
        for shop in self.off:
            self.line.change("resume", shop=shop)

    @rule(orders=st.lists(st.tuples(_LETTERS, _CODES, _NOTES), min_size=1, max_size=4), crash=st.booleans())
    def place(self, orders: list[tuple[str, str, str]], crash: bool) -> None:
        for _ in range(1 + crash):
            for letter, code, notes in orders:
                key = self.shops[letter], code
                self.refused += self.notes.setdefault(key, notes) != notes
                self.deliver(ORDERS_QUEUE, placed(code, notes=notes), key[0])
            self.step()

    @rule(number=st.integers(1, 3), lease=st.sampled_from(list(_LEASES)))
    def claim(self, number: int, lease: str) -> None:
        """Claims some; a lease that is over at once is a worker that died, or one so slow that others go on."""
        for order in self.desks[lease].claim(lambda due: self.of_each(due, number)):
            key = order.shop, order.order_id
            assert not self.off & {"*", order.shop}
            assert key not in self.done
            self.claims[key] += 1
            self.flying.append(order)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), said=st.sampled_from([*Said, "lost"]), dies=st.booleans())
    def answer(self, data: st.DataObject, said: str, dies: bool) -> None:
        """The ERP answers, perhaps to a worker that has died; a lost answer is a failure after it took the order."""
        order = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        key = order.shop, order.order_id
        if said == Said.REJECTED and key in self.numbers:
            said = Said.INTERNALIZED
        number = self.take(key) if said in {Said.SENT, Said.INTERNALIZED, "lost"} else None
        if not dies:
            self.record(order, Said.FAILED if said == "lost" else Said(said), number)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def take_early(self, data: st.DataObject) -> None:
        """The ERP takes an order whose sender knows nothing of it yet: its receipt may come first."""
        order = data.draw(st.sampled_from(self.flying))
        self.take((order.shop, order.order_id))

    @rule(letter=_LETTERS, code=_CODES)
    def refuse(self, letter: str, code: str) -> None:
        """The ERP says no to an order it has not taken, perhaps to one that never came."""
        if (key := (self.shops[letter], code)) not in self.numbers:
            self.say(key, None)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), crash=st.booleans())
    def receive(self, data: st.DataObject, crash: bool) -> None:
        """A receipt comes: in any order, and again and again."""
        receipt = data.draw(st.sampled_from(self.receipts))
        for _ in range(1 + crash):
            self.hear(receipt)

    @precondition(lambda self: self.done)
    @rule(data=st.data(), number=st.sampled_from(["another", None]))
    def contradict(self, data: st.DataObject, number: str | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.done)))
        self.hear(Receipt(key, f"contradicting-{self.delivered}", number))

    @rule(action=st.sampled_from(["pause", "resume"]), letter=st.sampled_from("*ab"))
    def switch(self, action: Any, letter: str) -> None:
        shop = self.shops.get(letter, "*")
        self.line.change(action, shop=shop)
        (self.off.add if action == "pause" else self.off.discard)(shop)

    @rule(letter=_LETTERS, code=_CODES)
    def retry(self, letter: str, code: str) -> None:
        key = self.shops[letter], code
        state = self.rows().get(key, {}).get("state")
        assert self.line.database.retry_order(*key) is (state in {"waiting", "sent", "rejected"})

    @rule()
    def let_time_pass(self) -> None:
        """Every lease is over, and whatever waits for its next attempt is due."""
        with self.line.database.fence.shared() as connection:
            connection.execute(update(orders).where(orders.c.lease_until.is_not(None)).values(lease_until=_PAST))
            connection.execute(
                update(orders).where(orders.c.next_attempt_at.is_not(None)).values(next_attempt_at=_PAST)
            )

    @rule()
    def end_well(self) -> None:
        """From wherever they stand, all orders get their numbers once everything is on and the ERP answers."""
        for shop in list(self.off):
            self.switch("resume", {shop: letter for letter, shop in self.shops.items()}.get(shop, "*"))
        self.let_time_pass()
        for key in self.notes:
            self.line.database.retry_order(*key)
        earlier, self.flying = self.flying, []
        self.claim(len(self.notes), "holds")
        for order in self.flying:
            self.record(order, Said.INTERNALIZED, self.take((order.shop, order.order_id)))
        self.flying = earlier
        assert {key: row["erp_number"] for key, row in self.rows().items()} == {
            key: self.numbers[key] for key in self.notes
        }

    @invariant()
    def orders_and_ledger_are_the_models(self) -> None:
        rows = self.rows()
        assert {key: row["payload"]["notes"] for key, row in rows.items()} == self.notes
        assert {key: row["attempts"] for key, row in rows.items() if row["attempts"]} == self.claims
        numbers = {key: row["erp_number"] for key, row in rows.items() if row["erp_number"] is not None}
        assert numbers.items() <= self.numbers.items()
        assert numbers.keys() == {key for key, row in rows.items() if row["state"] == "internalized"}
        assert self.done.items() <= numbers.items()
        self.done = numbers
        ledger = self.ledger() - self.before
        assert (ledger.total(), ledger["quarantined"]) == (self.delivered, self.refused)

    def take(self, key: Key) -> str:
        """The ERP's number for an order, the same each time; it also says so with a receipt."""
        number = self.numbers.setdefault(key, f"{key[0]}-{1000 + len(self.numbers)}")
        self.say(key, number)
        return number

    def say(self, key: Key, number: str | None) -> None:
        self.receipts.append(Receipt(key, f"receipt-{key[0]}-{len(self.receipts)}", number))

    def hear(self, receipt: Receipt) -> None:
        """A receipt is delivered; what it should come to."""
        key, identity, number = receipt
        if key not in self.notes:
            self.refused += 1
        elif self.counted.get(key) != identity:
            if (known := self.rows()[key]["erp_number"]) is None:
                self.counted[key] = identity
            else:
                self.refused += number != known
        body = rejected(key[1], id=identity) if number is None else internalized(key[1], number, id=identity)
        self.deliver(RECEIPTS_QUEUE, body, f"{key[0]}.receipts")
        self.step()

    def record(self, order: Claimed, said: Said, number: str | None) -> None:
        answer = Answer(said, number if said is Said.INTERNALIZED else None, None if number else "no")
        self.desks["holds"].record([(order, lambda now: after_attempt(answer, order.attempts, now, 0.0))])

    def of_each(self, due: Due, number: int) -> list[tuple[str, int]]:
        assert not self.off & set(due.open)
        return [(shop, number) for shop in due.open if shop in self.shops.values()]

    def rows(self) -> dict[Key, dict[str, Any]]:
        listed = (row for shop in self.shops.values() for row in self.line.database.views.orders(shop=shop))
        known = ((row["shop"], row["order_id"]) for row in listed)
        return {key: self.line.database.views.order(*key) or {} for key in known}

    def ledger(self) -> Counter[str]:
        return Counter(self.line.outcomes("orders")) + Counter(self.line.outcomes("receipts"))

    def deliver(self, queue: str, body: bytes, key: str) -> None:
        self.batch.append(Delivery(queue, len(self.batch), body, key, False, {}))

    def step(self) -> None:
        """Takes all that was delivered as one batch."""
        number = len(self.batch)
        assert self.worker.step(self.batch) == number
        self.delivered += number


def test_each_order_ends_with_the_erps_one_number(any_database_url: str) -> None:
    line = Line("memory://", any_database_url)
    try:
        effort = settings(max_examples=20, stateful_step_count=30, deadline=None)
        run_state_machine_as_test(lambda: OrderLife(line), settings=effort)
    finally:
        line.close()
