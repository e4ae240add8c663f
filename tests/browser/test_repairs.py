"""Repair: from the resume's result to one request for everything, and how far the ERP has answered."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser_windows import BrowserWindows, barriers, screenshot, widths
from tests.support.page_deployment import PageDeployment


def keep(page: Page, name: str) -> None:
    """Save a picture at each width; check that nothing is wider than the window."""
    for width in widths(page, 390, 768, 1024, 1440):
        screenshot(page, f"{name}-{width}", whole=True)
        size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert size[0] <= size[1], (name, width)


@pytest.fixture
def missing(deployment: PageDeployment) -> PageDeployment:
    """Two missed keys, and everything off."""
    deployment.switch("pause", reason="ERP server maintenance")
    if not deployment.outcome_count("stock", "discarded"):
        deployment.publish_stock(801, 802)
    return deployment


def test_everything_is_requested_from_the_result_of_switching_on(
    missing: PageDeployment, windows: BrowserWindows
) -> None:
    page = windows.open(missing.tokens["ana"])
    page.locator(".integration .toggle").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("maintenance finished")
    dialog.get_by_role("button", name="Switch on").click()
    expect(dialog).to_contain_text("2 keys have old data in the shop")
    dialog.get_by_role("link", name="Request everything now").click()
    dialog.get_by_role("button", name="Request 2 keys").click()
    expect(dialog).to_contain_text("The ERP was asked for 2 keys")
    page.goto(f"{missing.url}/repairs")
    expect(page.locator("article.sheet").first).to_contain_text("answered: 0 of 2")
    missing.publish_stock(901, product_code="P801")
    expect(page.locator("article.sheet").first).to_contain_text("answered: 1 of 2")
    keep(page, "repairs")
    assert barriers(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("room", ["", "missed", "shops", "orders"])
def test_the_rooms_at_each_width(missing: PageDeployment, windows: BrowserWindows, room: str, theme: str) -> None:
    page = windows.open(missing.tokens["ana"], f"/{room}", theme=theme)
    if not room:
        expect(page.locator("#needs")).to_contain_text("missed")
    keep(page, f"{room or 'overview'}-{theme}")
    assert barriers(page) == []
