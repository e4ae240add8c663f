"""Lists: filtered, paged by place, counted up to a bound; on SQLite and on PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlakeyset import serialize_bookmark

from schemas.reasons import Reason
from storage.tables import audit, missed
from storage.views import (
    AuditFilter,
    BadCursor,
    Count,
    Listing,
    MissedFilter,
    OrderFilter,
    QuarantineFilter,
    WorkerFilter,
)
from storage.views.pagination import MOST_COUNTED
from tests.support.views_harness import START, ViewsHarness, rejected_delivery


@pytest.fixture
def gallery(any_database_url: str) -> Iterator[ViewsHarness]:
    gallery = ViewsHarness(any_database_url)
    yield gallery
    gallery.engine.dispose()


def keys(rows: list[Any]) -> list[str]:
    return [row["key"]["product_code"] for row in rows]


def ids(rows: Any) -> list[str]:
    return [row["order_id"] for row in rows]


def walk(gallery: ViewsHarness, listing: Listing[Any], limit: int) -> list[list[Any]]:
    """Every page from the first to the last."""
    pages, cursor = [], None
    while True:
        page = gallery.views.page(listing, limit, cursor)
        pages.append(page.rows)
        if page.next is None:
            return pages
        cursor = page.next


def a_bookmark(*place: object) -> str:
    return base64.urlsafe_b64encode(serialize_bookmark((place, False)).encode()).decode().rstrip("=")


def test_pages_lead_forth_and_back_and_hold_every_row_once(gallery: ViewsHarness) -> None:
    gallery.miss("A", "B", "C", "D", "E")
    first = gallery.views.page(MissedFilter(), 2)
    assert (keys(first.rows), first.previous, first.total) == (["A", "B"], None, Count(5, True))
    second = gallery.views.page(MissedFilter(), 2, first.next)
    third = gallery.views.page(MissedFilter(), 2, second.next)
    assert (keys(second.rows), keys(third.rows), third.next) == (["C", "D"], ["E"], None)
    assert gallery.views.page(MissedFilter(), 2, third.previous).rows == second.rows
    back = gallery.views.page(MissedFilter(), 2, second.previous)
    assert (back.rows, back.previous) == (first.rows, None)


def test_a_page_stays_where_it_was_when_rows_come_and_go_before_it(gallery: ViewsHarness) -> None:
    gallery.accept("b", "c", "d", "e")
    first = gallery.views.page(OrderFilter(), 2)
    gallery.accept("a")
    gallery.set_order("b", placed_at=START + timedelta(days=1))
    assert ids(gallery.views.page(OrderFilter(), 2, first.next).rows) == ["d", "e"]


@pytest.mark.parametrize("key", ["a\\nb", "a\nb", 'q"q', "~s:x", "ção", "\\", "a\\\\nb", "x~", ",", "=1"])
def test_a_cursor_survives_whatever_a_key_holds(gallery: ViewsHarness, key: str) -> None:
    gallery.accept(f"!{key}", key, f"{key}~", placed_at="2026-11-23T07:22:51Z")
    assert sorted(ids(row for page in walk(gallery, OrderFilter(), 1) for row in page)) == sorted(
        [f"!{key}", key, f"{key}~"]
    )


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "=",
        "ção",
        "Pg",
        a_bookmark("only one"),
        a_bookmark(1, "main", "a"),
        a_bookmark(START, 5, "a"),
        a_bookmark(START, None, "a"),
        a_bookmark(START, "main", "a\x00"),
        a_bookmark(datetime(2026, 1, 1), "main", "a"),
        base64.urlsafe_b64encode(b">dt:no day~s:main~s:a").decode(),
        base64.urlsafe_b64encode(b">dt:99999-01-01~s:main~s:a").decode(),
        base64.urlsafe_b64encode(b">q:1~s:main~s:a").decode(),
        base64.urlsafe_b64encode(b">i:1e9999").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_cursor_of_the_list_is_refused_by_name(gallery: ViewsHarness, cursor: str) -> None:
    gallery.accept("a")
    with pytest.raises(BadCursor, match="after: "):
        gallery.views.page(OrderFilter(), 10, cursor)


def test_missed_keys_are_filtered_by_shop_domain_and_text_as_it_is_written(gallery: ViewsHarness) -> None:
    gallery.miss("P1", "100%", 'q"1')
    gallery.miss("P1", shop="other")
    assert len(gallery.views.missed()) == 4
    assert [row["shop"] for row in gallery.views.missed(text="p1")] == ["main", "other"]
    assert keys(gallery.views.missed(shop="main", domain="stock", text="%")) == ["100%"]
    assert keys(gallery.views.missed(text='"1')) == ['q"1']
    assert gallery.views.missed(domain="prices") == []


def test_refused_messages_are_filtered_and_the_newest_come_first(gallery: ViewsHarness) -> None:
    for number, reason in enumerate((Reason.NO_VERSION, Reason.GTIN_CHECK_DIGIT, Reason.NO_VERSION)):
        gallery.store.commit([rejected_delivery(b"x" * number, shop=f"s{number}", reason=reason)])
    found = gallery.views.page(QuarantineFilter(reason="no_version")).rows
    assert [(row["shop"], row["size"]) for row in found] == [("s2", 2), ("s0", 0)]
    assert found[0]["doc"] == "docs/contract/reasons.md#no_version"
    at = found[0]["at"]
    assert [row["shop"] for row in gallery.views.page(QuarantineFilter(since=at)).rows] == ["s2"]
    assert [row["shop"] for row in gallery.views.page(QuarantineFilter(until=at)).rows] == ["s1", "s0"]
    assert gallery.views.page(QuarantineFilter(domain="prices")).rows == []
    assert "body" not in found[0]


def test_orders_are_found_by_state_age_and_any_of_their_numbers(gallery: ViewsHarness) -> None:
    gallery.accept("A-1", "A-2", "B-1", display_number="#77_a")
    gallery.accept("A-9", shop="other")
    gallery.set_order("A-2", state="internalized", erp_number="ERP-5", received_at=START)
    assert ids(gallery.views.orders(shop="main", state="waiting")) == ["A-1", "B-1"]
    assert ids(gallery.views.orders(older_than=3600)) == ["A-2"]
    assert ids(gallery.views.orders(text="erp-5")) == ["A-2"]
    assert ids(gallery.views.orders(text="b-")) == ["B-1"]
    assert ids(gallery.views.orders(text="#77_")) == ["A-1", "A-2", "B-1"]
    assert ids(gallery.views.orders(text="#77%")) == []
    assert gallery.views.orders(text="A-9")[0]["display_number"] is None


def test_overdue_are_only_orders_whose_receipt_should_have_come(gallery: ViewsHarness) -> None:
    gallery.accept("late", "soon", "waits", "done")
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    gallery.set_order("late", state="sent", sent_at=long_ago)
    gallery.set_order("soon", state="sent", sent_at=datetime.now(UTC))
    gallery.set_order("done", state="internalized", sent_at=long_ago)
    assert ids(gallery.views.orders(overdue=True)) == ["late"]
    assert gallery.views.status().overdue_orders == {"main": 1}


def test_the_audit_is_filtered_and_the_newest_comes_first(gallery: ViewsHarness) -> None:
    gallery.change("pause", by="ana", shop="main", reason="first")
    gallery.change("resume", by="rui", shop="main", reason="second")
    assert [row["action"] for row in gallery.views.audit()] == ["resume", "pause"]
    assert [row["reason"] for row in gallery.views.audit(by="ana")] == ["first"]
    assert [row["reason"] for row in gallery.views.audit(action="resume")] == ["second"]
    assert gallery.views.audit(shop="other") == []
    [first] = gallery.views.page(AuditFilter(until=gallery.views.audit()[0]["at"])).rows
    assert (first["reason"], first["domains"]) == ("first", ["*"])


def test_workers_are_listed(gallery: ViewsHarness) -> None:
    assert gallery.views.page(WorkerFilter()).rows == []


def test_a_count_is_exact_up_to_ten_thousand(gallery: ViewsHarness) -> None:
    row = {"action": "pause", "at": START, "by": "x", "source": "http", "result": "off", "epoch": 1}
    gallery.fill(audit, [{**row, "id": f"{number:06}"} for number in range(MOST_COUNTED)])
    assert gallery.views.page(AuditFilter(), 1).total == Count(MOST_COUNTED, True)
    gallery.fill(audit, [{**row, "id": "last"}])
    assert gallery.views.page(AuditFilter(), 1).total == Count(MOST_COUNTED, False)


def test_every_row_of_exactly_the_filter_comes_in_chunks_that_hold_no_transaction(gallery: ViewsHarness) -> None:
    row = {"domain": "stock", "version": 1, "event_id": "e", "discarded_at": START}
    gallery.fill(
        missed,
        [
            {**row, "shop": shop, "key": f'{{"product_code":"{number}"}}'}
            for number in range(1_200)
            for shop in ("main", "other")
        ],
    )
    found = gallery.views.every(MissedFilter(shop="main"))
    with gallery.statements() as sent:
        first = [next(found) for _ in range(1_000)]
    # Whoever reads slowly keeps nothing from being written.
    gallery.change("pause")
    rest = list(found)
    assert len({row["key"]["product_code"] for row in first + rest}) == len(first) + len(rest) == 1_200
    assert sum("LIMIT" in statement for statement in sent) <= 2
