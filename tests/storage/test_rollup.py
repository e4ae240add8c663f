"""Roll-up and retention: no sum changes, whatever ends the process, on SQLite and on PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from rules.retention import next_size
from storage.entity_tables import ENTITY_TABLES
from storage.pause_tables import pause_ends, pause_lines
from storage.tables import audit, ledger, order_events, orders, quarantine, repair_lines, repairs, switches
from storage.views import LedgerFilter
from tests.support.storage_harness import stock_change
from tests.support.upkeep_harness import DAY, NOW, UpkeepHarness
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.wait import wait_until

# On a busy machine these take longer than a test may otherwise.
pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def harness(any_database_url: str) -> Iterator[UpkeepHarness]:
    harness = UpkeepHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_minutes_become_hours_and_hours_days_and_no_sum_changes(harness: UpkeepHarness) -> None:
    harness.fill_ledger(days=66, step=timedelta(hours=5, minutes=17))
    before, rows = harness.sums(), harness.count(ledger)
    totals, balance = harness.views.totals(), harness.views.balance()
    due = harness.upkeep().counts()
    gone = harness.run()
    assert 0 < due["ledger"] <= gone["ledger"]
    assert harness.sums() == before
    assert (harness.views.totals(), harness.views.balance()) == (totals, balance)
    assert harness.count(ledger) < rows / 2
    for minute, worker in harness.minutes():
        if minute < NOW - 61 * DAY:
            assert (minute.hour, minute.minute, worker) == (0, 0, "")
        elif minute < NOW - 2 * DAY - timedelta(hours=1):
            assert (minute.minute, worker) == (0, "")
        elif minute >= NOW - 2 * DAY:
            assert worker in {"w1", "w2"}
    assert harness.rolls_up_all()
    assert harness.run() == Counter()


def test_the_hours_that_the_chart_shows_stay_the_same(harness: UpkeepHarness) -> None:
    harness.fill_ledger(days=10)
    since = (NOW - 9 * DAY).replace(minute=0, second=0, microsecond=0)
    shown = LedgerFilter(step="hour", since=since, until=since + 8 * DAY)
    before = harness.views.ledger(shown)
    assert len(before) > 300
    harness.run()
    assert harness.views.ledger(shown) == before


def test_minutes_of_a_pause_that_lasts_stay(harness: UpkeepHarness) -> None:
    harness.fill_ledger(days=6)
    harness.change("pause")
    began = NOW - 4 * DAY
    with harness.engine.begin() as connection:
        connection.execute(update(switches).values(since=began))
        connection.execute(update(audit).values(at=began))
    [before] = harness.views.pauses.newest()
    harness.run()
    [after] = harness.views.pauses.newest()
    assert before.discarded == after.discarded != {}
    assert {worker for minute, worker in harness.minutes() if minute < began - timedelta(hours=1)} == {""}


def test_a_roll_up_that_is_killed_in_the_middle_loses_and_doubles_nothing(harness: UpkeepHarness) -> None:
    harness.fill_ledger(days=16, step=timedelta(minutes=31))
    before, all_rows = harness.sums(), harness.count(ledger)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", _ROLL, harness.url], cwd=_ROOT)
        begun = harness.count(ledger)
        while process.poll() is None and harness.count(ledger) == begun:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert harness.sums() == before
    assert 0 < harness.count(ledger) < all_rows
    with harness.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM upkeep")
    assert harness.rolls_up_all()
    assert harness.sums() == before


_ROLL = """
import sys
from rules.retention import Retention
from storage.engine import open_engine
from storage.fence import fence_for
from storage.upkeep import Upkeep
upkeep = Upkeep(fence_for(open_engine(sys.argv[1])), Retention(), "other")
for step in upkeep.steps():
    pass
"""


def test_one_process_at_a_time_does_the_upkeep(harness: UpkeepHarness) -> None:
    one, other = harness.upkeep("one"), harness.upkeep("other")
    assert one.claim()
    assert one.claim()
    assert not other.claim()
    one.release()
    assert other.claim()
    assert not one.claim()


def test_rows_go_only_if_their_setting_says_so(harness: UpkeepHarness) -> None:
    harness.commit(stock_change(1, "gone", action="deleted"), stock_change(1, "here"))
    harness.store.commit([rejected_delivery()])
    harness.change("pause")
    harness.change("resume")
    harness.accept_orders("O1", "O2")
    harness.set_order("O1", state="internalized", internalized_at=NOW - 400 * DAY)
    harness.set_order("O2", state="waiting")
    harness.fill(
        order_events,
        [
            {
                "shop": "main",
                "order_id": "O1",
                "event_id": "n1",
                "event": "invoiced",
                "data": {},
                "occurred_at": NOW,
                "received_at": NOW,
            }
        ],
    )
    long_ago = NOW - 400 * DAY
    with harness.engine.begin() as connection:
        for table, column in ((quarantine, "at"), (audit, "at"), (ENTITY_TABLES["stock"], "applied_at")):
            connection.execute(update(table).values({column: long_ago}))
    tables = (quarantine, audit, orders, order_events, ENTITY_TABLES["stock"])
    assert [harness.count(table) for table in tables] == [1, 2, 2, 1, 2]
    harness.run()
    assert [harness.count(table) for table in tables] == [1, 2, 2, 1, 2]
    kept = dict.fromkeys(("quarantine", "audit", "orders", "tombstones"), 365 * DAY)
    assert harness.upkeep(**kept).counts() == {"ledger": 0, "quarantine": 1, "audit": 2, "orders": 1, "tombstones": 1}
    assert harness.run(**kept) == {"quarantine": 1, "audit": 2, "orders": 1, "tombstones": 1}
    assert [harness.count(table) for table in tables] == [0, 0, 1, 0, 1]


def test_what_is_younger_and_the_entry_of_a_pause_that_lasts_stay(harness: UpkeepHarness) -> None:
    harness.change("pause", by="ana")
    harness.store.commit([rejected_delivery()])
    harness.commit(change_event("products"))
    began = NOW - 50 * DAY
    with harness.engine.begin() as connection:
        connection.execute(update(switches).values(since=began))
        connection.execute(update(audit).values(at=began))
        connection.execute(update(quarantine).values(at=NOW - 29 * DAY))
    kept = dict.fromkeys(("quarantine", "audit"), 30 * DAY)
    assert harness.run(**kept) == Counter()
    assert [report.by for report in harness.views.pauses.newest()] == ["ana"]


def test_old_repair_sheets_and_pauses_go_with_their_lines(harness: UpkeepHarness) -> None:
    for key in ("a", "b"):
        harness.discard(key)
    wait_until(lambda: harness.count(pause_lines) == 2, what="both pauses to be counted")
    with harness.engine.begin() as connection:
        connection.execute(update(repairs).values(at=NOW - 400 * DAY))
        first = select(func.min(pause_ends.c.epoch)).scalar_subquery()
        connection.execute(
            update(pause_ends).where(pause_ends.c.epoch == first).values(ended_at=NOW - 400 * DAY, made_good_at=NOW)
        )
        connection.execute(update(pause_ends).where(pause_ends.c.epoch != first).values(ended_at=NOW - 400 * DAY))
    harness.run(repairs=365 * DAY)
    # The pause whose keys are still missed stays.
    tables = (repairs, repair_lines, pause_ends, pause_lines)
    assert [harness.count(table) for table in tables] == [0, 0, 1, 1]


def test_a_step_that_takes_long_makes_the_next_one_smaller() -> None:
    assert next_size(100, 0.010) == 50
    assert next_size(100, 0.004) == 100
    assert next_size(100, 0.001) == 200
    assert next_size(10, 1.0) == 10
    assert next_size(2_000, 0.0) == 2_000
