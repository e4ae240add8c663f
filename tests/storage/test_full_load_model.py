"""Full loads against a model: whatever comes, in whatever order, the rows, missed keys and states are the model's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.load_harness import LoadHarness
from tests.support.load_model import LoadLifecycle


@pytest.fixture
def place(any_database_url: str) -> Iterator[LoadHarness]:
    place = LoadHarness(any_database_url, page=1)
    yield place
    place.engine.dispose()


def check(place: LoadHarness, examples: int) -> None:
    effort = settings(
        max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(lambda: LoadLifecycle(place), settings=effort)


def test_loads_come_out_as_the_model_says(place: LoadHarness) -> None:
    check(place, 30 if place.engine.dialect.name == "sqlite" else 8)
