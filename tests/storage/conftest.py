"""Storage of full loads on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.load_harness import LoadHarness


@pytest.fixture
def place(any_database_url: str) -> Iterator[LoadHarness]:
    """A storage that full loads are sent to, on SQLite and on PostgreSQL."""
    place = LoadHarness(any_database_url)
    yield place
    place.engine.dispose()
