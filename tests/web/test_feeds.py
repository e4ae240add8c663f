"""The feeds on the page, in both languages, over the API and as metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from comporta.runtime.health_metrics import HealthMetrics, read_health
from rules.feeds import Distances
from storage.feed_activity import FeedActivity
from tests.support.page_client import PageClient
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness


@pytest.fixture
def fed(web: WebHarness) -> WebHarness:
    """A shop with one feed in order and one whose events are nearly all old."""
    web.storage.store.commit([change_event("stock", version=5), change_event("prices")])
    web.storage.store.commit([change_event("stock", version=1) for _ in range(30)])
    web.storage.store.commit([rejected_delivery(b"1")])
    distances = Distances(datetime.now(UTC).timestamp(), 2.0, 2.0, 6.0, 3)
    scopes = [("main", "stock"), ("main", "prices")]
    FeedActivity(web.storage.fence).record(dict.fromkeys(scopes, 3.0), {scopes[0]: distances})
    return web


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_api_lists_the_feeds_those_in_trouble_first(fed: WebHarness) -> None:
    feeds = fed.get("/api/feeds")
    assert [(feed["domain"], feed["trouble"]) for feed in feeds] == [("stock", ["superseded"]), ("prices", [])]
    assert feeds[0]["behind"]["mean"] == 2.0
    assert [feed["domain"] for feed in fed.get("/api/feeds", troubled=True)] == ["stock"]
    assert [feed["domain"] for feed in fed.get("/api/feeds", domain="prices")] == ["prices"]
    assert fed.get("/api/feeds", shop="another") == []
    assert len(fed.get("/api/feeds", limit=1)) == 1
    assert "troubled" in fed.bad_request("/api/feeds", troubled="perhaps")


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "mostly superseded 93.8 % of the last 15 minutes"), ("pt-BR", "93,8 % dos últimos 15 minutos")],
)
def test_the_page_says_what_is_wrong_with_a_feed(fed: WebHarness, language: str, said: str) -> None:
    client = PageClient(fed, language=language)
    feeds = words(client.get_page("/feeds").one("section", id="feeds").text)
    assert said.partition(" of ")[0] in feeds
    assert "2 s" in feeds or "2,0 s" in feeds or "2.0 s" in feeds
    assert said.partition(" of ")[0] in words(client.get_page("/").one("section", id="troubled-feeds").text)


def test_the_page_links_to_the_refused_messages_by_reason(fed: WebHarness) -> None:
    page = PageClient(fed).get_page("/feeds")
    links = [link for link in page.all("a") if "reason=" in link["href"]]
    assert [(link["href"], link.text) for link in links] == [
        ("/quarantine?shop=main&domain=stock&reason=no_version", "1 No version")
    ]


def test_a_filter_and_an_empty_place_say_so(sqlite_web: WebHarness) -> None:
    page = PageClient(sqlite_web).get_page("/feeds", params={"domain": "stock"})
    assert "None passes this filter." in page.answer.text
    assert "No ERP has sent anything yet." in PageClient(sqlite_web).get_page("/feeds").answer.text
    assert not PageClient(sqlite_web).get_page("/").all("section", id="troubled-feeds")


def test_the_metrics_of_feeds_are_bounded_and_those_in_trouble_stay(fed: WebHarness) -> None:
    reading = read_health(fed.database.views)
    stock, prices = reading.feeds
    many = [{**prices, "shop": f"s{number:04}", "trouble": []} for number in range(600)]
    metrics = {metric.name: metric for metric in HealthMetrics(reading._replace(feeds=[*many, stock])).collect()}
    last = metrics["comporta_feed_last_event_timestamp_seconds"].samples
    assert len(last) == 500
    assert last[0].labels == {"shop": "main", "domain": "stock"}
    assert abs(last[0].value - (datetime.now(UTC) - timedelta(seconds=3)).timestamp()) < 60
    assert metrics["comporta_feed_behind_seconds"].samples[0].value == 2.0
    assert {sample.value for sample in metrics["comporta_feed_silent"].samples} == {0}
    deliveries = metrics["comporta_feed_deliveries"].samples
    assert {sample.value for sample in deliveries if sample.labels["outcome"] == "superseded"} == {30, 0}
