"""Headers survive JSON: every value comes back as it was, or is known as one that can't."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.headers import NotRestorable, headers_as_json, headers_from_json

_names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20).filter(
    lambda name: not name.startswith("$")
)
_leaves: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=20),
    st.binary(max_size=20),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=10
)


@given(st.dictionaries(_names, _values, max_size=5))
def test_headers_come_back_as_they_were(headers: dict[str, Any]) -> None:
    assert headers_from_json(orjson.loads(orjson.dumps(headers_as_json(headers)))) == headers


def test_a_value_that_json_can_not_hold_is_kept_and_known() -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    for value in (deep, 2**70, float("inf"), {"$base64": "forged"}):
        kept = headers_as_json({"odd": value})
        assert orjson.dumps(kept)
        with pytest.raises(NotRestorable):
            headers_from_json(kept)


def test_names_that_are_no_text_are_made_text() -> None:
    assert headers_as_json({b"\xff": Decimal("1.50"), "a\0": 1}) == {"\ufffd": {"$decimal": "1.50"}, "a\ufffd": 1}
