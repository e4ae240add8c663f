"""Resync after a resume: modes by shop, and the pace by what the ERP answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.resync import ResyncMode, ResyncModes, ResyncPace, parse_resync_modes


@pytest.mark.parametrize(
    ("value", "default", "shops"),
    [
        ("", "ask", {}),
        ("off", "off", {}),
        ("auto", "auto", {}),
        ("off, north=auto,south=ask", "off", {"north": "auto", "south": "ask"}),
        ("north=auto", "ask", {"north": "auto"}),
    ],
)
def test_each_shop_may_have_a_mode_of_its_own(value: str, default: str, shops: dict[str, str]) -> None:
    modes = parse_resync_modes(value)
    assert modes == ResyncModes(ResyncMode(default), {shop: ResyncMode(mode) for shop, mode in shops.items()})
    assert modes.any_auto is ("auto" in value)
    assert modes.of("north") is ResyncMode(shops.get("north", default))


@pytest.mark.parametrize("value", ["on", "auto,off", "North=auto", "north=", "=auto,", "auto;north=off", "north=yes"])
def test_anything_else_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="must be off, ask or auto"):
        parse_resync_modes(value)


def test_the_window_grows_with_the_answers_and_not_beyond_the_bound() -> None:
    pace, outstanding, windows = ResyncPace(most=1_000), 0, []
    for second in range(6):
        number = pace.allows(outstanding, 0.5, second)
        pace.asked(number)
        windows.append(number)
        # The ERP answers all of them within the second.
        outstanding = 0
    assert windows == [200, 400, 800, 1_000, 1_000, 1_000]


def test_while_answers_are_late_the_window_is_halved_every_half_minute() -> None:
    pace = ResyncPace(window=800)
    pace.asked(pace.allows(0, 0.0, 0.0))
    found = [(pace.allows(800, 31.0 + second, 31.0 + second), pace.window)[1] for second in range(0, 150, 10)]
    assert found == [400] * 3 + [200] * 3 + [100] * 3 + [50] * 6
    # One that answers again is asked for more.
    assert pace.allows(0, 0.0, 200.0) > 50


@given(st.lists(st.tuples(st.integers(0, 3_000), st.floats(0, 100)), max_size=50), st.integers(1, 2_000))
def test_never_more_than_the_bound_is_unanswered(steps: list[tuple[int, float]], most: int) -> None:
    pace, outstanding = ResyncPace(most), 0
    for second, (answers, oldest) in enumerate(steps):
        outstanding = max(0, outstanding - answers)
        number = pace.allows(outstanding, oldest, second)
        pace.asked(number)
        outstanding += number
        assert outstanding <= max(most, 0)
