"""Operators hold, release, cancel and accept orders, and each of it is in the audit."""

from __future__ import annotations

from typing import Any

import pytest

from control.actions import OperatorActions
from rules.actions import AuditContext, Conflict, CountChanged, NotFound
from schemas.topology import ORDERS_IN
from storage.views import AuditFilter, OrderFilter
from tests.support.order_events import cancelled, internalized, placed
from tests.support.order_pipeline import send_orders, take_orders
from tests.support.pipeline import Pipeline

ANA = AuditContext("ana", "http", "a reason", "ana")


def shop_says(pipeline: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    pipeline.publish(*bodies, exchange=ORDERS_IN, key=shop)
    take_orders(pipeline, len(bodies))


def send(pipeline: Pipeline) -> int:
    """Send what may leave; return the number on the ERP's queue."""
    send_orders(pipeline)
    return pipeline.queue_depth("erp.orders")


@pytest.fixture
def actions(pipeline: Pipeline) -> OperatorActions:
    return OperatorActions(pipeline.database, lambda messages: pytest.fail(f"nothing is published: {messages}"))


def states(pipeline: Pipeline) -> dict[str, str]:
    return {row["order_id"]: row["state"] for row in pipeline.orders().values()}


def audit(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    rows = pipeline.database.views.rows(AuditFilter())
    return [(row["action"], row["subject"], row["reason"], row["by"], row["count"]) for row in reversed(rows)]


def test_a_held_order_does_not_leave_until_it_is_released(pipeline: Pipeline, actions: OperatorActions) -> None:
    shop_says(pipeline, placed())
    actions.change_order("hold", "main", "O1", ANA)
    assert send(pipeline) == 0
    assert states(pipeline) == {"O1": "held"}
    with pytest.raises(Conflict):
        actions.change_order("hold", "main", "O1", ANA)
    assert not actions.retry("main", "O1", ANA)
    actions.change_order("release", "main", "O1", ANA)
    assert send(pipeline) == 1
    assert audit(pipeline) == [
        ("hold", "O1", "a reason", "ana", 1),
        ("release", "O1", "a reason", "ana", 1),
    ]


def test_a_held_order_takes_a_receipt_and_a_cancellation(pipeline: Pipeline, actions: OperatorActions) -> None:
    shop_says(pipeline, placed("A"), placed("B"))
    for order_id in ("A", "B"):
        actions.change_order("hold", "main", order_id, ANA)
    pipeline.publish(internalized("A"), key="main.receipts")
    take_orders(pipeline, 1)
    shop_says(pipeline, cancelled("B"))
    assert states(pipeline) == {"A": "internalized", "B": "cancelled"}


def test_many_orders_are_held_by_a_filter_if_they_are_as_many_as_expected(
    pipeline: Pipeline, actions: OperatorActions
) -> None:
    shop_says(pipeline, *(placed(f"{number}") for number in range(1_200)))
    shop_says(pipeline, placed("other"), shop="other")
    filters = OrderFilter("main", "waiting")
    assert actions.count_changeable("hold", filters) == 1_200
    with pytest.raises(CountChanged):
        actions.change_orders("hold", filters, ANA, 1_199)
    assert actions.change_orders("hold", filters, ANA, 1_200) == 1_200
    assert pipeline.database.views.status().orders == {"main": {"held": 1_200}, "other": {"waiting": 1}}
    assert actions.change_orders("release", OrderFilter(text="119"), ANA, 12) == 12
    assert actions.count_changeable("cancel", OrderFilter(state="held")) == 1_188
    assert actions.change_orders("cancel", OrderFilter(state="held"), ANA, 1_188) == 1_188
    assert audit(pipeline) == [
        ("hold", "state=waiting shop=main", "a reason", "ana", 1_200),
        ("release", "text=119", "a reason", "ana", 12),
        ("cancel", "state=held", "a reason", "ana", 1_188),
    ]


def test_an_operator_cancels_an_order_as_the_shop_does(pipeline: Pipeline, actions: OperatorActions) -> None:
    shop_says(pipeline, placed("A"), placed("B"))
    actions.change_order("hold", "main", "B", ANA)
    assert send(pipeline) == 1
    for order_id in ("A", "B"):
        actions.change_order("cancel", "main", order_id, ANA)
        with pytest.raises(Conflict):
            actions.change_order("cancel", "main", order_id, ANA)
    rows = pipeline.orders()
    assert [(rows[f"main/{each}"]["state"], rows[f"main/{each}"]["cancellation"]) for each in "AB"] == [
        ("sent", "telling"),
        ("cancelled", None),
    ]
    with pytest.raises(NotFound):
        actions.change_order("cancel", "main", "unknown", ANA)


def quarantined(pipeline: Pipeline) -> str:
    [row] = pipeline.quarantined()
    return str(row["id"])


@pytest.mark.parametrize(
    "fault",
    [
        {"total": "25.00"},
        {"customer": {"document": "111.111.111-11", "name": "Ana"}},
        {"customer": {"document": "11.222.333/0001-82", "name": "Ana"}, "total": "-1"},
        {"items": [{"line": 1, "product_code": "P1", "quantity": "2", "unit_price": "1", "total": "19.98"}]},
    ],
)
def test_an_order_that_does_not_add_up_is_accepted_as_it_is_and_marked(
    pipeline: Pipeline, actions: OperatorActions, fault: dict[str, Any]
) -> None:
    shop_says(pipeline, placed(**fault, channel="app"))
    reason = pipeline.quarantined()[0]["reason"]
    accepted = actions.accept(quarantined(pipeline), ANA)
    assert accepted == ("main", "O1", "waiting")
    assert pipeline.quarantined() == []
    order = pipeline.database.views.order("main", "O1") or {}
    assert (order["payload"]["channel"], order["payload"] | fault) == ("app", order["payload"])
    mark = order["accepted_as_is"]
    assert (mark["by"], mark["reason"], mark["refusal"]["reason"]) == ("ana", "a reason", reason)
    assert audit(pipeline) == [("accept", "O1", "a reason", "ana", 1)]
    assert send(pipeline) == 1
    # The same order again is still refused; what was accepted stays.
    shop_says(pipeline, placed(**fault, channel="app"))
    assert actions.accept(quarantined(pipeline), ANA).state == "sent"


@pytest.mark.parametrize(
    "body",
    [
        placed(total="25.00", currency="R$"),
        placed(total="25.00", items=[
            {"line": 1, "product_code": "P1", "quantity": "2", "unit_price": "1", "total": "19.98"},
            {"line": 2, "product_code": "P2", "quantity": "0", "unit_price": "1", "total": "0"},
        ]),
        placed(order_id="", total="25.00"),
        b"{",
    ],
)  # fmt: skip
def test_an_order_with_another_fault_stays_in_the_quarantine(
    pipeline: Pipeline, actions: OperatorActions, body: bytes
) -> None:
    shop_says(pipeline, body)
    with pytest.raises(Conflict, match="can't be accepted as it is"):
        actions.accept(quarantined(pipeline), ANA)
    assert (len(pipeline.quarantined()), pipeline.orders(), audit(pipeline)) == (1, {}, [])


def test_an_accepted_order_contradicts_no_earlier_one_and_a_cancelled_key_stays_cancelled(
    pipeline: Pipeline, actions: OperatorActions
) -> None:
    shop_says(pipeline, placed(total="25.00"), placed())
    with pytest.raises(Conflict, match="other content"):
        actions.accept(quarantined(pipeline), ANA)
    shop_says(pipeline, cancelled("O2"), placed("O2", total="25.00"))
    [message] = [row for row in pipeline.quarantined() if b"O2" in bytes(row["body"])]
    assert actions.accept(message["id"], ANA).state == "cancelled"


def test_only_orders_are_accepted(pipeline: Pipeline, actions: OperatorActions) -> None:
    pipeline.publish(internalized("unknown"), key="main.receipts")
    take_orders(pipeline, 1)
    with pytest.raises(Conflict, match="it is no order"):
        actions.accept(quarantined(pipeline), ANA)
    with pytest.raises(NotFound):
        actions.accept("unknown", ANA)
