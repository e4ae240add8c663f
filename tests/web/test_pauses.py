"""The reports of pauses over HTTP, on the page and as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from tests.support.page_client import PageClient
from tests.support.views_harness import change_event
from tests.support.wait import wait_until
from tests.support.web_harness import WebHarness

HOSTILE = "<script>alert('1')</script>=1+1"


def paused(web: WebHarness, **fields: str) -> int:
    """Pause, discard one change and resume; return the epoch of the pause, once it is counted."""
    epoch = web.storage.change("pause", by="ana", **{"reason": "stock count", **fields}).epoch
    web.storage.commit(change_event("stock"))
    web.storage.change("resume", by="rui", reason="done")
    wait_until(lambda: web.get(f"/api/pauses/{epoch}")["keys"] == 1, what="the pause to be counted")
    return epoch


def test_the_api_lists_pauses_and_shows_one(web: WebHarness) -> None:
    epoch = paused(web)
    [pause] = web.get("/api/pauses")
    assert pause == web.get(f"/api/pauses/{epoch}")
    assert (pause["by"], pause["reason"], pause["state"], pause["discarded"]) == (
        "ana",
        "stock count",
        "on",
        {"stock": 1},
    )
    [scope] = pause["scopes"]
    assert (scope["shop"], scope["domain"], scope["ended"]["by"]) == ("*", "*", "rui")
    assert scope["lines"] == [{"shop": "main", "domain": "stock", "discarded": 1, "keys": 1, "left": 1}]
    assert web.request("GET", f"/api/pauses/{epoch + 1}").status_code == 404
    assert web.request("GET", "/api/pauses/x").status_code == 400


def test_the_report_is_a_file_with_a_line_for_each_shop_and_domain(web: WebHarness) -> None:
    epoch = paused(web, reason=f"={HOSTILE}")
    answer = web.request("GET", f"/api/pauses/{epoch}", params={"format": "csv"})
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["shop"], row["domain"], row["discarded"], row["keys"], row["left"]) == ("main", "stock", "1", "1", "1")
    assert row["reason"].startswith("'=")


@pytest.mark.parametrize(("language", "title"), [("en", "Report of the pause"), ("pt-BR", "Relatório da pausa")])
def test_the_page_shows_the_list_and_the_report(web: WebHarness, language: str, title: str) -> None:
    client = PageClient(web, language=language)
    epoch = paused(web, reason=HOSTILE)
    page = client.get_page("/pauses")
    assert [link["href"] for link in page.all("a") if link["href"].startswith("/pauses/")] == [f"/pauses/{epoch}"]
    report = client.get_page(f"/pauses/{epoch}")
    assert title in report.text
    assert "ana" in report.text
    assert "<script>alert" not in report.answer.text
    assert f"/api/pauses/{epoch}?format=csv" in [link["href"] for link in report.all("a")]
    assert client.get_page(f"/pauses/{epoch + 1}", status=404)


def test_a_pause_that_lasts_is_shown_as_such(web: WebHarness) -> None:
    epoch = web.storage.change("pause", reason="maintenance", domains=["stock", "orders"]).epoch
    web.storage.accept_orders("O1")
    web.storage.commit(change_event("stock"))
    pause = web.get(f"/api/pauses/{epoch}")
    assert (pause["state"], pause["ended_at"], pause["orders_held"], pause["keys"]) == ("off", None, 1, 1)
    assert "off still" in PageClient(web, language="en").get_page(f"/pauses/{epoch}").text
