"""Errors: a page for people, problem details for programs, and never more than a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage.errors import Unavailable
from storage.views.status import StatusView
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_a_person_gets_a_page_and_a_program_problem_details(small_site: WebHarness) -> None:
    visitor = PageClient(small_site)
    assert "There is no page at this address" in visitor.see("/nowhere", 404).text
    for path, accept in (("/nowhere", "application/json"), ("/api/nowhere", "text/html"), ("/nowhere", "*/*")):
        answer = visitor.ask("GET", path, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_an_order_that_is_not_there_is_named(small_site: WebHarness) -> None:
    seen = PageClient(small_site, language="pt-BR").see("/order?shop=main&id=<b>", 404)
    assert "A loja main não fez nenhum pedido com o id <b>." in seen.text
    assert seen.all("b") == []


def test_a_database_that_is_away_says_since_when_and_comes_back_by_itself(
    small_site: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = PageClient(small_site)
    monkeypatch.setattr(StatusView, "read", failing(Unavailable("the database can't be reached: nobody there")))
    first = visitor.see("/", 503)
    assert (first.answer.headers["retry-after"], first.answer.headers["refresh"]) == ("5", "5")
    assert "nothing is lost" in first.text
    since = first.one("time")["datetime"]
    assert visitor.see("/orders", 503).one("time")["datetime"] == since
    monkeypatch.undo()
    visitor.see("/")
    monkeypatch.setattr(StatusView, "read", failing(Unavailable("gone again")))
    assert visitor.see("/", 503).one("time")["datetime"] > since


def test_a_fault_of_ours_shows_no_traceback(small_site: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StatusView, "read", failing(RuntimeError("the secret of the house")))
    answer = PageClient(small_site).ask("GET", "/")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Something went wrong" in answer.text


def test_in_a_dialog_an_error_is_only_its_own_part(small_site: WebHarness) -> None:
    seen = PageClient(small_site).see("/nowhere", 404, headers={"hx-request": "true", "hx-target": "dialog-body"})
    assert (seen.all("html"), len(seen.all("h1"))) == ([], 1)
    assert "refresh" not in seen.answer.headers
