"""A batch is held open in proportion to how full the last one was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.batches import waiting_seconds


@pytest.mark.parametrize(
    ("last", "seconds"),
    [(0, 0.0), (1, 0.000_04), (50, 0.002), (250, 0.01), (500, 0.02), (2000, 0.02)],
)
def test_the_fuller_the_last_batch_the_longer_more_is_waited_for(last: int, seconds: float) -> None:
    assert waiting_seconds(last, 500, 20) == pytest.approx(seconds)


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.integers(0, 5_000))
def test_it_is_never_longer_than_a_batch_may_be_old(last: int, batch_size: int, batch_ms: int) -> None:
    assert 0 <= waiting_seconds(last, batch_size, batch_ms) <= batch_ms / 1000


@pytest.mark.parametrize("per_second", [100, 2_000, 10_000, 20_000])
def test_under_a_steady_load_the_batches_settle_at_a_size(per_second: int) -> None:
    commit_seconds, size, sizes = 0.004, 500, []
    for _ in range(200):
        size = min(500, round(per_second * (commit_seconds + waiting_seconds(size, 500, 20))))
        sizes.append(size)
    assert len(set(sizes[-20:])) == 1
    assert sizes[-1] < 500
