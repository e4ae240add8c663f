"""Budgets of the pages at a thousand shops, and a window that shrinks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.browser_windows import BrowserWindows, screenshot
from tests.support.page_deployment import TIMEOUT, PageDeployment
from tests.support.thousand_shops import fill_thousand_shops

ROOMS = ("/", "/shops", "/orders", "/missed", "/quarantine", "/feeds", "/repairs", "/ledger", "/audit", "/workers")
HEIGHT = 900
MOST_SCREENS = 5
MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def _thousand_shops(shared_deployment: PageDeployment) -> None:
    rows = {"products": 5_000, "missed": 5_000, "refused": 2_000, "orders": 4_000}
    fill_thousand_shops(shared_deployment.database.url, **rows)


@pytest.fixture
def large(_thousand_shops: None, deployment: PageDeployment) -> PageDeployment:
    """A thousand shops with missed keys, refused messages and orders; twenty of them are off."""
    for number in range(20):
        deployment.switch("pause", shop=f"shop-{number:04}", domains=["*"], reason="a test")
    deployment.publish_stock(1)
    deployment.switch("pause", reason="a test of everything")
    deployment.switch("resume", reason="a test of everything")
    return deployment


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_longer_than_five_screens_or_larger_than_its_budget(
    large: PageDeployment, windows: BrowserWindows, width: int
) -> None:
    page = windows.open(large.tokens["ana"], width=width, height=HEIGHT)
    over = {}
    for room in ROOMS:
        response = page.goto(large.url + room)
        assert response is not None
        screens, size = page.evaluate("document.documentElement.scrollHeight") / HEIGHT, len(response.body())
        if screens > MOST_SCREENS or size > MOST_BYTES:
            over[room] = (round(screens, 1), size)
    assert over == {}


def test_the_rows_out_of_sight_in_a_narrow_window_are_a_click_away(
    large: PageDeployment, windows: BrowserWindows
) -> None:
    page = windows.open(large.tokens["ana"], "/orders", width=390, height=HEIGHT)
    rows = page.locator("#orders tbody tr")
    expect(rows.nth(9)).to_be_visible()
    expect(rows.nth(10)).to_be_hidden()
    screenshot(page, "orders-ten-rows-390")
    page.get_by_label("Choose all of this page").check()
    expect(page.get_by_label("Show every row of this page")).to_be_checked()  # What is chosen is in sight.
    expect(rows.last).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": HEIGHT})
    expect(page.get_by_label("Show every row of this page")).to_be_hidden()
    expect(rows.last).to_be_visible()


def test_the_overview_follows_a_window_that_shrinks(deployment: PageDeployment, windows: BrowserWindows) -> None:
    deployment.publish_stock(1)
    page = windows.open(deployment.tokens["ana"], width=1440, height=HEIGHT)
    expect(page.locator(".chart canvas").first).to_be_visible(timeout=TIMEOUT * 1000)
    page.set_viewport_size({"width": 700, "height": HEIGHT})
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    page.wait_for_function(f"{fits} && document.querySelector('.chart canvas').clientWidth < 700")
