"""The repair sheets: exact from the resume to the last key, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from rules.outcomes import Outcome
from schemas.events import ChangeEvent, parse_event
from storage import repairs as reading
from storage.repairs import Repairs, RepairSheetWriter, Sheet
from storage.tables import switches
from tests.support.event_samples import sample_event
from tests.support.storage_harness import StorageHarness, stock_change
from tests.support.wait import wait_until


class RepairsHarness(StorageHarness):
    """Storage with its repair sheets, read anew each time."""

    def sheets(self) -> list[Sheet]:
        return Repairs(self.fence).sheets()

    def counted(self, number: int) -> list[Sheet]:
        """The sheets, once there are so many and all are counted."""

        def look() -> list[Sheet] | None:
            found = self.sheets()
            return found if len(found) == number and all(sheet.missed is not None for sheet in found) else None

        found = wait_until(look, what=f"{number} counted sheets")
        assert found is not None
        return found


@pytest.fixture
def harness(any_database_url: str) -> Iterator[RepairsHarness]:
    harness = RepairsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def product(version: int, code: str, shop: str = "main") -> ChangeEvent:
    return parse_event("products", shop, sample_event("products", envelope={"sequence": str(version)}, code=code))


def left(sheet: Sheet) -> dict[tuple[str, str], tuple[int | None, int]]:
    return {(line.shop, line.domain): (line.missed, line.left) for line in sheet.lines}


def test_a_resume_begins_a_sheet_that_counts_down_to_nothing(harness: RepairsHarness) -> None:
    harness.change("pause", by="ana")
    harness.commit(
        *(stock_change(1, f"P{number}") for number in range(5)), stock_change(1, "P1", shop="other"), product(1, "X")
    )
    reply = harness.change("resume", by="bia", reason="ERP is back")
    [sheet] = harness.counted(1)
    assert (sheet.epoch, sheet.action, sheet.by, sheet.reason) == (reply.epoch, "resume", "bia", "ERP is back")
    assert (sheet.at, sheet.scopes) == (reply.effective_at, (("*", "*"),))
    assert left(sheet) == {("main", "products"): (1, 1), ("main", "stock"): (5, 5), ("other", "stock"): (1, 1)}
    harness.commit(
        stock_change(2, "P1"),
        stock_change(1, "P2"),
        stock_change(1, "P1", shop="other"),
        stock_change(9, "never missed"),
    )
    [sheet] = harness.counted(1)
    assert (sheet.missed, sheet.left) == (7, 4)
    harness.commit(*(stock_change(3, f"P{number}") for number in range(5)), product(1, "X"))
    [sheet] = harness.counted(1)
    assert (sheet.missed, sheet.left) == (7, 0)
    assert left(sheet)["main", "stock"] == (5, 0)


def test_an_older_event_that_comes_after_the_resume_repairs_nothing(harness: RepairsHarness) -> None:
    harness.change("pause")
    harness.commit(stock_change(5, "P1"))
    harness.change("resume")
    harness.commit(stock_change(4, "P1"))
    assert harness.counted(1)[0].left == 1
    harness.commit(stock_change(5, "P1"))
    assert harness.counted(1)[0].left == 0


def test_each_resume_has_a_sheet_of_its_own_and_older_ones_stay_readable(harness: RepairsHarness) -> None:
    harness.change("pause")
    harness.commit(stock_change(1, "a"), stock_change(1, "b"))
    harness.change("resume")
    harness.counted(1)
    harness.change("pause")
    # One key again, in a newer version, and one more.
    harness.commit(stock_change(2, "b"), stock_change(1, "c"))
    harness.change("resume")
    newer, older = harness.counted(2)
    assert newer.epoch > older.epoch
    # What the second pause discarded again stands on its own sheet alone; what is left of the first, on both.
    assert (newer.missed, newer.left, older.missed, older.left) == (3, 3, 2, 1)
    harness.commit(stock_change(1, "a"), stock_change(2, "b"))
    newer, older = harness.counted(2)
    assert (newer.missed, newer.left, older.missed, older.left) == (3, 1, 2, 0)


def test_only_what_flows_again_stands_on_a_sheet(harness: RepairsHarness) -> None:
    harness.change("pause", shop="main")
    harness.change("pause", shop="main", domains=["products"])
    harness.change("pause", shop="other", new_shop=True)
    harness.commit(stock_change(1, "a"), product(1, "X"), stock_change(1, "a", shop="other"))
    harness.change("resume", shop="main")
    [first] = harness.counted(1)
    assert left(first) == {("main", "stock"): (1, 1)}
    harness.change("resume", shop="main", domains=["products"])
    second, first = harness.counted(2)
    assert (second.scopes, left(second)) == ((("main", "products"),), {("main", "products"): (1, 1)})
    assert left(first) == {("main", "stock"): (1, 1)}


def test_a_resume_that_changes_nothing_and_one_of_orders_begin_no_sheet(harness: RepairsHarness) -> None:
    harness.change("resume")
    harness.change("pause", domains=["orders"])
    harness.change("resume", domains=["orders"])
    harness.change("pause")
    harness.change("resume")
    [sheet] = harness.counted(1)
    assert (sheet.missed, sheet.lines) == (0, ())


@pytest.mark.parametrize("seen_by", ["batch", "beat", "command"])
def test_a_pause_that_ends_by_itself_begins_a_sheet(harness: RepairsHarness, seen_by: str) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    harness.change("pause", until=soon.isoformat())
    harness.commit(stock_change(1, "a"), stock_change(1, "b"))
    with harness.engine.begin() as connection:
        connection.execute(update(switches).values(until=datetime.now(UTC) - timedelta(seconds=1)))
    if seen_by == "batch":
        assert harness.commit(stock_change(1, "c")) == {Outcome.APPLIED: 1}
    elif seen_by == "beat":
        harness.switchboard.end_expired()
        harness.switchboard.end_expired()
    else:
        harness.change("pause", domains=["images"])
    [sheet] = harness.counted(1)
    assert (sheet.action, sheet.by, sheet.missed, sheet.left) == ("expire", "comporta", 2, 2)


def test_what_is_repaired_before_it_is_counted_still_counts_as_missed(
    harness: RepairsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, count = threading.Event(), RepairSheetWriter._count

    def late(start: RepairSheetWriter) -> None:
        assert go.wait(30)
        count(start)

    monkeypatch.setattr(RepairSheetWriter, "_count", late)
    harness.change("pause")
    harness.commit(stock_change(1, "a"), stock_change(1, "b"))
    harness.change("resume")
    [sheet] = harness.sheets()
    # Nobody has counted yet: what is left can be said all the same.
    assert (sheet.missed, sheet.left, left(sheet)) == (None, 2, {("main", "stock"): (None, 2)})
    harness.commit(stock_change(1, "a"))
    harness.change("pause")
    harness.commit(stock_change(1, "later"), stock_change(1, "later still"))
    go.set()
    [sheet] = harness.counted(1)
    assert (sheet.missed, sheet.left) == (2, 1)


def test_many_who_look_cost_one_count(harness: RepairsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.change("pause")
    harness.commit(stock_change(1, "a"))
    harness.change("resume")
    harness.counted(1)
    counted: list[Any] = []
    left_now = reading._left
    # However slow this machine is just now.
    monkeypatch.setattr(reading, "_FRESH_SECONDS", 600.0)
    monkeypatch.setattr(reading, "_left", lambda *args: counted.append(args) or left_now(*args))
    repairs = Repairs(harness.fence)
    assert [repairs.sheets()[0].left for _ in range(50)] == [1] * 50
    assert len(counted) == 1
