"""Orders are accepted once and settled by receipts, whether on or off: one suite for both brokers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from schemas.topology import EVENTS, ORDERS_IN
from tests.support.order_events import internalized, order_event, placed, rejected
from tests.support.pipeline import Pipeline


def place(line: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    line.publish(*bodies, key=shop, exchange=ORDERS_IN)


def answer(line: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    line.publish(*bodies, key=f"{shop}.receipts", exchange=EVENTS)


def take(line: Pipeline, number: int) -> None:
    with line.order_hand() as hand:
        hand.drain(number)


@pytest.mark.parametrize("off", [False, True])
def test_an_order_is_accepted_and_waits_whether_on_or_off(line: Pipeline, off: bool) -> None:
    if off:
        line.change("pause")
    place(line, placed(notes="leave at the door", gift=True))
    take(line, 1)
    [(name, order)] = line.orders().items()
    assert (name, order["state"], order["attempts"], order["next_attempt_at"]) == ("main/O1", "waiting", 0, None)
    # Whatever the shop has said goes on to the ERP, known to us or not.
    assert (order["payload"]["notes"], order["payload"]["gift"], order["payload"]["total"]) == (
        "leave at the door",
        True,
        "19.98",
    )
    assert order["placed_at"].isoformat() == "2026-11-23T07:22:51+00:00"
    assert line.outcomes("orders") == {"applied": 1}
    assert line.database.views.status().orders == {"main": {"waiting": 1}}
    assert line.waiting() == {}


def test_the_same_order_again_changes_nothing(line: Pipeline) -> None:
    place(line, placed(), placed())
    take(line, 2)
    # Another event, with the fields in another order, and the same content.
    place(line, json.dumps(json.loads(placed()), sort_keys=True).encode())
    take(line, 1)
    assert line.outcomes("orders") == {"applied": 1, "superseded": 2}
    assert len(line.orders()) == 1


def test_the_same_id_with_another_content_is_quarantined(line: Pipeline) -> None:
    place(line, placed(), placed(notes="changed in the same batch"))
    take(line, 2)
    place(line, placed(notes="changed later"))
    take(line, 1)
    assert [(row["reason"], row["shop"], row["domain"]) for row in line.quarantined()] == [
        ("order_changed", "main", "orders")
    ] * 2
    assert "notes" not in line.orders()["main/O1"]["payload"]
    assert line.outcomes("orders") == {"applied": 1, "quarantined": 2}


def test_shops_have_orders_of_their_own(line: Pipeline) -> None:
    place(line, placed(), shop="a")
    place(line, placed(notes="another shop's"), shop="b")
    take(line, 2)
    assert line.orders().keys() == {"a/O1", "b/O1"}


@pytest.mark.parametrize("receipt", [internalized, rejected])
def test_a_receipt_settles_an_order_of_its_own_shop_only(line: Pipeline, receipt: Callable[[str], bytes]) -> None:
    place(line, placed("both"), shop="a")
    place(line, placed("both"), placed("only b's"), shop="b")
    take(line, 3)
    answer(line, receipt("both"), receipt("only b's"), shop="a")
    take(line, 2)
    settled = "internalized" if receipt is internalized else "rejected"
    assert {name: order["state"] for name, order in line.orders().items()} == {
        "a/both": settled,
        "b/both": "waiting",
        "b/only b's": "waiting",
    }
    assert [(row["shop"], row["reason"]) for row in line.quarantined()] == [("a", "order_unknown")]


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
def test_a_bad_order_is_quarantined_and_its_neighbours_are_accepted(line: Pipeline, body: bytes, reason: str) -> None:
    place(line, placed("before"), body, placed("after"))
    take(line, 3)
    [row] = line.quarantined()
    assert (row["reason"], bytes(row["body"])) == (reason, body)
    assert line.orders().keys() == {"main/before", "main/after"}
    assert line.waiting() == {}


def test_an_order_with_a_routing_key_that_is_no_shop_is_quarantined(line: Pipeline) -> None:
    place(line, placed(), shop="MAIN")
    place(line, placed(), shop="main.orders")
    take(line, 2)
    assert [(row["reason"], row["shop"]) for row in line.quarantined()] == [("routing_key", "?")] * 2


@pytest.mark.parametrize("off", [False, True])
def test_a_receipt_settles_an_order_whether_on_or_off_and_a_repeat_changes_nothing(line: Pipeline, off: bool) -> None:
    place(line, placed())
    take(line, 1)
    if off:
        line.change("pause")
    receipt = internalized()
    answer(line, receipt, receipt, internalized())
    take(line, 3)
    order = line.orders()["main/O1"]
    assert (order["state"], order["erp_number"], order["last_error"]) == ("internalized", "77", None)
    assert order["internalized_at"] is not None
    assert line.outcomes("receipts") == {"applied": 1, "superseded": 2}


def test_a_rejection_keeps_its_reason_and_a_later_number_still_counts(line: Pipeline) -> None:
    place(line, placed())
    take(line, 1)
    refusal = rejected()
    answer(line, refusal, refusal)
    take(line, 2)
    order = line.orders()["main/O1"]
    assert (order["state"], order["last_error"], order["erp_number"]) == ("rejected", "no credit", None)
    answer(line, internalized())
    take(line, 1)
    order = line.orders()["main/O1"]
    assert (order["state"], order["last_error"], order["erp_number"]) == ("internalized", None, "77")
    assert line.outcomes("receipts") == {"applied": 2, "superseded": 1}


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
def test_a_receipt_that_cannot_be_is_quarantined(line: Pipeline, receipt: bytes, reason: str) -> None:
    place(line, placed())
    take(line, 1)
    answer(line, internalized(), receipt)
    take(line, 2)
    [row] = line.quarantined()
    assert (row["reason"], row["shop"], row["domain"]) == (reason, "main", "receipts")
    assert line.orders()["main/O1"]["erp_number"] == "77"


def test_what_no_database_keeps_is_quarantined_though_nobody_reads_it(line: Pipeline) -> None:
    place(line, placed("before"), placed("bad", gift="a\0b"), placed("after"))
    take(line, 3)
    assert line.orders().keys() == {"main/before", "main/after"}
    assert [row["reason"] for row in line.quarantined()] == ["nul_character"]
