"""Progress of repair sheets: noted until none of their keys is left, and seen by monitoring meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from storage import repairs as counting
from storage.gauges import Gauges
from storage.repair_progress import RepairProgress
from storage.repairs import Repairs, Sheet
from storage.tables import repairs
from tests.support.storage_harness import StorageHarness, stock_change
from tests.support.wait import wait_until


class Harness(StorageHarness):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.progress = RepairProgress(self.fence)

    @property
    def sheet(self) -> Sheet:
        """The newest sheet, once it is counted."""

        def look() -> Sheet | None:
            sheets = Repairs(self.fence).sheets(1)
            return sheets[0] if sheets and sheets[0].missed is not None else None

        found = wait_until(look, what="a counted sheet")
        assert found is not None
        return found

    def resume_after(self, number: int) -> Sheet:
        """Pause, discard so many changes, and resume."""
        self.change("pause")
        self.commit(*(stock_change(1, f"P{each}") for each in range(number)))
        self.change("resume")
        return self.sheet

    def note(self) -> int:
        return self.progress.note()


@pytest.fixture
def harness(any_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    # Each reading counts anew.
    monkeypatch.setattr(counting, "_FRESH_SECONDS", -1000.0)
    monkeypatch.setattr(counting, "_SHARE", 1000.0)
    harness = Harness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_a_sheet_is_done_when_all_its_keys_are_made_good_and_says_how_long_it_took(harness: Harness) -> None:
    sheet = harness.resume_after(2)
    assert (sheet.done_at, sheet.seconds, harness.progress.is_open) == (None, None, True)
    assert harness.note() == 0
    harness.commit(stock_change(1, "P0"))
    assert harness.note() == 0
    assert (harness.sheet.left, harness.sheet.done_at) == (1, None)
    harness.commit(stock_change(2, "P1"))
    assert harness.note() == 1
    done = harness.sheet
    assert done.done_at is not None
    assert done.seconds == (done.done_at - done.at).total_seconds() >= 0
    assert (harness.note(), harness.progress.is_open) == (0, False)


def test_a_sheet_without_a_missed_key_is_done_at_once(harness: Harness) -> None:
    harness.resume_after(0)
    assert harness.note() == 1
    assert harness.sheet.seconds == 0


def test_a_sheet_that_stands_still_is_seen_by_its_last_progress(harness: Harness) -> None:
    assert Gauges(harness.engine).read().repair == (0, 0, 0.0)
    harness.resume_after(3)
    harness.note()

    def grow_older() -> None:
        with harness.engine.begin() as connection:
            at = connection.scalar(select(func.max(repairs.c.progress_at, type_=repairs.c.progress_at.type)))
            connection.execute(update(repairs).values(progress_at=at - timedelta(hours=2)))

    grow_older()
    # Nothing has moved: another note changes nothing.
    harness.note()
    stalled = Gauges(harness.engine).read().repair
    assert (stalled.sheets, stalled.left) == (1, 3)
    assert 7_200 <= stalled.stalled_seconds < 7_300
    harness.commit(stock_change(1, "P0"))
    harness.note()
    moved = Gauges(harness.engine).read().repair
    assert (moved.left, moved.stalled_seconds < 60) == (2, True)
    grow_older()
    harness.commit(stock_change(1, "P1"), stock_change(1, "P2"))
    harness.note()
    assert Gauges(harness.engine).read().repair == (0, 0, 0.0)


def test_a_key_that_a_later_pause_discards_again_leaves_the_older_sheet(harness: Harness) -> None:
    first = harness.resume_after(1)
    harness.change("pause")
    harness.commit(stock_change(2, "P0"))
    harness.change("resume")
    wait_until(lambda: harness.sheet.epoch != first.epoch, what="the second sheet")
    assert harness.note() == 1
    newest, older = Repairs(harness.fence).sheets(2)
    assert (newest.done_at, older.done_at is not None) == (None, True)
