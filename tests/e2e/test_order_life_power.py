"""What follows an order through its life would notice the faults that matter: each is planted once, and found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, Executable, Update, update

import producers.cancellations
import producers.erp
import storage.order_queue
import storage.order_retry
import storage.order_store
from rules.cancellations import cancel
from rules.orders import OrderRecord, OrderState, ReceiptDecision, apply_receipt
from rules.outcomes import Outcome
from rules.switches import Switches
from schemas.order_news import Cancellation
from schemas.orders import cancel_event, order_event
from schemas.receipts import Receipt
from storage.dialect import rowset
from storage.order_claims import DueShops, find_due
from storage.order_queue import Due, OrderQueue
from storage.tables import orders
from tests.support.order_lifecycle import OrderLifecycle
from tests.support.order_steps import some_orders
from tests.support.pipeline import Pipeline

Plant = Callable[[pytest.MonkeyPatch], None]
_LIVES, _STEPS_EACH = 60, 30
_WRITTEN = ("state", "erp_number", "last_error", "next_attempt_at")


def claim_ignores_the_switch(plant: pytest.MonkeyPatch) -> None:
    def due(connection: Connection, state: Switches) -> Due:
        return Due(find_due(connection, state.now).shops, frozenset(), 1)

    plant.setattr(OrderQueue, "_due", staticmethod(due))


def a_lease_is_not_honoured(plant: pytest.MonkeyPatch) -> None:
    def grasping(connection: Connection, now: Any) -> DueShops:
        sending = orders.c.state == OrderState.SENDING.value
        connection.execute(update(orders).where(sending).values(state=OrderState.WAITING.value))
        return find_due(connection, now)

    plant.setattr(storage.order_queue, "find_due", grasping)


def a_lease_never_ends(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(
        storage.order_queue, "find_due", lambda connection, _now: find_due(connection, datetime(2020, 1, 1, tzinfo=UTC))
    )


def a_late_receipt_is_dropped(plant: pytest.MonkeyPatch) -> None:
    def only_of_sent(known: OrderRecord | None, receipt: Receipt, now: datetime) -> ReceiptDecision:
        if known is not None and known.state is OrderState.WAITING:
            return ReceiptDecision(Outcome.SUPERSEDED, known)
        return apply_receipt(known, receipt, now)

    plant.setattr(storage.order_store, "apply_receipt", only_of_sent)


def a_retry_changes_the_idempotency_key(plant: pytest.MonkeyPatch) -> None:
    def at_each_attempt_another(*arguments: Any) -> bytes:
        event = orjson.loads(order_event(*arguments))
        return orjson.dumps({**event, "id": f"{event['id']}/{event['time']}"})

    plant.setattr(producers.erp, "order_event", at_each_attempt_another)


def _record_by(plant: pytest.MonkeyPatch, where: Callable[[Any], Sequence[Any]]) -> None:
    """Let attempts be recorded of the orders that `where` says."""

    def statement(dialect: str) -> Update:
        names = ("shop", "order_id", "attempts", *_WRITTEN)
        given = rowset(dialect, {name: orders.c[name].type for name in names}).columns
        same = (orders.c.shop == given["shop"], orders.c.order_id == given["order_id"])
        return update(orders).where(*same, *where(given)).values({name: given[name] for name in _WRITTEN})

    def telling(dialect: str) -> Executable:
        return statement(dialect).returning(*(orders.c[name] for name in storage.order_queue._TOLD_OF))

    plant.setattr(storage.order_queue, "_record", cache(statement))
    plant.setattr(storage.order_queue, "_record_and_tell", cache(telling))


def a_record_overwrites_what_is_internalized(plant: pytest.MonkeyPatch) -> None:
    _record_by(plant, lambda given: [orders.c.attempts == given["attempts"]])


def a_record_of_an_earlier_attempt_counts(plant: pytest.MonkeyPatch) -> None:
    state = orders.c.state == OrderState.SENDING.value
    _record_by(plant, lambda _given: [state])


def a_cancellation_before_its_order_is_lost(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(storage.order_store, "insert_placeholders", lambda _connection, wishes, _now: set(wishes))


def a_failed_attempt_forgets_the_cancellation(plant: pytest.MonkeyPatch) -> None:
    sending = orders.c.state == OrderState.SENDING.value
    _record_by(plant, lambda given: [orders.c.attempts == given["attempts"], sending])


def a_cancellation_of_an_order_in_flight_is_told_at_once_and_nothing_else(plant: pytest.MonkeyPatch) -> None:
    def as_if_never_sent(record: OrderRecord, wish: Cancellation, now: datetime) -> OrderRecord | None:
        return cancel(record._replace(attempts=0, state=OrderState.WAITING), wish, now)

    plant.setattr(storage.order_store, "cancel", as_if_never_sent)


def a_cancellation_is_told_while_off(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Switches, "stops", lambda *_: False)


def a_cancellation_is_told_under_another_key_each_time(plant: pytest.MonkeyPatch) -> None:
    def at_each_attempt_another(*arguments: Any) -> bytes:
        event = orjson.loads(cancel_event(*arguments))
        return orjson.dumps({**event, "id": f"{event['id']}/{event['time']}"})

    plant.setattr(producers.cancellations, "cancel_event", at_each_attempt_another)


def a_held_order_is_sent_by_a_retry(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(storage.order_retry, "_MAY_BE_SENT", ("waiting", "sent", "rejected", "held"))


PLANTS: list[Plant] = [
    a_cancellation_before_its_order_is_lost,
    a_failed_attempt_forgets_the_cancellation,
    a_cancellation_of_an_order_in_flight_is_told_at_once_and_nothing_else,
    a_cancellation_is_told_while_off,
    a_cancellation_is_told_under_another_key_each_time,
    a_held_order_is_sent_by_a_retry,
    claim_ignores_the_switch,
    a_lease_is_not_honoured,
    a_lease_never_ends,
    a_late_receipt_is_dropped,
    a_retry_changes_the_idempotency_key,
    a_record_overwrites_what_is_internalized,
    a_record_of_an_earlier_attempt_counts,
]


def _follow(machine: OrderLifecycle, random: Random) -> None:
    """What Hypothesis does with it, without coming back to steps that have found nothing."""
    try:
        machine.place(some_orders(random), False)
        for _ in range(_STEPS_EACH):
            name, given = machine.any_step(random)
            getattr(machine, name)(**given)
            machine.orders_and_ledger_are_the_models()
    finally:
        machine.teardown()


def _follow_many(url: str, lives: int) -> None:
    pipeline = Pipeline("memory://", url)
    try:
        for seed in range(lives):
            _follow(OrderLifecycle(pipeline), Random(seed))
    finally:
        pipeline.close()


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__.replace("_", " "))
def test_a_planted_fault_is_found(sqlite_url: str, monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        _follow_many(sqlite_url, _LIVES)


def test_without_one_they_find_nothing(sqlite_url: str) -> None:
    _follow_many(sqlite_url, _LIVES // 4)
