"""The application without its gate, on both databases, without a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.web_harness import WebHarness


@pytest.fixture
def web(any_database_url: str) -> Iterator[WebHarness]:
    """The application on SQLite and on PostgreSQL, with nothing in it."""
    web = WebHarness(any_database_url)
    yield web
    web.close()


@pytest.fixture
def sqlite_web(sqlite_url: str) -> Iterator[WebHarness]:
    """The application on SQLite alone."""
    web = WebHarness(sqlite_url)
    yield web
    web.close()
