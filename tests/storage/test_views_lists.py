"""Lists: filtered, paged by place, counted up to a bound; on SQLite and on PostgreSQL."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlakeyset import serialize_bookmark
from sqlalchemy import update

from schemas.reasons import Reason
from storage.tables import audit, missed, orders
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
def harness(any_database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def keys(rows: list[Any]) -> list[str]:
    return [row["key"]["product_code"] for row in rows]


def ids(rows: Any) -> list[str]:
    return [row["order_id"] for row in rows]


def walk(harness: ViewsHarness, listing: Listing[Any], limit: int) -> list[list[Any]]:
    """Every page from the first to the last."""
    pages, cursor = [], None
    while True:
        page = harness.views.page(listing, limit, cursor)
        pages.append(page.rows)
        if page.next is None:
            return pages
        cursor = page.next


def a_bookmark(*place: object) -> str:
    return base64.urlsafe_b64encode(serialize_bookmark((place, False)).encode()).decode().rstrip("=")


def test_pages_lead_forth_and_back_and_hold_every_row_once(harness: ViewsHarness) -> None:
    harness.discard("A", "B", "C", "D", "E")
    first = harness.views.page(MissedFilter(), 2)
    assert (keys(first.rows), first.previous, first.total) == (["A", "B"], None, Count(5, True))
    second = harness.views.page(MissedFilter(), 2, first.next)
    third = harness.views.page(MissedFilter(), 2, second.next)
    assert (keys(second.rows), keys(third.rows), third.next) == (["C", "D"], ["E"], None)
    assert harness.views.page(MissedFilter(), 2, third.previous).rows == second.rows
    back = harness.views.page(MissedFilter(), 2, second.previous)
    assert (back.rows, back.previous) == (first.rows, None)


def test_a_page_stays_where_it_was_when_rows_come_and_go_before_it(harness: ViewsHarness) -> None:
    harness.accept_orders("b", "c", "d", "e")
    first = harness.views.page(OrderFilter(), 2)
    harness.accept_orders("a")
    harness.set_order("b", placed_at=START + timedelta(days=1))
    assert ids(harness.views.page(OrderFilter(), 2, first.next).rows) == ["d", "e"]


@pytest.mark.parametrize("key", ["a\\nb", "a\nb", 'q"q', "~s:x", "ção", "\\", "a\\\\nb", "x~", ",", "=1"])
def test_a_cursor_survives_whatever_a_key_holds(harness: ViewsHarness, key: str) -> None:
    # Written as rows: an order that is placed today may not hold each of them.
    harness.accept_orders("1", "2", "3", placed_at="2026-11-23T07:22:51Z")
    with harness.engine.begin() as connection:
        for number, order_id in zip("123", (f"!{key}", key, f"{key}~"), strict=True):
            connection.execute(update(orders).where(orders.c.order_id == number).values(order_id=order_id))
    assert sorted(ids(row for page in walk(harness, OrderFilter(), 1) for row in page)) == sorted(
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
def test_what_is_no_cursor_of_the_list_is_refused_by_name(harness: ViewsHarness, cursor: str) -> None:
    harness.accept_orders("a")
    with pytest.raises(BadCursor, match="after: "):
        harness.views.page(OrderFilter(), 10, cursor)


def test_missed_keys_are_filtered_by_shop_domain_and_text_as_it_is_written(harness: ViewsHarness) -> None:
    harness.discard("P1", "100%", 'q"1')
    harness.discard("P1", shop="other")
    assert len(harness.views.rows(MissedFilter())) == 4
    assert [row["shop"] for row in harness.views.rows(MissedFilter(text="p1"))] == ["main", "other"]
    assert keys(harness.views.rows(MissedFilter(shop="main", domain="stock", text="%"))) == ["100%"]
    assert keys(harness.views.rows(MissedFilter(text='"1'))) == ['q"1']
    assert harness.views.rows(MissedFilter(domain="prices")) == []


def test_refused_messages_are_filtered_and_the_newest_come_first(harness: ViewsHarness) -> None:
    for number, reason in enumerate((Reason.NO_VERSION, Reason.GTIN_CHECK_DIGIT, Reason.NO_VERSION)):
        harness.store.commit([rejected_delivery(b"x" * number, shop=f"s{number}", reason=reason)])
    found = harness.views.page(QuarantineFilter(reason="no_version")).rows
    assert [(row["shop"], row["size"]) for row in found] == [("s2", 2), ("s0", 0)]
    assert found[0]["doc"] == "/docs/reasons#no_version"
    at = found[0]["at"]
    assert [row["shop"] for row in harness.views.page(QuarantineFilter(since=at)).rows] == ["s2"]
    assert [row["shop"] for row in harness.views.page(QuarantineFilter(until=at)).rows] == ["s1", "s0"]
    assert harness.views.page(QuarantineFilter(domain="prices")).rows == []
    assert "body" not in found[0]


def test_orders_are_found_by_state_age_and_any_of_their_numbers(harness: ViewsHarness) -> None:
    harness.accept_orders("A-1", "A-2", "B-1", display_number="#77_a")
    harness.accept_orders("A-9", shop="other")
    harness.set_order("A-2", state="internalized", erp_number="ERP-5", received_at=START)
    assert ids(harness.views.rows(OrderFilter(shop="main", state="waiting"))) == ["A-1", "B-1"]
    assert ids(harness.views.rows(OrderFilter(older_than=timedelta(hours=1)))) == ["A-2"]
    assert ids(harness.views.rows(OrderFilter(text="erp-5"))) == ["A-2"]
    assert ids(harness.views.rows(OrderFilter(text="b-"))) == ["B-1"]
    assert ids(harness.views.rows(OrderFilter(text="#77_"))) == ["A-1", "A-2", "B-1"]
    assert ids(harness.views.rows(OrderFilter(text="#77%"))) == []
    assert harness.views.rows(OrderFilter(text="A-9"))[0]["display_number"] is None


def test_overdue_are_only_orders_whose_receipt_should_have_come(harness: ViewsHarness) -> None:
    harness.accept_orders("late", "soon", "waits", "done")
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    harness.set_order("late", state="sent", sent_at=long_ago)
    harness.set_order("soon", state="sent", sent_at=datetime.now(UTC))
    harness.set_order("done", state="internalized", sent_at=long_ago)
    assert ids(harness.views.rows(OrderFilter(overdue=True))) == ["late"]
    assert harness.views.status().overdue_orders == {"main": 1}


def test_the_audit_is_filtered_and_the_newest_comes_first(harness: ViewsHarness) -> None:
    harness.change("pause", by="ana", shop="main", reason="first")
    harness.change("resume", by="rui", shop="main", reason="second")
    assert [row["action"] for row in harness.views.rows(AuditFilter())] == ["resume", "pause"]
    assert [row["reason"] for row in harness.views.rows(AuditFilter(by="ana"))] == ["first"]
    assert [row["reason"] for row in harness.views.rows(AuditFilter(action="resume"))] == ["second"]
    assert harness.views.rows(AuditFilter(shop="other")) == []
    [first] = harness.views.page(AuditFilter(until=harness.views.rows(AuditFilter())[0]["at"])).rows
    assert (first["reason"], first["domains"]) == ("first", ["*"])


def test_workers_are_listed(harness: ViewsHarness) -> None:
    assert harness.views.page(WorkerFilter()).rows == []


def test_a_count_is_exact_up_to_ten_thousand(harness: ViewsHarness) -> None:
    row = {"action": "pause", "at": START, "by": "x", "source": "http", "result": "off", "epoch": 1}
    harness.fill(audit, [{**row, "id": f"{number:06}"} for number in range(MOST_COUNTED)])
    assert harness.views.page(AuditFilter(), 1).total == Count(MOST_COUNTED, True)
    harness.fill(audit, [{**row, "id": "last"}])
    assert harness.views.page(AuditFilter(), 1).total == Count(MOST_COUNTED, False)


def test_every_row_of_exactly_the_filter_comes_in_chunks_that_hold_no_transaction(harness: ViewsHarness) -> None:
    row = {"domain": "stock", "version": 1, "event_id": "e", "discarded_at": START}
    harness.fill(
        missed,
        [
            {**row, "shop": shop, "key": f'{{"product_code":"{number}"}}'}
            for number in range(1_200)
            for shop in ("main", "other")
        ],
    )
    found = harness.views.every(MissedFilter(shop="main"))
    with harness.statements() as sent:
        first = [next(found) for _ in range(1_000)]
    # A slow reader keeps nothing from being written.
    harness.change("pause")
    rest = list(found)
    assert len({row["key"]["product_code"] for row in first + rest}) == len(first) + len(rest) == 1_200
    assert sum("LIMIT" in statement for statement in sent) <= 2
