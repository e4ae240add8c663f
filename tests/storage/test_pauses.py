"""The reports of pauses: who, why, from, to and what each has cost, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, update

from storage.pause_costs import note_repaired
from storage.pause_tables import pause_ends
from storage.tables import switches
from storage.views.pauses import PauseReport
from tests.support.storage_harness import stock_change
from tests.support.views_harness import ViewsHarness, change_event
from tests.support.wait import wait_until


class PausesHarness(ViewsHarness):
    """Storage with the reports of its pauses."""

    def reports(self, counted: int) -> list[PauseReport]:
        """The reports, newest first, once so many ends are counted."""

        def are_counted() -> bool:
            with self.engine.connect() as connection:
                return connection.scalar(select(func.count()).select_from(pause_ends)) == counted

        wait_until(are_counted, what=f"{counted} ends to be counted")
        return self.views.pauses.newest()


@pytest.fixture
def harness(any_database_url: str) -> Iterator[PausesHarness]:
    harness = PausesHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_a_pause_is_reported_with_author_reason_times_and_cost(harness: PausesHarness) -> None:
    off = harness.change("pause", by="ana", reason="stock count")
    harness.accept_orders("O1", "O2")
    harness.commit(stock_change(1, "a"), stock_change(1, "b"), change_event("products"))
    harness.commit(stock_change(2, "a"), stock_change(1, "b"))
    [running] = harness.views.pauses.newest()
    assert (running.epoch, running.ended_at, running.keys, running.left) == (off.epoch, None, 3, 3)
    assert running.discarded == {"products": 1, "stock": 4}
    on = harness.change("resume", by="rui", reason="done")
    [report] = harness.reports(1)
    assert (report.epoch, report.by, report.reason) == (off.epoch, "ana", "stock count")
    assert (report.since, report.ended_at) == (off.effective_at, on.effective_at)
    assert (report.discarded, report.keys, report.left) == ({"products": 1, "stock": 4}, 3, 3)
    assert report.orders_held == 2
    waited = (on.effective_at - off.effective_at).total_seconds()
    assert report.longest_wait is not None
    assert 0 <= report.longest_wait <= waited
    [scope] = report.scopes
    assert scope.ended is not None
    assert (scope.shop, scope.domain, scope.ended.by, scope.ended.action) == ("*", "*", "rui", "resume")
    assert harness.views.pauses.one(off.epoch) == report
    assert harness.views.pauses.one(on.epoch) is None


def test_overlapping_scopes_are_kept_apart(harness: PausesHarness) -> None:
    outer = harness.change("pause", by="ana", shop="main")
    harness.commit(stock_change(1, "a"))
    inner = harness.change("pause", by="rui", shop="main", domains=["stock", "prices"])
    harness.commit(stock_change(1, "b"), change_event("products"))
    harness.change("resume", shop="main")
    harness.commit(stock_change(1, "c"), change_event("products", code="X"))
    harness.change("resume", shop="main", domains=["stock"])
    harness.commit(change_event("prices"))
    second, first = harness.reports(2)
    assert (first.epoch, second.epoch) == (outer.epoch, inner.epoch)
    assert (first.by, first.discarded, first.keys) == ("ana", {"products": 1, "stock": 2}, 3)
    assert second.ended_at is None
    # The ledger counts by minute: what the outer pause discarded in the inner one's first minute is included.
    assert second.discarded["prices"] == 1
    assert {
        (scope.domain, scope.ended is None, sum(line.keys or 0 for line in scope.lines)) for scope in second.scopes
    } == {
        ("stock", False, 2),
        ("prices", True, 1),
    }


def test_a_pause_again_and_a_resume_of_what_is_on_begin_and_end_nothing(harness: PausesHarness) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    harness.change("pause", domains=["stock"], until=soon.isoformat())
    harness.change("pause", domains=["stock"], until=(soon + timedelta(hours=1)).isoformat())
    harness.change("resume", domains=["prices"])
    [report] = harness.views.pauses.newest()
    assert report.ended_at is None
    assert report.scopes[0].until == soon + timedelta(hours=1)


def test_a_pause_of_orders_alone_and_one_that_expires_are_counted(harness: PausesHarness) -> None:
    harness.accept_orders("O1")
    harness.change("pause", domains=["orders"], until=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    with harness.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(switches).values(until=past))
    harness.switchboard.end_expired()
    [report] = harness.reports(1)
    assert (report.orders_held, report.keys, report.left) == (1, 0, 0)
    assert report.scopes[0].ended is not None
    assert report.scopes[0].ended.action == "expire"
    assert report.made_good_at == report.ended_at


def test_the_time_at_which_the_last_key_was_made_good_is_noted_once(harness: PausesHarness) -> None:
    harness.change("pause")
    harness.commit(stock_change(1, "a"), stock_change(1, "b"))
    harness.change("resume")
    harness.reports(1)
    harness.commit(stock_change(1, "a"))
    assert note_repaired(harness.fence) == 0
    [report] = harness.views.pauses.newest()
    assert (report.left, report.keys, report.made_good_at) == (1, 2, None)
    harness.commit(stock_change(1, "b"))
    assert note_repaired(harness.fence) == 1
    assert note_repaired(harness.fence) == 0
    [report] = harness.views.pauses.newest()
    assert (report.left, report.keys) == (0, 2)
    assert report.made_good_at is not None


def test_keys_of_an_earlier_pause_are_not_counted_again(harness: PausesHarness) -> None:
    harness.discard("a", "b")
    harness.reports(1)
    harness.change("pause", domains=["stock"])
    harness.commit(stock_change(1, "c"))
    harness.change("resume", domains=["stock"])
    newest, oldest = harness.reports(2)
    assert (newest.keys, newest.left, oldest.keys, oldest.left) == (1, 1, 2, 2)


def test_an_end_that_nobody_counted_is_reported_as_such(harness: PausesHarness) -> None:
    harness.discard("a", "b")
    harness.reports(1)
    with harness.engine.begin() as connection:
        connection.execute(delete(pause_ends))
    [report] = harness.views.pauses.newest()
    assert (report.discarded, report.keys, report.left, report.orders_held) == ({"stock": 2}, None, 2, None)
