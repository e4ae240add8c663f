"""Orders and receipts as a whole; what each field may be is in the contract samples (tests/contract)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.order_data import PlacedOrder
from schemas.order_news import LONGEST_REASON, CancelAnswer, Cancellation
from schemas.orders import order_event, parse_order, parse_shop_message
from schemas.reasons import Reason, Refusal, Refused
from schemas.receipts import Receipt, parse_receipt
from tests.support.contract_samples import valid_sample
from tests.support.schema_validators import schema_accepts

LEAST: dict[str, Any] = json.loads(valid_sample("orders", "orders-least").body)
FULL: dict[str, Any] = json.loads(valid_sample("orders", "orders-every-field").body)


def order(base: dict[str, Any] = LEAST, **data: Any) -> bytes:
    """A message's body: a valid order, with these fields set or replaced."""
    return json.dumps({**base, "data": {**base["data"], **data}}).encode()


def refusal_of(body: bytes) -> Refusal:
    with pytest.raises(Refused) as refused:
        parse_order("main", body)
    return refused.value.refusal


def data_of(body: bytes) -> PlacedOrder:
    """The order's data as its model reads it; raises `ValidationError`."""
    return PlacedOrder.model_validate(json.loads(body)["data"])


def item(line: int, total: str = "1", **fields: Any) -> dict[str, Any]:
    return {"line": line, "product_code": "P", "quantity": "1", "unit_price": total, "total": total, **fields}


def test_an_order_is_read_with_all_that_it_says() -> None:
    placed = parse_order("main", order(FULL))
    assert (placed.shop, placed.order_id, placed.event_id) == ("main", "2026-000123", "orders-every-field")
    assert placed.placed_at == datetime(2026, 11, 23, 7, 22, 50, 500_000, tzinfo=UTC)
    said = data_of(order(FULL)).model_dump(mode="json", exclude={"placed_at"}, warnings=False)
    assert said == {name: value for name, value in FULL["data"].items() if name != "placed_at"}
    assert (json.loads(placed.payload), placed.unknown) == (FULL["data"], ())


def test_what_is_optional_is_none_by_default() -> None:
    said = data_of(order())
    assert {said.freight, said.discount, said.delivery_address, said.customer.code} == {None}


def test_of_a_line_only_the_known_fields_are_read() -> None:
    assert data_of(order(items=[{**item(1), "colour": "red"}], total="1")).items == [item(1)]


def test_unknown_fields_are_counted_and_passed_on() -> None:
    placed = parse_order("main", order(channel="app", basket={"id": [1, 2.5, None]}))
    assert [field.pointer for field in placed.unknown] == ["/data/channel", "/data/basket"]
    assert json.loads(placed.payload) == {**LEAST["data"], "channel": "app", "basket": {"id": [1, 2.5, None]}}


def test_unknown_fields_of_lines_and_of_their_taxes_are_found_where_they_are() -> None:
    tax = {"kind": "IPI", "value": "0", "rate": "5"}
    lines = [item(1), item(2, colour="red"), item(3, taxes=[{"kind": "IPI", "value": "0"}, tax])]
    unknown = parse_order("main", order(items=lines, total="3")).unknown
    assert [(field.pointer, field.label) for field in unknown] == [
        ("/data/items/1/colour", "items.colour"),
        ("/data/items/2/taxes/1/rate", "items.taxes.rate"),
    ]


def test_an_order_in_binary_mode_says_the_same() -> None:
    attributes = {name: value for name, value in LEAST.items() if name != "data"}
    binary = parse_order("main", json.dumps(LEAST["data"]).encode(), attributes)
    assert binary == parse_order("main", order())


def test_the_digest_leaves_the_order_of_members_and_the_envelope_alone() -> None:
    turned = json.dumps({**LEAST, "id": "again", "data": dict(reversed(LEAST["data"].items()))}, indent=2)
    assert parse_order("main", turned.encode()).digest == parse_order("main", order()).digest


@pytest.mark.parametrize(
    "change", [{"notes": "x"}, {"total": "10.01"}, {"channel": "app"}, {"currency": "USD"}, {"total": "10.000"}]
)
def test_another_content_has_another_digest(change: dict[str, Any]) -> None:
    assert parse_order("main", order(**change)).digest != parse_order("main", order()).digest


amounts = st.decimals("0", "999", places=10)


@given(
    items=st.lists(st.decimals("0", "99999999999.9999", places=4), min_size=1, max_size=30),
    parts=st.fixed_dictionaries({}, optional={"freight": amounts, "insurance": amounts, "other_charges": amounts}),
    taxes=st.lists(amounts, max_size=3),
    item_taxes=st.lists(amounts, max_size=3),
    discount=amounts,
    off=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01")]),
    beyond=st.sampled_from([Decimal(0), Decimal("0.0000000001"), Decimal(5)]),
)
def test_a_sum_is_right_to_a_cent_and_half_a_cent_a_line_and_exact_to_the_last_digit(
    items: list[Decimal],
    parts: dict[str, Decimal],
    taxes: list[Decimal],
    item_taxes: list[Decimal],
    discount: Decimal,
    off: Decimal,
    beyond: Decimal,
) -> None:
    off *= 1 + Decimal(len(items)) / 2
    off += beyond if off >= 0 else -beyond
    total = sum([*items, *taxes, *item_taxes, *parts.values()], Decimal(0)) - discount + off
    lines = [item(line, f"{each:f}") for line, each in enumerate(items, 1)]
    lines[-1]["taxes"] = _taxes(item_taxes)
    texts: dict[str, Any] = {name: f"{value:f}" for name, value in parts.items()}
    if "freight" in texts:
        texts["freight"] = {"value": texts["freight"]}
    body = order(items=lines, taxes=_taxes(taxes), discount=f"{discount:f}", total=f"{total:f}", **texts)
    allowed = Decimal("0.01") + Decimal("0.005") * len(items)
    if abs(total) >= 10**11:
        assert refusal_of(body).reason is Reason.NUMBER_RANGE
    elif total < 0:
        assert (refusal_of(body).reason, refusal_of(body).pointer) == (Reason.NEGATIVE_TOTAL, "/data/total")
    elif abs(off) <= allowed:
        assert data_of(body).total == f"{total:f}"
    else:
        assert (refusal_of(body).reason, refusal_of(body).pointer) == (Reason.ORDER_SUM, "/data/total")


def _taxes(values: list[Decimal]) -> list[dict[str, str]]:
    return [{"kind": "IPI", "value": f"{value:f}"} for value in values]


@given(
    quantity=st.decimals("0.0001", "9999", places=4),
    price=st.decimals("0", "9999", places=10),
    off=st.sampled_from(["0", "0.015", "-0.015", "0.0151", "-0.0151", "1000"]),
)
def test_a_line_is_right_to_a_cent_and_a_half(quantity: Decimal, price: Decimal, off: str) -> None:
    total = round(quantity * price, 10) + Decimal(off)
    line = item(1, f"{total:f}", quantity=f"{quantity:f}", unit_price=f"{price:f}")
    body = order(items=[line], total=f"{total:f}")
    if total < 0:
        expected = Reason.NEGATIVE_TOTAL
    elif abs(total - quantity * price) > Decimal("0.015"):
        expected = Reason.LINE_SUM
    else:
        assert json.loads(parse_order("main", body).payload)["items"] == [line]
        return
    assert (refusal_of(body).reason, refusal_of(body).pointer) == (expected, "/data/items/0/total")


@pytest.mark.parametrize("document", ["529.982.247-25", " 529 982 247 25", "12.ABC.345/01DE-35", "12abc34501de35"])
def test_a_masked_document_is_taken_and_goes_on_as_it_was_sent(document: str) -> None:
    body = order(customer={"document": document, "name": "Ana"})
    passed_on = json.loads(parse_order("main", body).payload)["customer"]["document"]
    assert data_of(body).customer.document == passed_on == document


# Orders as shops have sent them, each with what must come of it.
SUMS = (
    {"items": [item(1, "100.00")], "discount": "20.00", "taxes": [{"kind": "sales-tax", "value": "8.00"}]},
    {"items": [item(1, "224078.00", taxes=[{"kind": "IPI", "value": "14565.07"}])]},
    {"items": [item(1, "100.00")], "freight": {"value": "10.00"}, "insurance": "1.50"},
)


@pytest.mark.parametrize(("data", "total"), [*zip(SUMS, ("88.00", "238643.07", "111.50"), strict=True)])
def test_taxes_insurance_and_charges_join_the_sum_and_reach_the_erp(data: dict[str, Any], total: str) -> None:
    placed = parse_order("main", order(**data, total=total))
    sent = json.loads(order_event("main", placed.order_id, placed.payload.decode(), datetime.now(UTC)))
    assert {name: sent["data"][name] for name in data} == data
    assert schema_accepts("comporta.order.v1", sent)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"items": [item(1, "5.00", quantity="2", unit_price="10.00")], "total": "5.00"}, Reason.LINE_SUM),
        ({"items": [item(1, "-10.00", unit_price="10.00")], "total": "-10.00"}, Reason.NEGATIVE_TOTAL),
        ({"customer": {"document": "111 111 111 11", "name": "Ana"}}, Reason.CPF_CHECK_DIGIT),
    ],
)
def test_a_contradiction_is_refused_for_its_own_reason(data: dict[str, Any], reason: Reason) -> None:
    assert refusal_of(order(**data)).reason is reason


@pytest.mark.parametrize("count", [1, 10_000])
def test_an_order_has_up_to_ten_thousand_items(count: int) -> None:
    body = order(items=[item(line) for line in range(1, count + 1)], total=str(count))
    assert len(json.loads(parse_order("main", body).payload)["items"]) == count


def test_one_item_more_is_refused() -> None:
    refusal = refusal_of(order(items=[item(line) for line in range(1, 10_002)], total="10001"))
    assert (refusal.reason, refusal.pointer) == (Reason.TOO_LONG, "/data/items")
    assert refusal.sentence == "must have at most 10000 items"


@pytest.mark.parametrize("value", ["1e400", "-1e400", str(2**64), str(-(2**63) - 1)])
def test_a_number_that_would_not_come_back_as_it_went_is_refused(value: str) -> None:
    body = order(deep=[{"er": "here"}]).replace(b'"here"', value.encode())
    assert (refusal_of(body).reason, refusal_of(body).pointer) == (Reason.NUMBER_RANGE, "/data")


def test_nul_in_an_unknown_name_is_refused() -> None:
    assert refusal_of(order(deep=[{"a\0": 1}])).reason is Reason.NUL_CHARACTER


def test_an_order_to_the_erp_carries_all_that_the_shop_said_and_the_same_id_each_time() -> None:
    placed = parse_order("shop-2", order(FULL, channel="app"))
    at = datetime(2026, 11, 23, 4, 22, 51, 5, tzinfo=timezone(timedelta(hours=-3)))
    said = json.loads(order_event(placed.shop, placed.order_id, placed.payload.decode(), at))
    assert said == {
        "specversion": "1.0",
        "id": "shop-2/2026-000123",
        "source": "/comporta",
        "type": "comporta.order.v1",
        "time": "2026-11-23T07:22:51.000005Z",
        "subject": "2026-000123",
        "data": {**FULL["data"], "channel": "app"},
    }
    assert schema_accepts("comporta.order.v1", said)


@pytest.mark.parametrize(
    ("name", "erp_number", "reason"), [("internalized", "4711", None), ("rejected", None, "Cliente bloqueado")]
)
def test_a_receipt_has_a_number_or_a_reason(name: str, erp_number: str | None, reason: str | None) -> None:
    body = valid_sample("receipts", f"receipts-{name}").body
    assert parse_receipt("main", body) == Receipt("main", "O1", f"receipts-{name}", erp_number, reason)


@pytest.mark.parametrize("kind", ["erp.order.rejected.v1", "erp.order.cancel_refused.v1", "erp.order.cancelled.v1"])
@pytest.mark.parametrize(("length", "kept"), [(501, 501), (LONGEST_REASON, LONGEST_REASON), (900_000, LONGEST_REASON)])
def test_no_answer_is_refused_for_the_length_of_its_reason(kind: str, length: int, kept: int) -> None:
    receipt = parse_receipt("main", about_order(kind, reason="x" * length))
    assert isinstance(receipt, Receipt | CancelAnswer)
    assert receipt.reason is not None
    assert (len(receipt.reason), receipt.reason.endswith("…")) == (kept, length > kept)


def test_no_cancellation_is_refused_for_the_length_of_its_reason() -> None:
    cancellation = parse_shop_message("main", about_order("shop.order.cancelled.v1", reason="x" * 5_000))
    assert isinstance(cancellation, Cancellation)
    assert len(cancellation.reason or "") == LONGEST_REASON


def about_order(kind: str, **data: Any) -> bytes:
    event = {"specversion": "1.0", "id": "r1", "source": "/erp", "type": kind, "data": {"order_id": "O1", **data}}
    return json.dumps(event).encode()


def test_a_receipt_may_come_in_binary_mode() -> None:
    attributes = {"specversion": "1.0", "id": "r1", "source": "/erp", "type": "erp.order.internalized.v1"}
    receipt = parse_receipt("main", b'{"order_id": "O1", "erp_number": "7"}', attributes)
    assert receipt == Receipt("main", "O1", "r1", "7", None)
