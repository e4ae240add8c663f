"""Suggestions of the search: by the beginning of a code first, then by a part of it or of a name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.database import open_database
from tests.support.views_harness import ViewsHarness, change_event


@pytest.fixture
def harness(any_database_url: str) -> Iterator[ViewsHarness]:
    open_database(any_database_url).close()
    harness = ViewsHarness(any_database_url)
    harness.store.commit(
        [
            change_event("products", code="789-1", name="Café torrado 500 g"),
            change_event("products", code="X789", name="Filtro"),
            change_event("products", shop="north", code="789-1", name="Café torrado 500 g"),
            change_event("customers", code="C1", name="Lima Cafés", document="52998224725", kind="PF"),
        ]
    )
    harness.accept_orders("WEB-789")
    harness.set_order("WEB-789", erp_number="4711")
    yield harness
    harness.engine.dispose()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("789", ["789-1", "X789", "WEB-789"]),
        ("caf", ["789-1", "C1"]),
        ("ca", []),
        ("C", ["C1"]),
        ("471", ["WEB-789"]),
        ("529.982.247-25", ["C1"]),
        ("%", []),
        ("caf_", []),
        ("", []),
    ],
)
def test_what_is_typed_leads_to_codes(harness: ViewsHarness, typed: str, found: list[str]) -> None:
    assert [each.code for each in harness.views.suggestions(typed)] == found


def test_capitals_with_an_accent_are_found_too(database_url: str) -> None:
    harness = ViewsHarness(database_url)
    harness.store.commit([change_event("products", code="789-1", name="Feijão preto")])
    assert [each.code for each in harness.views.suggestions("FEIJÃO")] == ["789-1"]
    harness.engine.dispose()
