"""Repair: from the resume's result to one request for everything, and how far the ERP has answered."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.browser_windows import BrowserWindows, barriers, screenshot
from tests.support.page_deployment import PageDeployment

WIDTHS = (390, 768, 1024, 1440)


def test_everything_is_requested_from_the_result_of_switching_on(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.switch("pause", reason="ERP server maintenance")
    deployment.publish_stock(801, 802)
    page = windows.open(deployment.tokens["ana"])
    page.locator(".integration .toggle").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("maintenance finished")
    dialog.get_by_role("button", name="Switch on").click()
    expect(dialog).to_contain_text("2 keys have old data in the shop")
    dialog.get_by_role("link", name="Request everything now").click()
    dialog.get_by_role("button", name="Request 2 keys").click()
    expect(dialog).to_contain_text("The ERP was asked for 2 keys")
    for theme in ("light", "dark"):
        for width in WIDTHS:
            page = windows.open(deployment.tokens["ana"], "/repairs", width=width, theme=theme)
            expect(page.locator("article.sheet").first).to_contain_text("answered: 0 of 2")
            screenshot(page, f"repairs-{width}-{theme}")
            assert barriers(page) == []
    for theme in ("light", "dark"):
        for width in WIDTHS:
            page = windows.open(deployment.tokens["ana"], width=width, theme=theme)
            expect(page.locator("#needs")).to_contain_text("2 missed keys")
            screenshot(page, f"overview-{width}-{theme}", whole=True)
            assert barriers(page) == []
    page = windows.open(deployment.tokens["ana"], "/repairs")
    deployment.publish_stock(901, 902, product_code="P801")
    expect(page.locator("article.sheet").first).to_contain_text("answered: 1 of 2")
    page.goto(f"{deployment.url}/missed")
    expect(page.locator("#missed-counts")).to_contain_text("Stock")
    screenshot(page, "missed-counts")
    assert barriers(page) == []
