"""The memory of resync requests: a key is asked for again only after a while, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from control.actions import OperatorActions, ResyncResult
from producers.messages import Fate, OutgoingMessage, PublishResult
from rules.actions import AuditContext, NotConfirmed
from storage.database import open_database
from storage.views import MissedFilter, MissedRow
from tests.support.storage_harness import stock_change
from tests.support.views_harness import ViewsHarness

ANA = AuditContext("ana", "cli")


class RequestsHarness(ViewsHarness):
    """Missed keys, and an ERP that is asked for them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.database = open_database(url)
        self.published: list[OutgoingMessage] = []
        self.fate = Fate.CONFIRMED

    def publish(self, messages: Any) -> list[PublishResult]:
        self.published += messages
        return [PublishResult(message, self.fate, "") for message in messages]

    def resync(self, after: timedelta = timedelta(minutes=10), *, by: str = "ana", **options: Any) -> ResyncResult:
        actions = OperatorActions(self.database, self.publish, resync_after=after)
        return actions.resync(MissedFilter(), AuditContext(by, "cli"), **options)

    def listed(self) -> dict[str, MissedRow]:
        return {row["key"]["product_code"]: row for row in self.views.rows(MissedFilter())}


@pytest.fixture
def harness(any_database_url: str) -> Iterator[RequestsHarness]:
    harness = RequestsHarness(any_database_url)
    yield harness
    harness.database.close()
    harness.engine.dispose()


def test_a_request_is_remembered_with_time_number_and_operator(harness: RequestsHarness) -> None:
    harness.discard("a", "b")
    assert {row["asked_at"] for row in harness.listed().values()} == {None}
    assert harness.resync() == (2, 1, 2)
    harness.resync(again=True, by="rui")
    rows = harness.listed().values()
    assert [(row["asked_count"], row["asked_by"]) for row in rows] == [(2, "rui"), (2, "rui")]
    assert all(row["asked_at"] is not None for row in rows)


def test_a_key_is_asked_for_again_only_after_a_while_or_expressly(harness: RequestsHarness) -> None:
    harness.discard("a", "b")
    harness.resync()
    harness.discard("c")
    assert harness.resync(dry_run=True) == (1, 1, 0)
    assert harness.resync() == (1, 1, 1)
    assert harness.resync() == (0, 0, 0)
    assert len(harness.published) == 2
    assert harness.resync(after=timedelta(0)) == (3, 1, 3)
    assert harness.resync(again=True) == (3, 1, 3)
    actions = OperatorActions(harness.database, harness.publish)
    assert (actions.count_missed(MissedFilter()), actions.count_asked(MissedFilter())) == (0, 3)


def test_a_key_that_is_discarded_again_is_due_at_once(harness: RequestsHarness) -> None:
    harness.discard("a")
    harness.resync()
    harness.change("pause")
    harness.commit(stock_change(2, "a"))
    harness.change("resume")
    assert harness.resync() == (1, 1, 1)
    # What is made good takes its memory along.
    harness.commit(stock_change(2, "a"))
    harness.discard("a")
    assert harness.listed() == {}


def test_a_request_that_the_broker_has_not_taken_is_not_remembered(harness: RequestsHarness) -> None:
    harness.discard("a")
    harness.fate = Fate.RETURNED
    with pytest.raises(NotConfirmed):
        harness.resync()
    harness.fate = Fate.CONFIRMED
    assert harness.resync() == (1, 1, 1)
