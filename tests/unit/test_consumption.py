"""Whether messages are taken is decided in one place, from heartbeats, consumers and the queues' lengths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rules.consumption import Beat, Consumption, QueueState, judge_consumption, queues_of, worst_of
from schemas.domains import DOMAIN_NAMES

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ALIVE = Beat(DOMAIN_NAMES, NOW - 60 * MINUTE, NOW - SECOND)


def queue(ready: int | None = 0, consumers: int | None = 1, **ago: timedelta) -> QueueState:
    """A queue, read a second ago, with times so long ago."""
    times = {"checked_at": SECOND, **({"consumed_at": SECOND} if consumers != 0 else {}), **ago}
    return QueueState(ready, consumers, **{name: NOW - span for name, span in times.items()})


def queues(default: QueueState, **domains: QueueState) -> dict[str, QueueState]:
    return {name: domains.get(domain, default) for domain in DOMAIN_NAMES for name in queues_of(domain)}


def judge(
    beats: list[Beat],
    states: dict[str, QueueState],
    changed: timedelta | None = SECOND,
    lag: float = 0.0,
) -> Consumption:
    changes = {} if changed is None else dict.fromkeys(DOMAIN_NAMES, NOW - changed)
    return judge_consumption(NOW, beats, states, changes, dict.fromkeys(DOMAIN_NAMES, lag))


def test_a_living_worker_that_consumes_empty_queues_is_well_however_long_nothing_came() -> None:
    found = judge([ALIVE], queues(queue()), changed=60 * MINUTE)
    assert (found.state, found.cause, found.since, found.ready) == ("ok", None, None, 0)
    assert {domain.state for domain in found.domains.values()} == {"ok"}


def test_killed_workers_stop_it_since_the_last_consumer_was_seen() -> None:
    dead = Beat(DOMAIN_NAMES, NOW - 60 * MINUTE, NOW - MINUTE)
    found = judge([dead], queues(queue(250, 0, consumed_at=MINUTE + SECOND)))
    assert (found.state, found.cause) == ("stopped", "no_consumer")
    assert found.since == NOW - MINUTE
    assert found.ready == 250 * 9
    assert found.domains["orders"].ready == 500


@pytest.mark.parametrize(
    ("consumed_at", "state"), [(10 * SECOND, "ok"), (11 * SECOND, "stopped")], ids=["a moment", "longer"]
)
def test_a_worker_that_is_replaced_is_no_stop(consumed_at: timedelta, state: str) -> None:
    assert judge([ALIVE], queues(queue(5, 0, consumed_at=consumed_at))).state == state


def test_a_worker_that_has_just_started_is_unknown_and_one_that_never_consumes_is_stopped() -> None:
    young = Beat(DOMAIN_NAMES, NOW - 3 * SECOND, NOW - SECOND)
    assert judge([young], queues(queue(5, 0))).state == "unknown"
    found = judge([ALIVE], queues(queue(5, 0)))
    assert (found.state, found.since) == ("stopped", ALIVE.started_at)


def test_where_no_worker_has_ever_run_it_is_stopped_since_nobody_knows_when() -> None:
    assert judge([], {})[:3] == ("stopped", "no_consumer", None)


def test_consumers_of_others_do_not_hide_that_no_worker_lives() -> None:
    dead = Beat(DOMAIN_NAMES, NOW - 60 * MINUTE, NOW - 16 * SECOND)
    found = judge([dead], queues(queue(5, 1)))
    assert (found.state, found.since) == ("stopped", NOW - 16 * SECOND)


def test_a_broker_that_is_away_stops_it_and_its_queues_are_not_known() -> None:
    found = judge([ALIVE], queues(queue(7, 1, away_since=20 * SECOND)))
    assert found[:4] == ("stopped", "broker_away", NOW - 20 * SECOND, None)


def test_without_a_reading_of_late_a_living_worker_is_unknown_and_a_dead_one_stopped() -> None:
    stale = queues(queue(7, 1, checked_at=16 * SECOND))
    assert judge([ALIVE], stale)[:4] == ("unknown", None, None, None)
    dead = ALIVE._replace(last_seen=NOW - MINUTE)
    assert judge([dead], stale)[:4] == ("stopped", "no_consumer", NOW - MINUTE, None)


@pytest.mark.parametrize(
    ("waiting", "changed", "lag", "state"),
    [
        (60 * SECOND, 5 * MINUTE, 0.0, "ok"),
        (61 * SECOND, 60 * SECOND, 60.0, "ok"),
        (61 * SECOND, 61 * SECOND, 0.0, "delayed"),
        (61 * SECOND, None, 0.0, "delayed"),
        (61 * SECOND, SECOND, 61.0, "delayed"),
    ],
    ids=["not for long", "worked off", "nothing committed", "never committed", "only old ones"],
)
def test_messages_that_wait_while_nothing_new_is_committed_are_delayed(
    waiting: timedelta, changed: timedelta | None, lag: float, state: str
) -> None:
    found = judge([ALIVE], queues(queue(), stock=queue(9, 1, waiting_since=waiting)), changed, lag)
    assert (found.state, found.domains["stock"].state, found.domains["prices"].state) == (state, state, "ok")
    assert found.ready == 9


def test_a_domain_that_no_worker_here_consumes_stops_the_whole_only_if_messages_wait() -> None:
    narrow = Beat(("stock",), NOW - 60 * MINUTE, NOW - SECOND)
    unused = judge([narrow], queues(queue(0, 0), stock=queue()))
    assert (unused.state, unused.domains["prices"].state, unused.domains["stock"].state) == ("ok", "stopped", "ok")
    waiting = judge([narrow], queues(queue(0, 0), stock=queue(), prices=queue(3, 0)))
    assert (waiting.state, waiting.ready) == ("stopped", 3)


def test_orders_are_taken_only_if_receipts_are_too() -> None:
    states = queues(queue()) | {"comporta.receipts": queue(2, 0, consumed_at=MINUTE)}
    assert judge([ALIVE], states).domains["orders"].state == "stopped"


def test_the_embedded_broker_counts_no_consumers_and_the_heartbeat_decides() -> None:
    assert judge([ALIVE], queues(queue(3, None))).state == "ok"
    dead = ALIVE._replace(last_seen=NOW - MINUTE)
    assert judge([dead], queues(queue(3, None))).state == "stopped"


def test_the_worst_state_is_told_with_its_earliest_time() -> None:
    early, late = NOW - MINUTE, NOW
    assert worst_of([("ok", None), ("stopped", late), ("stopped", early), ("delayed", None)]) == ("stopped", early)
    assert worst_of([("ok", None)]) == ("ok", None)
