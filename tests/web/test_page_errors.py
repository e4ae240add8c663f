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


def test_a_person_gets_a_page_and_a_program_problem_details(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    assert "There is no page at this address" in client.get_page("/nowhere", 404).text
    for path, accept in (("/nowhere", "application/json"), ("/api/nowhere", "text/html"), ("/nowhere", "*/*")):
        answer = client.request("GET", path, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_an_order_that_is_not_there_is_named(sqlite_web: WebHarness) -> None:
    page = PageClient(sqlite_web, language="pt-BR").get_page("/order?shop=main&id=<b>", 404)
    assert "A loja main não fez nenhum pedido com o id <b>." in page.text
    assert page.all("b") == []


def test_a_database_that_is_away_says_since_when_and_comes_back_by_itself(
    sqlite_web: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = PageClient(sqlite_web)
    monkeypatch.setattr(StatusView, "read", failing(Unavailable("the database can't be reached: nobody there")))
    first = client.get_page("/", 503)
    assert (first.answer.headers["retry-after"], first.answer.headers["refresh"]) == ("5", "5")
    assert "nothing is lost" in first.text
    since = first.one("time")["datetime"]
    assert client.get_page("/orders", 503).one("time")["datetime"] == since
    monkeypatch.undo()
    client.get_page("/")
    monkeypatch.setattr(StatusView, "read", failing(Unavailable("gone again")))
    assert client.get_page("/", 503).one("time")["datetime"] > since


def test_a_fault_of_ours_shows_no_traceback(sqlite_web: WebHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StatusView, "read", failing(RuntimeError("the secret of the house")))
    answer = PageClient(sqlite_web).request("GET", "/")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Something went wrong" in answer.text


def test_in_a_dialog_an_error_is_only_its_own_part(sqlite_web: WebHarness) -> None:
    page = PageClient(sqlite_web).get_page("/nowhere", 404, headers={"hx-request": "true", "hx-target": "dialog-body"})
    assert (page.all("html"), len(page.all("h1"))) == ([], 1)
    assert "refresh" not in page.answer.headers
