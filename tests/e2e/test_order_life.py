"""Whatever befalls orders, each ends with one number, which is the ERP's, and none is claimed while they are off."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.order_lifecycle import OrderLifecycle
from tests.support.pipeline import Pipeline


def test_each_order_ends_with_the_erps_one_number(any_database_url: str) -> None:
    pipeline = Pipeline("memory://", any_database_url)
    try:
        effort = settings(max_examples=20, stateful_step_count=30, deadline=None)
        run_state_machine_as_test(lambda: OrderLifecycle(pipeline), settings=effort)
    finally:
        pipeline.close()
