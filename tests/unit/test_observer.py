"""The observer of batches: lag of the first message of each queue, by its sender's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.dead_letters import decode_dead
from consumers.decode import decode
from consumers.delivery import Delivery
from consumers.observer import lags_of
from tests.support.event_samples import sample_event

# The sample event's own time.
TIME = datetime(2026, 11, 23, 7, 22, 51, tzinfo=UTC).timestamp()


def item(queue: str = "comporta.stock", **properties: Any) -> tuple[Delivery, Any]:
    """A delivery of a stock event from a queue."""
    key = "main." + queue.removeprefix("comporta.")
    body = sample_event("stock", envelope={"time": "2026-11-23T07:22:51Z"})
    delivery = Delivery(queue, 1, body, key, False, {"content_type": "application/json", **properties})
    return delivery, (decode_dead if queue == "comporta.dead" else decode)(delivery)


@pytest.mark.parametrize(
    ("properties", "now", "lag"),
    [
        ({}, TIME + 2.5, 2.5),
        ({}, TIME - 100, 0.0),
        ({"timestamp": int(TIME) + 10}, TIME + 60, 49.0),
        ({"timestamp": datetime.fromtimestamp(TIME + 10, UTC)}, TIME + 60, 49.0),
        ({"timestamp": int(TIME) * 1000}, TIME + 3, 3.0),
        ({"timestamp": "yesterday"}, TIME + 3, 3.0),
        ({"timestamp": -1}, TIME + 3, 3.0),
    ],
    ids=["by the event", "a clock ahead", "by AMQP", "as a date", "milliseconds", "no time", "negative"],
)
def test_the_lag_is_measured_by_the_best_clock_there_is(properties: dict[str, Any], now: float, lag: float) -> None:
    assert lags_of([item(**properties)], now) == {"stock": pytest.approx(lag)}


def test_the_first_of_each_queue_has_waited_longest() -> None:
    first, second = item(timestamp=int(TIME)), item(timestamp=int(TIME) + 30)
    assert lags_of([first, second], TIME + 61) == {"stock": pytest.approx(60.0)}


def test_dead_letters_and_what_says_no_time_have_no_lag() -> None:
    unreadable = Delivery("comporta.prices", 1, b"rubbish", "main.prices", False, {})
    batch = [item("comporta.dead", timestamp=1), (unreadable, decode(unreadable)), item()]
    assert lags_of(batch, TIME + 1) == {"stock": pytest.approx(1.0)}
