"""The application without its gate, on both databases, without a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web_harness import WebHarness


@pytest.fixture
def site(any_database_url: str) -> Iterator[WebHarness]:
    """The application on SQLite and on PostgreSQL, with nothing in it."""
    site = WebHarness(any_database_url)
    yield site
    site.close()


@pytest.fixture
def small_site(sqlite_url: str) -> Iterator[WebHarness]:
    """The application on SQLite alone."""
    site = WebHarness(sqlite_url)
    yield site
    site.close()
