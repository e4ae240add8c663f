"""Rows of missed keys: what another discard of a key writes, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update

from storage.missed_rows import record_missed
from storage.switches import read_for_batch
from storage.tables import missed
from storage.views import MissedFilter, MissedRow
from tests.support.storage_harness import StorageHarness, stock_change


class DiscardHarness(StorageHarness):
    """One key whose events are discarded."""

    def discard(self, version: int) -> MissedRow:
        self.commit(stock_change(version))
        [row] = self.views.rows(MissedFilter())
        assert row["version"] == version
        return row

    def write(self, **values: datetime) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(missed).values(values))


@pytest.fixture
def harness(any_database_url: str) -> Iterator[DiscardHarness]:
    harness = DiscardHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_another_discard_leaves_the_time_alone_while_no_switch_changes(harness: DiscardHarness) -> None:
    harness.change("pause")
    first = harness.discard(1)
    second = harness.discard(2)
    assert second["discarded_at"] == first["discarded_at"]
    assert second["event_id"] == first["event_id"]
    harness.commit(stock_change(1))
    assert harness.discard(3)["discarded_at"] == first["discarded_at"]


@pytest.mark.parametrize("scope", [{"shop": "main"}, {"domains": ["stock"]}, {"shop": "other", "new_shop": True}, {}])
def test_a_discard_after_a_change_of_any_switch_has_its_own_time(
    harness: DiscardHarness, scope: dict[str, object]
) -> None:
    harness.change("pause", shop="main", domains=["stock"])
    first = harness.discard(1)
    harness.change("pause", **scope)
    harness.change("resume", **scope)
    harness.change("pause", shop="main")
    assert harness.discard(2)["discarded_at"] > first["discarded_at"]


def test_a_discard_after_a_request_has_its_own_time(harness: DiscardHarness) -> None:
    harness.change("pause")
    first = harness.discard(1)["discarded_at"]
    harness.write(asked_at=first)
    assert harness.discard(2)["discarded_at"] == first
    harness.write(asked_at=first + timedelta(microseconds=1))
    second = harness.discard(3)["discarded_at"]
    assert second > first
    assert harness.discard(4)["discarded_at"] == second


def test_a_time_ahead_of_the_clock_is_not_kept(harness: DiscardHarness) -> None:
    harness.change("pause")
    ahead = harness.discard(1)["discarded_at"] + timedelta(hours=1)
    harness.write(discarded_at=ahead)
    assert harness.discard(2)["discarded_at"] < ahead


def test_another_discard_writes_no_index_of_postgresql(database_url: str) -> None:
    harness = DiscardHarness(database_url)
    harness.change("pause")
    harness.discard(1)
    with harness.fence.shared() as connection:
        state = read_for_batch(connection)
        record_missed(connection, "stock", [stock_change(2)], state.switches.now, state.changed_at, narrow=state.narrow)
        hot = connection.scalar(text("SELECT pg_stat_get_xact_tuples_hot_updated(CAST('missed' AS regclass))"))
    harness.engine.dispose()
    assert hot == 1
