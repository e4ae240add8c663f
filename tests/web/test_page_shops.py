"""A thousand shops: a table that sorts and filters, one line for those that are off, and pages of bounded size."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from comporta.runtime.metric_shops import with_most_shops
from comporta.runtime.metrics import StateMetrics
from storage.shops import add_shops
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness

MOST_BYTES = 150_000
ROOMS = ("/", "/shops", "/orders", "/missed", "/quarantine", "/feeds", "/repairs", "/ledger", "/audit", "/switch/off")


@pytest.fixture
def large(web: WebHarness) -> WebHarness:
    """A thousand shops, of which six are off, with a key missed in one of them."""
    with web.database.fence.shared() as connection:
        add_shops(connection, [f"shop-{number:04}" for number in range(1000)], datetime.now(UTC))
    for number in range(6):
        web.storage.change("pause", shop=f"shop-{number:04}", domains=["*"])
    web.storage.discard("P1", shop="shop-0999")
    return web


def test_the_shops_sort_and_filter(large: WebHarness) -> None:
    client = PageClient(large)
    page = client.get_page("/shops")
    assert "6 of 1,000 shops off" in page.text
    assert [row.text for row in page.all("th") if row.text.startswith("shop-")][:3] == [
        "shop-0000",
        "shop-0001",
        "shop-0002",
    ]
    assert [link["href"] for link in page.all("a", rel="next")]
    missed = client.get_page("/shops?sort=missed")
    assert next(row.text for row in missed.all("th") if row.text.startswith("shop-")) == "shop-0999"
    assert "1 row" in client.get_page("/shops?text=0123").text
    assert "7 rows" in client.get_page("/shops?show=trouble").text


def test_no_page_grows_with_the_shops(large: WebHarness) -> None:
    client = PageClient(large)
    for room in ROOMS:
        page = client.get_page(room)
        assert len(page.answer.content) < MOST_BYTES, room
        assert page.answer.text.count("shops off") >= 1 or room == "/switch/off", room


def test_what_programs_read_stays_small(large: WebHarness) -> None:
    # A line for each shop, domain and state would be a hundred times as much.
    assert len(large.request("GET", "/api/status").content) < 400_000
    registry = CollectorRegistry()
    registry.register(StateMetrics(with_most_shops(large.database.gauges.read(), 100)))
    exposed = generate_latest(registry)
    assert len(exposed) < 600_000
    assert exposed.count(b"comporta_switch_off{") == 101 * 8
