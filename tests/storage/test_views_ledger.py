"""The ledger in sight: what came in against what became of it, its sums, its steps, and what a pause would cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

import storage.event_store
import storage.ledger
from rules.cost import Basis, estimate_cost
from storage.tables import ledger, received
from storage.views import LedgerFilter, RangeTooLong, Terms
from tests.support.order_events import decoded_order, decoded_receipt, internalized, placed
from tests.support.views_harness import START, ViewsHarness, change_event, rejected_delivery


@pytest.fixture
def harness(any_database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_what_came_in_is_what_it_came_to_by_domain_and_in_all(harness: ViewsHarness) -> None:
    harness.store.commit(
        [change_event("stock"), change_event("stock", product_code="B"), change_event("products"), rejected_delivery()]
    )
    harness.store.commit([change_event("stock")])
    harness.discard("C", "D")
    harness.orders.commit(
        [decoded_order(placed("a")), decoded_receipt(internalized("a")), rejected_delivery(domain="orders")]
    )
    balance = harness.views.balance()
    assert balance.domains == {
        "orders": Terms(2, 1, 0, 0, 1),
        "products": Terms(1, 1, 0, 0, 0),
        "receipts": Terms(1, 1, 0, 0, 0),
        "stock": Terms(6, 2, 1, 2, 1),
    }
    assert (balance.total, balance.total.difference) == (Terms(10, 5, 1, 2, 2), 0)


def test_a_batch_whose_outcomes_lose_a_delivery_leaves_a_difference(
    harness: ViewsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    sort_batch = storage.event_store.sort_batch
    monkeypatch.setattr(storage.event_store, "sort_batch", lambda batch: sort_batch(batch[1:]))
    harness.store.commit([change_event("stock"), change_event("stock", product_code="B")])
    assert harness.views.balance().domains["stock"].difference == 1


def test_what_is_rolled_back_has_not_come_in(harness: ViewsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("after the ledger")

    add_tally = storage.event_store.add_tally
    monkeypatch.setattr(storage.event_store, "add_tally", lambda *given: (add_tally(*given), fail()))
    with pytest.raises(RuntimeError):
        harness.store.commit([change_event("stock")])
    assert harness.views.balance().total == Terms(0, 0, 0, 0, 0)


def test_counting_what_comes_in_costs_no_statement_more_on_postgresql(harness: ViewsHarness) -> None:
    harness.store.commit([change_event("stock")])
    with harness.statements() as sent:
        harness.store.commit([change_event("stock", version=2)])
    writing = [statement for statement in sent if "INSERT INTO received" in statement]
    also_outcomes = [statement for statement in writing if "INSERT INTO ledger" in statement]
    assert len(writing) == 1
    assert also_outcomes == (writing if harness.engine.dialect.name == "postgresql" else [])


def test_a_minutes_rows_grow_by_every_batch(harness: ViewsHarness) -> None:
    for version in range(1, 4):
        harness.store.commit([change_event("stock", version=version)])
    with harness.engine.connect() as connection:
        rows = connection.execute(
            select(received.c.worker, received.c.domain, func.sum(received.c.count)).group_by(
                received.c.worker, received.c.domain
            )
        ).all()
    assert [(row[0], row[1], int(row[2])) for row in rows] == [("w1", "stock", 3)]


def test_totals_keep_what_is_long_past_and_read_what_is_new(harness: ViewsHarness) -> None:
    old = {"minute": START, "worker": "w0", "shop": "main", "domain": "stock", "outcome": "applied", "count": 5}
    harness.fill(ledger, [old])
    harness.store.commit([change_event("stock")])
    assert harness.views.totals() == {"stock": {"applied": 6}}
    # Nothing changes minutes long past; that they are not read again is what makes a look cheap.
    with harness.fence.shared() as connection:
        connection.execute(update(ledger).where(ledger.c.worker == "w0").values(count=100))
    harness.store.commit([change_event("stock", version=2)])
    assert harness.views.totals() == {"stock": {"applied": 7}}


def test_a_balance_may_be_of_a_span(harness: ViewsHarness) -> None:
    row = {"worker": "w0", "domain": "stock", "count": 2}
    hours = [START, START + timedelta(hours=1), START + timedelta(hours=2)]
    harness.fill(received, [{**row, "minute": at} for at in hours])
    harness.fill(ledger, [{**row, "minute": at, "shop": "main", "outcome": "discarded"} for at in hours])
    found = harness.views.balance(hours[1], hours[2])
    assert (found.total, found.since, found.until) == (Terms(2, 0, 0, 2, 0), hours[1], hours[2])


def test_the_ledger_is_shown_by_minute_and_by_hour_and_filtered(harness: ViewsHarness) -> None:
    row = {"worker": "w0", "shop": "main", "domain": "stock", "outcome": "applied", "count": 1}
    minutes = [START + timedelta(minutes=number) for number in (0, 1, 61)]
    rows = [{**row, "minute": at} for at in minutes]
    rows += [
        {**row, "minute": START, "worker": "w1"},
        {**row, "minute": START, "shop": "other", "outcome": "discarded"},
    ]
    harness.fill(ledger, rows)
    span = {"since": START, "until": START + timedelta(hours=2)}
    by_minute = harness.views.ledger(LedgerFilter("minute", outcome="applied", **span))
    assert [(each["at"], each["count"], each["shop"]) for each in by_minute] == [
        (minutes[0], 2, None),
        (minutes[1], 1, None),
        (minutes[2], 1, None),
    ]
    by_hour = harness.views.ledger(LedgerFilter("hour", **span))
    assert [(each["at"], each["outcome"], each["count"]) for each in by_hour] == [
        (START, "applied", 3),
        (START, "discarded", 1),
        (START + timedelta(hours=1), "applied", 1),
    ]
    [other] = harness.views.ledger(LedgerFilter("hour", shop="other", domain="stock", **span))
    assert other == {"at": START, "shop": "other", "domain": "stock", "outcome": "discarded", "count": 1}
    assert harness.views.ledger(LedgerFilter()) == []


def test_this_minute_is_shown(harness: ViewsHarness) -> None:
    harness.store.commit([change_event("stock")])
    for step in ("minute", "hour"):
        [row] = harness.views.ledger(LedgerFilter(step))
        assert (row["count"], row["at"] <= datetime.now(UTC)) == (1, True)


def test_more_than_one_answer_may_span_is_refused_by_name(harness: ViewsHarness) -> None:
    with pytest.raises(RangeTooLong, match="since: by minute at most 1 days"):
        harness.views.ledger(LedgerFilter("minute", since=START, until=START + timedelta(days=1, minutes=1)))
    with pytest.raises(RangeTooLong, match="since: "):
        harness.views.ledger(LedgerFilter("hour", since=datetime(1, 1, 1, tzinfo=UTC)))


def test_the_cost_of_a_pause_is_told_from_what_the_last_hour_brought_to_its_scope(harness: ViewsHarness) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    row = {"worker": "w0", "shop": "main", "domain": "stock", "outcome": "applied"}
    rows = [
        {**row, "minute": now - timedelta(minutes=30), "count": 100},
        {**row, "minute": now - timedelta(minutes=20), "outcome": "discarded", "count": 20},
        {**row, "minute": now - timedelta(minutes=20), "outcome": "quarantined", "count": 999},
        {**row, "minute": now - timedelta(minutes=20), "domain": "prices", "count": 60},
        {**row, "minute": now - timedelta(minutes=20), "shop": "other", "count": 1_000},
        {**row, "minute": now - timedelta(minutes=20), "domain": "orders", "count": 12},
        {**row, "minute": now - timedelta(minutes=20), "domain": "orders", "outcome": "superseded", "count": 500},
        {**row, "minute": now - timedelta(minutes=20), "domain": "receipts", "count": 500},
        {**row, "minute": now - timedelta(hours=3), "count": 10_000},
    ]
    harness.fill(ledger, rows)
    whole = harness.views.cost("main", ["*"], 30)
    assert (whole.basis.changes, whole.basis.orders, whole.enough) == (180, 12, True)
    assert (abs(whole.changes - 90) <= 2, abs(whole.orders - 6) <= 1) == (True, True)
    only_stock = harness.views.cost("main", ["stock"], 60)
    assert (only_stock.basis.changes, only_stock.orders) == (120, 0)
    assert harness.views.cost("*", ["stock", "orders"], 60).basis.changes == 1_120


def test_a_ledger_that_has_just_begun_is_no_basis(harness: ViewsHarness) -> None:
    assert harness.views.cost().enough is False
    harness.store.commit([change_event("stock")])
    assert harness.views.cost().enough is False


def test_a_cost_grows_with_the_time_and_never_breaks() -> None:
    basis = Basis(START, START + timedelta(minutes=60), 600, 30)
    assert [estimate_cost(basis, minutes)[:2] for minutes in (1, 60, 1440)] == [(10, 0), (600, 30), (14_400, 720)]
    assert estimate_cost(Basis(START, START, 5, 0), 10)[:2] == (50, 0)
    assert estimate_cost(Basis(START, START - timedelta(minutes=1), 5, 0), 1).enough is False
