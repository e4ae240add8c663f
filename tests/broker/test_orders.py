"""Orders are accepted once and settled by receipts, whether on or off: one suite for both brokers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from schemas.topology import EVENTS, ORDERS_IN
from tests.support.order_events import internalized, order_event, placed, rejected
from tests.support.pipeline import Pipeline


def place(pipeline: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    pipeline.publish(*bodies, key=shop, exchange=ORDERS_IN)


def answer(pipeline: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    pipeline.publish(*bodies, key=f"{shop}.receipts", exchange=EVENTS)


def take(pipeline: Pipeline, number: int) -> None:
    with pipeline.stepped_orders_worker() as worker:
        worker.drain(number)


@pytest.mark.parametrize("off", [False, True])
def test_an_order_is_accepted_and_waits_whether_on_or_off(pipeline: Pipeline, off: bool) -> None:
    if off:
        pipeline.change("pause")
    place(pipeline, placed(notes="leave at the door", gift=True))
    take(pipeline, 1)
    [(name, order)] = pipeline.orders().items()
    assert (name, order["state"], order["attempts"], order["next_attempt_at"]) == ("main/O1", "waiting", 0, None)
    # Whatever the shop has said goes on to the ERP, known to us or not.
    assert (order["payload"]["notes"], order["payload"]["gift"], order["payload"]["total"]) == (
        "leave at the door",
        True,
        "19.98",
    )
    assert order["placed_at"].isoformat() == "2026-11-23T07:22:51+00:00"
    assert pipeline.outcomes("orders") == {"applied": 1}
    assert pipeline.database.views.status().orders == {"main": {"waiting": 1}}
    assert pipeline.queue_depths() == {}


def test_the_same_order_again_changes_nothing(pipeline: Pipeline) -> None:
    place(pipeline, placed(), placed())
    take(pipeline, 2)
    # Another event, with the fields in another order, and the same content.
    place(pipeline, json.dumps(json.loads(placed()), sort_keys=True).encode())
    take(pipeline, 1)
    assert pipeline.outcomes("orders") == {"applied": 1, "superseded": 2}
    assert len(pipeline.orders()) == 1


def test_the_same_id_with_another_content_is_quarantined(pipeline: Pipeline) -> None:
    place(pipeline, placed(), placed(notes="changed in the same batch"))
    take(pipeline, 2)
    place(pipeline, placed(notes="changed later"))
    take(pipeline, 1)
    assert [(row["reason"], row["shop"], row["domain"]) for row in pipeline.quarantined()] == [
        ("order_changed", "main", "orders")
    ] * 2
    assert "notes" not in pipeline.orders()["main/O1"]["payload"]
    assert pipeline.outcomes("orders") == {"applied": 1, "quarantined": 2}


def test_shops_have_orders_of_their_own(pipeline: Pipeline) -> None:
    place(pipeline, placed(), shop="a")
    place(pipeline, placed(notes="another shop's"), shop="b")
    take(pipeline, 2)
    assert pipeline.orders().keys() == {"a/O1", "b/O1"}


@pytest.mark.parametrize("receipt", [internalized, rejected])
def test_a_receipt_settles_an_order_of_its_own_shop_only(pipeline: Pipeline, receipt: Callable[[str], bytes]) -> None:
    place(pipeline, placed("both"), shop="a")
    place(pipeline, placed("both"), placed("only b's"), shop="b")
    take(pipeline, 3)
    answer(pipeline, receipt("both"), receipt("only b's"), shop="a")
    take(pipeline, 2)
    settled = "internalized" if receipt is internalized else "rejected"
    assert {name: order["state"] for name, order in pipeline.orders().items()} == {
        "a/both": settled,
        "b/both": "waiting",
        "b/only b's": "waiting",
    }
    assert [(row["shop"], row["reason"]) for row in pipeline.quarantined()] == [("a", "order_unknown")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (placed(total="20.00"), "order_sum"),
        (placed(currency="XXY"), "currency_unknown"),
        (placed(customer={"document": "52998224724", "name": "Ana"}), "cpf_check_digit"),
        (placed(total=19.98), "number_not_string"),
        (order_event("shop.order.placed.v2", {}), "unknown_version"),
        (order_event("erp.stock.changed.v1", {}), "unknown_type"),
        (b"{", "malformed_json"),
    ],
)
def test_a_bad_order_is_quarantined_and_its_neighbours_are_accepted(
    pipeline: Pipeline, body: bytes, reason: str
) -> None:
    place(pipeline, placed("before"), body, placed("after"))
    take(pipeline, 3)
    [row] = pipeline.quarantined()
    assert (row["reason"], bytes(row["body"])) == (reason, body)
    assert pipeline.orders().keys() == {"main/before", "main/after"}
    assert pipeline.queue_depths() == {}


def test_an_order_with_a_routing_key_that_is_no_shop_is_quarantined(pipeline: Pipeline) -> None:
    place(pipeline, placed(), shop="MAIN")
    place(pipeline, placed(), shop="main.orders")
    take(pipeline, 2)
    assert [(row["reason"], row["shop"]) for row in pipeline.quarantined()] == [("routing_key", "?")] * 2


@pytest.mark.parametrize("off", [False, True])
def test_a_receipt_settles_an_order_whether_on_or_off_and_a_repeat_changes_nothing(
    pipeline: Pipeline, off: bool
) -> None:
    place(pipeline, placed())
    take(pipeline, 1)
    if off:
        pipeline.change("pause")
    receipt = internalized()
    answer(pipeline, receipt, receipt, internalized())
    take(pipeline, 3)
    order = pipeline.orders()["main/O1"]
    assert (order["state"], order["erp_number"], order["last_error"]) == ("internalized", "77", None)
    assert order["internalized_at"] is not None
    assert pipeline.outcomes("receipts") == {"applied": 1, "superseded": 2}


def test_a_rejection_keeps_its_reason_and_a_later_number_still_counts(pipeline: Pipeline) -> None:
    place(pipeline, placed())
    take(pipeline, 1)
    refusal = rejected()
    answer(pipeline, refusal, refusal)
    take(pipeline, 2)
    order = pipeline.orders()["main/O1"]
    assert (order["state"], order["last_error"], order["erp_number"]) == ("rejected", "no credit", None)
    answer(pipeline, internalized())
    take(pipeline, 1)
    order = pipeline.orders()["main/O1"]
    assert (order["state"], order["last_error"], order["erp_number"]) == ("internalized", None, "77")
    assert pipeline.outcomes("receipts") == {"applied": 2, "superseded": 1}


@pytest.mark.parametrize(
    ("receipt", "reason"),
    [
        (internalized("unknown"), "order_unknown"),
        (rejected("unknown"), "order_unknown"),
        (internalized(number="78"), "order_changed"),
        (rejected(), "order_changed"),
        (internalized(number=""), "too_short"),
        (order_event("erp.order.lost.v1", {"order_id": "O1"}), "unknown_type"),
    ],
)
def test_a_receipt_that_cannot_be_is_quarantined(pipeline: Pipeline, receipt: bytes, reason: str) -> None:
    place(pipeline, placed())
    take(pipeline, 1)
    answer(pipeline, internalized(), receipt)
    take(pipeline, 2)
    [row] = pipeline.quarantined()
    assert (row["reason"], row["shop"], row["domain"]) == (reason, "main", "receipts")
    assert pipeline.orders()["main/O1"]["erp_number"] == "77"


def test_what_no_database_keeps_is_quarantined_though_nobody_reads_it(pipeline: Pipeline) -> None:
    place(pipeline, placed("before"), placed("bad", gift="a\0b"), placed("after"))
    take(pipeline, 3)
    assert pipeline.orders().keys() == {"main/before", "main/after"}
    assert [row["reason"] for row in pipeline.quarantined()] == ["nul_character"]
