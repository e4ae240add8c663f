"""Warnings: each code has a cause, none changes what an event is, and an ordinary event has none."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from comporta import WarningCode, outgoing_text
from producers.events import far_superseded
from rules.outcomes import Outcome
from rules.warnings import event_warnings, field_warnings, superseded_warnings
from schemas.domains import DOMAINS
from schemas.events import parse_event
from schemas.orders import parse_order
from tests.support.contract_samples import valid_sample
from tests.support.event_samples import sample_event
from tests.support.storage_harness import stock_change

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def codes(domain: str, *, time: str | None = "2026-11-23T07:22:51Z", **data: Any) -> list[tuple[str, str]]:
    body = sample_event(domain, envelope={"time": time, **data.pop("envelope", {})}, **data)
    return [(warning.code.value, warning.pointer) for warning in event_warnings(parse_event(domain, "main", body), NOW)]


@pytest.mark.parametrize("domain", [*DOMAINS])
def test_an_ordinary_event_has_no_warning(domain: str) -> None:
    assert codes(domain, **({"price": "9.90"} if domain == "prices" else {})) == []


@pytest.mark.parametrize(
    ("domain", "data", "expected"),
    [
        ("stock", {"colour": "blue"}, ("unknown_field", "/data/colour")),
        ("stock", {"envelope": {"mine": "x"}}, ("unknown_field", "/mine")),
        ("customers", {"addresses": [{"floor": 3}]}, ("unknown_field", "/data/addresses/0/floor")),
        ("stock", {"time": "2026-10-01T00:00:00Z"}, ("time_behind", "/time")),
        ("stock", {"time": "1970-01-01T00:00:00Z"}, ("time_behind", "/time")),
        ("stock", {"time": "2026-11-23T08:06:00Z"}, ("time_in_future", "/time")),
        ("prices", {"price": "0.01"}, ("price_tiny", "/data/price")),
        ("prices", {"price": "1e-9"}, ("price_tiny", "/data/price")),
        ("prices", {"price": "10", "list_price": "0"}, ("list_price_low", "/data/list_price")),
        ("prices", {"price": "10", "list_price": "9.99"}, ("list_price_low", "/data/list_price")),
        ("prices", {"price": "10", "valid_to": "2026-11-23T08:00:00Z"}, ("window_over", "/data/valid_to")),
        ("price_tables", {"valid_to": "2020-01-01T00:00:00Z"}, ("window_over", "/data/valid_to")),
        ("products", {"net_weight_kg": "500", "gross_weight_kg": "0.6"}, ("gross_below_net", "/data/gross_weight_kg")),
        ("products", {"name": "Caf\ufffd"}, ("text_damaged", "/data/name")),
    ],
)
def test_what_is_perhaps_not_meant_is_warned_of(domain: str, data: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(domain, **data) == [expected]


@pytest.mark.parametrize(
    ("domain", "data"),
    [
        ("stock", {"time": "2026-10-25T00:00:00Z"}),
        ("stock", {"time": "2026-11-23T08:04:00Z"}),
        ("stock", {"time": None}),
        ("prices", {"price": "0.02", "list_price": "0.02"}),
        ("prices", {"price": "10", "valid_to": "2026-11-23T08:00:01Z"}),
        ("products", {"net_weight_kg": "0.5", "gross_weight_kg": "0.50"}),
        ("stock", {"on_hand": "-1"}),
    ],
)
def test_what_may_well_be_meant_is_not_warned_of(domain: str, data: dict[str, Any]) -> None:
    assert codes(domain, **data) == []


@pytest.mark.parametrize(
    ("version", "stored", "warned"),
    [
        (7, 18446, True),
        (17446, 18446, True),
        (17447, 18446, False),
        (18446, 18446, False),
        (1795418571123456, 1795418571123456 + 29 * 86_400_000_000, False),
        (1795418571123456, 1795418571123456 + 30 * 86_400_000_000, True),
        (7, 1795418571123456, True),
    ],
)
def test_a_row_that_is_far_ahead_is_warned_of(version: int, stored: int, warned: bool) -> None:
    assert [warning.code for warning in superseded_warnings(version, stored)] == [WarningCode.FAR_SUPERSEDED] * warned


def test_only_superseded_events_are_compared_with_their_rows() -> None:
    events = [stock_change(1, "A"), stock_change(2, "B"), stock_change(3, "C")]
    asked: list[int] = []

    def stored(compared: Any) -> list[int | None]:
        asked.extend(event.version for event in compared)
        return [9_000, None]

    warnings = far_superseded(events, [Outcome.SUPERSEDED, Outcome.APPLIED, Outcome.SUPERSEDED], stored)
    assert asked == [1, 3]
    assert [len(found) for found in warnings] == [1, 0, 0]
    assert far_superseded(events[1:2], [Outcome.APPLIED], lambda _: pytest.fail("no row is needed")) == [[]]


def test_an_orders_fields_are_warned_of_and_the_order_is_taken() -> None:
    whole = json.loads(valid_sample("orders", "orders-least").body)
    whole["data"] |= {"priceTable": "V", "note": "x", "channel": "app"}
    whole["data"]["items"][0]["gift-wrap"] = True
    warnings = list(field_warnings(parse_order("main", json.dumps(whole).encode()).unknown))
    assert [(warning.code.value, warning.pointer) for warning in warnings] == [
        ("misspelt_field", "/data/priceTable"),
        ("unknown_field", "/data/note"),
        ("unknown_field", "/data/channel"),
        ("unknown_field", "/data/items/0/gift-wrap"),
    ]
    assert "price_table" in warnings[0].sentence
    assert "did you mean notes?" in warnings[1].sentence


def test_a_publisher_is_warned_of_what_it_is_about_to_send() -> None:
    checked = outgoing_text("main", sample_event("prices", price="0.01", minimum_qty="10"))
    assert checked.refusal is None
    assert checked.outgoing is not None
    assert {warning.code for warning in checked.warnings} >= {WarningCode.PRICE_TINY, WarningCode.UNKNOWN_FIELD}
    assert outgoing_text("main", b"[]").warnings == []


def test_a_warning_repeats_no_value_and_leads_to_its_explanation() -> None:
    body = sample_event("products", name="SECRET\ufffd", colour="SECRET", net_weight_kg="77", gross_weight_kg="76")
    for warning in event_warnings(parse_event("products", "main", body), NOW + timedelta(days=90)):
        assert not re.search("SECRET|77|76", str(warning))
        assert warning.as_json()["doc"] == f"/docs/warnings#{warning.code}"
