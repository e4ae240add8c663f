"""Planned pauses: they begin behind the fence, by the database's clock, whatever process notices it first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from rules.outcomes import Outcome
from storage.tables import switches
from storage.views import AuditFilter
from storage.workers import WorkerRegistry
from tests.support.order_queue_harness import OrderQueueHarness
from tests.support.storage_harness import StorageHarness, stock_change

SOON = timedelta(hours=1)


@pytest.fixture
def harness(any_database_url: str) -> Iterator[StorageHarness]:
    harness = StorageHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def plan(harness: StorageHarness, **fields: object) -> datetime:
    """Plan a pause for a moment in an hour; return the moment."""
    begins = datetime.now(UTC).replace(microsecond=0) + SOON
    reply = harness.change("pause", **{"from": begins.isoformat(), "by": "ana", **fields})
    assert (reply.result, reply.still_off, [each.begins for each in reply.planned]) == ("planned", [], [begins])
    return begins


def let_it_come(harness: StorageHarness) -> None:
    """Move the beginning of every plan into the past."""
    with harness.engine.begin() as connection:
        past = update(switches).values(plan_from=datetime.now(UTC) - timedelta(seconds=1))
        connection.execute(past.where(switches.c.plan_from.is_not(None)))


def test_a_planned_pause_discards_the_first_event_after_its_beginning(harness: StorageHarness) -> None:
    begins = plan(harness, until=(datetime.now(UTC) + 2 * SOON).isoformat())
    assert harness.commit(stock_change(1)) == {Outcome.APPLIED: 1}
    document = harness.views.status()
    assert (document.all_on, document.switches, document.epoch) == (True, [], 0)
    assert [(each.begins, each.by) for each in document.planned] == [(begins, "ana")]
    let_it_come(harness)
    assert harness.commit(stock_change(2)) == {Outcome.DISCARDED: 1}
    document = harness.views.status()
    [switch] = document.switches
    assert (switch.by, switch.reason, document.planned, document.epoch) == ("ana", "test", [], 1)
    begun, planned = harness.views.rows(AuditFilter())
    assert (planned["action"], planned["result"], planned["by"]) == ("pause", "planned", "ana")
    assert (begun["action"], begun["result"], begun["by"], begun["source"]) == ("begin", "off", "ana", "clock")
    assert [(each.action, each.result) for each in harness.announced] == [("pause", "planned"), ("begin", "off")]


def test_a_heartbeat_begins_it_without_traffic(harness: StorageHarness) -> None:
    plan(harness)
    beat = WorkerRegistry(harness.fence, "w1", ["stock"])
    assert beat.beat() is False
    let_it_come(harness)
    assert beat.beat() is True
    harness.switchboard.end_expired()
    harness.switchboard.end_expired()
    assert beat.beat() is False
    assert harness.views.status().state == "off"
    assert [row["action"] for row in harness.views.rows(AuditFilter())] == ["begin", "pause"]


def test_a_plan_can_be_resumed_away_and_planned_anew(harness: StorageHarness) -> None:
    plan(harness, domains=["stock"])
    assert harness.change("resume", domains=["stock"]).result == "on"
    assert harness.views.status().planned == []
    let_it_come(harness)
    assert harness.change("resume", domains=["stock"]).result == "unchanged"
    plan(harness, domains=["stock"])
    again = harness.change("pause", domains=["stock"], **{"from": (datetime.now(UTC) + 3 * SOON).isoformat()})
    assert again.result == "refused"


def test_a_weekly_pause_begins_and_is_planned_for_the_next_week(harness: StorageHarness) -> None:
    begins = plan(harness, until=(datetime.now(UTC) + 2 * SOON).isoformat(), weekly=True)
    let_it_come(harness)
    assert harness.commit(stock_change(1)) == {Outcome.DISCARDED: 1}
    [planned] = harness.views.status().planned
    assert planned.weekly
    assert planned.begins - begins > timedelta(days=5)
    assert harness.change("resume").result == "on"
    assert len(harness.views.status().planned) == 1


def test_a_pause_of_now_keeps_the_plan_for_later(harness: StorageHarness) -> None:
    begins = plan(harness)
    assert harness.change("pause").result == "off"
    assert harness.change("resume").result == "on"
    assert [each.begins for each in harness.views.status().planned] == [begins]


def test_no_order_is_claimed_once_a_planned_pause_is_due(any_database_url: str) -> None:
    harness = OrderQueueHarness(any_database_url)
    harness.accept_orders("a")
    plan(harness)
    let_it_come(harness)
    assert harness.claim() == []
    assert harness.views.status().state == "off"
    harness.engine.dispose()
