"""Budgets of the pages at a thousand shops, and a window that shrinks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from storage.shops import add_shops
from tests.support.browser_windows import BrowserWindows
from tests.support.page_deployment import TIMEOUT, PageDeployment

ROOMS = ("/", "/shops", "/orders", "/missed", "/quarantine", "/feeds", "/repairs", "/ledger", "/audit", "/workers")
HEIGHT = 900
MOST_SCREENS = 5


@pytest.fixture
def large(deployment: PageDeployment) -> PageDeployment:
    """A thousand shops, of which twenty are off."""
    names = [f"shop-{number:04}" for number in range(1000)]
    with deployment.database.fence.shared() as connection:
        add_shops(connection, names, datetime.now(UTC))
    for name in names[:20]:
        deployment.switch("pause", shop=name, domains=["*"], reason="a test")
    deployment.publish_stock(1)
    return deployment


def test_no_page_is_longer_than_five_screens(large: PageDeployment, windows: BrowserWindows) -> None:
    page = windows.open(large.tokens["ana"], width=1440, height=HEIGHT)
    for room in ROOMS:
        page.goto(large.url + room)
        assert page.evaluate("document.documentElement.scrollHeight") <= MOST_SCREENS * HEIGHT, room


def test_the_overview_follows_a_window_that_shrinks(deployment: PageDeployment, windows: BrowserWindows) -> None:
    deployment.publish_stock(1)
    page = windows.open(deployment.tokens["ana"], width=1440, height=HEIGHT)
    expect(page.locator(".chart canvas").first).to_be_visible(timeout=TIMEOUT * 1000)
    page.set_viewport_size({"width": 700, "height": HEIGHT})
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    page.wait_for_function(f"{fits} && document.querySelector('.chart canvas').clientWidth < 700")
