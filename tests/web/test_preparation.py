"""Preparation of a web server: templates and the search's statements, before anyone asks for them."""

from __future__ import annotations

from pathlib import Path

from comporta.web.pages.renderer import _environment
from comporta.web.preparation import prepare
from storage.database import open_database
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness


def test_no_first_reader_waits_for_a_template(web: WebHarness) -> None:
    _environment.cache_clear()
    prepare(web.database.views)
    loaded = _environment.cache_info().misses
    PageClient(web).get_page("/search?text=P1")
    assert (loaded, _environment.cache_info().misses) == (2, 2)


def test_a_database_that_is_not_ready_is_left_to_the_first_search(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/empty.db")
    try:
        prepare(database.views)
    finally:
        database.close()
