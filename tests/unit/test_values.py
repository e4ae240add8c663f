"""How values are kept, and refusals of large ones; what is refused and why is in the contract samples."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import parse_event
from schemas.reasons import Reason
from tests.support.event_samples import refusal_of, sample_event


@pytest.mark.parametrize(
    ("domain", "data", "reason", "pointer"),
    [
        ("stock", {"on_hand": "1" * 100_000}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("products", {"category_path": [None] * 100_000}, Reason.WRONG_TYPE, "/data/category_path/0"),
        ("products", {"attributes": {str(n): n for n in range(1000)}}, Reason.TOO_MANY_FAULTS, ""),
    ],
)
def test_a_value_too_large_for_the_gallery_is_refused_where_it_stands(
    domain: str, data: dict[str, Any], reason: Reason, pointer: str
) -> None:
    refusal = refusal_of(domain, sample_event(domain, **data))
    assert (refusal.reason, refusal.pointer) == (reason, pointer)


def test_the_first_fault_is_named_and_the_others_are_counted() -> None:
    refusal = refusal_of("stock", sample_event("stock", branch="", on_hand=1, reserved=2, unit=None))
    assert refusal.pointer == "/data/branch"
    assert refusal.sentence.endswith("(and 3 more faults)")


def test_a_long_name_of_a_member_is_cut_in_the_pointer() -> None:
    assert len(refusal_of("products", sample_event("products", attributes={"x" * 10_000: 1})).pointer) < 150


@pytest.mark.parametrize(
    ("domain", "field", "said", "kept"),
    [
        ("stock", "on_hand", "99999999999.9999", "99999999999.9999"),
        ("stock", "on_hand", "12.000", "12.000"),
        ("stock", "on_hand", "0012.5", "12.5"),
        ("stock", "on_hand", "15e-1", "1.5"),
        ("stock", "on_hand", "1.5E+3", "1500"),
        ("stock", "on_hand", "0e999999", "0"),
        ("stock", "on_hand", "-0.0001", "-0.0001"),
        ("prices", "price", "0.0000000001", "0.0000000001"),
        ("products", "gtin", "96385074", "96385074"),
        ("products", "gtin", "036000291452", "036000291452"),
        ("products", "gtin", "14006381333938", "14006381333938"),
        ("price_tables", "currency", "CLF", "CLF"),
        ("images", "url", "http://[2001:db8::1]:81/x?y=z#w", "http://[2001:db8::1]:81/x?y=z#w"),
        ("products", "code", "🫘" * 255, "🫘" * 255),
        ("products", "category_path", [], []),
        ("products", "attributes", {"plain": "1", "exact": "2"}, {"plain": "1", "exact": "2"}),
    ],
)
def test_a_right_value_is_kept(domain: str, field: str, said: Any, kept: Any) -> None:
    assert getattr(parse_event(domain, "main", sample_event(domain, **{field: said})).data, field) == kept
