"""Unknown fields in the database, and messages that look right: what is written of them, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from consumers.commit import commit
from consumers.decode import decode
from consumers.delivery import Delivery
from rules.outcomes import Outcome
from rules.unknown_fields import MOST_NAMES, OTHERS
from schemas.events import domain_of
from schemas.topology import event_queue
from storage.dry_run import DryRun
from storage.event_store import Committed, EventStore
from storage.tables import quarantine, unknown_fields
from storage.views import UnknownFieldFilter
from tests.support.event_samples import sample_event
from tests.support.order_events import decoded_order, placed
from tests.support.views_harness import ViewsHarness, change_event


@pytest.fixture
def harness(any_database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def deliver(harness: ViewsHarness, bodies: Sequence[bytes], shop: str = "main") -> Committed:
    """Commits messages as a worker does that receives them in one batch."""
    deliveries = [delivery(body, shop) for body in bodies]
    return commit(harness.store, [(each, decode(each)) for each in deliveries])


def delivery(body: bytes, shop: str) -> Delivery:
    domain = domain_of(orjson.loads(body))
    properties = {"content_type": "application/cloudevents+json"}
    return Delivery(event_queue(domain), 1, body, f"{shop}.{domain}", False, properties)


def counted(harness: ViewsHarness) -> dict[tuple[str, str, str], tuple[int, str | None]]:
    with harness.engine.connect() as connection:
        rows = connection.execute(select(unknown_fields)).all()
    return {(row.shop, row.domain, row.field): (row.count, row.suggestion) for row in rows}


def refused(harness: ViewsHarness) -> list[tuple[str, str, str]]:
    with harness.engine.connect() as connection:
        rows = connection.execute(select(quarantine).order_by(quarantine.c.id)).all()
    return [(orjson.loads(row.body)["id"], row.reason, row.pointer) for row in rows]


def event(kind: str, identity: str, data: dict[str, Any], sequence: str = "1") -> bytes:
    envelope = {"specversion": "1.0", "id": identity, "source": "/erp/t", "type": f"erp.{kind}.changed.v1"}
    return orjson.dumps({**envelope, "sequence": sequence, "data": data})


class TestWhatLooksRight:
    def test_a_misspelt_tier_leaves_the_base_price_alone(self, harness: ViewsHarness) -> None:
        key = {"table_code": "V", "product_code": "F"}
        first = event("price", "f-1", {**key, "price": "100"})
        second = event("price", "f-2", {**key, "price": "80", "minQty": "10"}, "2")
        deliver(harness, [first, second])
        assert refused(harness) == [("f-2", "misspelt_field", "/data/minQty")]
        (row,) = harness.rows("prices")
        assert (Decimal(row["min_qty"]), Decimal(row["price"]), row["event_id"]) == (1, 100, "f-1")

    def test_keys_that_differ_only_in_disguise_are_one_row_each(self, harness: ViewsHarness) -> None:
        codes = {"h0": "H1", "h1": "H1 ", "h3": "   ", "h7": "h1", "h10": "CAF\u00c9", "h11": "CAFE\u0301"}
        rest = {"name": "Café", "active": True, "base_unit": "UN"}
        deliver(harness, [event("product", name, {"code": code, **rest}) for name, code in codes.items()])
        assert {row["event_id"]: row["code"] for row in harness.rows("products")} == {
            "h0": "H1",
            "h7": "h1",
            "h10": "CAF\u00c9",
        }
        assert refused(harness) == [(name, "key_format", "/data/code") for name in ("h1", "h3", "h11")]

    def test_what_can_not_be_meant_is_quarantined_with_its_field(self, harness: ViewsHarness) -> None:
        times = {"valid_from": "2027-01-01T00:00:00Z", "valid_to": "2026-01-01T00:00:00Z"}
        table = {"table_code": "V", "name": "V", "currency": "BRL", "active": True}
        price = {"table_code": "V", "product_code": "P1", "price": "10"}
        product = {"code": "P1", "name": "", "active": True, "base_unit": ""}
        packaging = {"product_code": "P1", "packaging_code": "CX", "unit": "CX", "factor": "12", "sellable": True}
        bodies = [
            event("product", "n1", product),
            event("price", "n3", {**price, "list_price": "-1", "min_qty": "-5"}),
            event("price", "n4", {**price, "list_price": "-1"}),
            event("price_table", "n5", {**table, **times}),
            event("product", "n6", {**product, "name": "P", "base_unit": "UN", "net_weight_kg": "-0.5"}),
            event("packaging", "n7", {**packaging, "min_multiple": "0"}),
        ]
        assert deliver(harness, bodies).tally.total() == len(bodies)
        assert refused(harness) == [
            ("n1", "too_short", "/data/name"),
            ("n3", "not_positive", "/data/min_qty"),
            ("n4", "wrong_value", "/data/list_price"),
            ("n5", "window_empty", "/data/valid_to"),
            ("n6", "wrong_value", "/data/net_weight_kg"),
            ("n7", "not_positive", "/data/min_multiple"),
        ]

    def test_a_deletion_that_says_more_than_its_key_deletes_nothing(self, harness: ViewsHarness) -> None:
        deliver(harness, [sample_event("stock"), sample_event("stock", action="deleted", on_hand="0")])
        assert [row["deleted"] for row in harness.rows("stock")] == [False]
        assert refused(harness) == [("e1", "unknown_field", "/data/on_hand")]


class TestTheCounts:
    def test_are_by_shop_domain_and_name_with_the_first_and_the_last_time(self, harness: ViewsHarness) -> None:
        sent = [("main", {"colour": 1, "on_hand_qty": "1"}), ("main", {"colour": 2}), ("b", {"colour": 3})]
        for shop, fields in sent:
            deliver(harness, [sample_event("stock", **fields)], shop)
        assert counted(harness) == {
            ("main", "stock", "colour"): (2, None),
            ("main", "stock", "on_hand_qty"): (1, "on_hand"),
            ("b", "stock", "colour"): (1, None),
        }
        rows = {(row["shop"], row["field"]): row for row in harness.views.page(UnknownFieldFilter()).rows}
        assert rows["main", "colour"]["first_at"] < rows["main", "colour"]["last_at"]
        assert rows["b", "colour"]["first_at"] == rows["b", "colour"]["last_at"]
        assert [row["shop"] for row in harness.views.page(UnknownFieldFilter("b", "stock")).rows] == ["b"]

    def test_grow_whatever_becomes_of_the_event(self, harness: ViewsHarness) -> None:
        deliver(harness, [sample_event("stock", colour=1), sample_event("stock", colour=1)])
        harness.change("pause", domains=["stock"])
        committed = deliver(harness, [sample_event("stock", colour=1)])
        assert committed.tally["main", "stock", Outcome.DISCARDED] == 1
        assert committed.unknown["main", "stock", "colour"].number == 1
        assert counted(harness) == {("main", "stock", "colour"): (3, None)}

    def test_of_orders_stand_beside_those_of_changes(self, harness: ViewsHarness) -> None:
        harness.orders.commit([decoded_order(placed("O1", channel="app", priceTable="V"), "main")])
        assert counted(harness) == {
            ("main", "orders", "channel"): (1, None),
            ("main", "orders", "priceTable"): (1, "price_table"),
        }

    def test_are_bounded_in_names_and_length_and_lose_none(self, harness: ViewsHarness) -> None:
        for batch in range(0, 150, 30):
            names = [f"n{number:03}" for number in range(batch, batch + 30)]
            harness.store.commit([change_event("stock", **{name: 1}) for name in names])
        another = EventStore(harness.fence, harness.switchboard, "w2")
        another.commit([change_event("stock", **{"late": 1, "x" * 500: 1, "n000": 1})])
        counts = counted(harness)
        assert len(counts) == MOST_NAMES + 1
        assert counts["main", "stock", OTHERS] == (52, None)
        assert counts["main", "stock", "n000"] == (2, None)

    def test_of_a_long_or_hostile_name_are_printable(self, harness: ViewsHarness) -> None:
        harness.store.commit([change_event("stock", **{"x" * 500: 1, "\x1b[2J\u202e": 1, "<b>": 1})])
        fields = {field for _, _, field in counted(harness)}
        assert fields == {"x" * 63 + "…", "\ufffd[2J\ufffd", "<b>"}

    def test_cost_an_ordinary_batch_nothing_and_a_known_name_one_statement(self, harness: ViewsHarness) -> None:
        def statements(version: int, **fields: Any) -> int:
            with harness.statements() as said:
                harness.store.commit([change_event("stock", version=version, **fields)])
            assert sum("unknown_fields" in text for text in said) in (0, 1, 2)
            return sum("unknown_fields" in text for text in said)

        assert [statements(1), statements(2, colour=1), statements(3, colour=1), statements(4)] == [0, 2, 1, 0]

    def test_stay_right_when_two_workers_count_the_same_field(self, harness: ViewsHarness) -> None:
        stores = [harness.store, EventStore(harness.fence, harness.switchboard, "w2")]
        for store in stores * 3:
            store.commit([change_event("stock", colour=1, size=2)])
        assert counted(harness) == {("main", "stock", "colour"): (6, None), ("main", "stock", "size"): (6, None)}


def test_the_versions_of_rows_that_are_not_older_are_told(harness: ViewsHarness) -> None:
    harness.store.commit([change_event("stock", version=5, product_code="A"), change_event("prices", version=9)])
    events = [
        change_event("stock", version=3, product_code="A"),
        change_event("stock", version=6, product_code="A"),
        change_event("prices", version=1),
        change_event("stock", version=1, product_code="B"),
    ]
    assert DryRun(harness.engine).stored_versions(events) == [5, None, 9, None]
