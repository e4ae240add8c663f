"""Charts of the ledger: bars over their time, values by mouse and keyboard, ranges, the shop, and clicks."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.browser_windows import BrowserWindows
from tests.support.page_deployment import PageDeployment
from tests.support.stock_lines import BAD_LINE

# The x of the middle of the bar of a row, from the row's time and step, as the axis of the chart has it.
_MIDDLE = """(index) => {
    const chart = document.querySelector('.chart'), over = chart.querySelector('.u-over').getBoundingClientRect();
    const table = document.getElementById('chart-table'), rows = [...table.tBodies[0].rows].reverse();
    const step = Number(table.dataset.step) * 1000, at = (row) => Date.parse(row.dataset.at);
    const whole = at(rows.at(-1)) + step - at(rows[0]);
    return [over.left + over.width * (at(rows.at(index)) + step / 2 - at(rows[0])) / whole, over.top + over.height - 4];
}"""
_COLOUR = """([x, y]) => {
    const canvas = document.querySelector('.chart canvas'), box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width, context = canvas.getContext('2d');
    return [...context.getImageData((x - box.left) * scale, (y - box.top) * scale, 1, 1).data];
}"""


def open_chart(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(".chart canvas").wait_for()
    page.locator(".legend").scroll_into_view_if_needed()
    page.locator(".chart").scroll_into_view_if_needed()


def test_a_bar_stands_over_its_time_and_says_its_values(deployment: PageDeployment, windows: BrowserWindows) -> None:
    deployment.publish_stock(1, 2, 3)
    page = windows.open(deployment.tokens["rui"])
    open_chart(page, f"{deployment.url}/?domain=stock")
    busy = page.locator("#chart-table tbody tr").filter(has=page.locator('td[data-value="3"]')).first
    minute = str(busy.locator("time").text_content())
    back = busy.evaluate("(row) => -1 - [...row.parentElement.rows].indexOf(row)")
    middle = page.evaluate(_MIDDLE, back)
    assert page.evaluate(_COLOUR, middle)[3] == 255, "the bar is drawn over the middle of its minute"
    page.mouse.move(*middle)
    expect(page.locator(".tip")).to_contain_text("Applied 3")
    expect(page.locator(".tip strong")).to_have_text(minute[:-3])


def test_the_keyboard_reads_the_bars_and_enter_looks_closer(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    page = windows.open(deployment.tokens["rui"])
    open_chart(page, f"{deployment.url}/ledger?range=week&domain=stock")
    expect(page.locator("#chart-title")).to_have_text("Outcomes of the last week, by six hours · Stock")
    slider = page.get_by_role("slider", name="Deliveries by outcome")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("Applied .*Quarantined .*Sum"))
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator("#chart-title")).to_have_text("Outcomes of a day, by hour · Stock")
    expect(page.locator("#chart-table tbody tr")).to_have_count(24)


def test_a_click_on_a_minute_shows_what_was_refused_in_it(deployment: PageDeployment, windows: BrowserWindows) -> None:
    before = deployment.outcome_count("stock", "quarantined")
    deployment.publish(BAD_LINE)
    page = windows.open(deployment.tokens["rui"])
    page.wait_for_function("(count) => document.querySelector('#navigation .count')?.textContent > count", arg=before)
    open_chart(page, f"{deployment.url}/?domain=stock")
    row = page.locator("#chart-table tbody tr").filter(has=page.locator('td:nth-child(5):not([data-value="0"])')).first
    page.mouse.click(*page.evaluate(_MIDDLE, row.evaluate("(row) => -1 - [...row.parentElement.rows].indexOf(row)")))
    expect(page).to_have_url(re.compile(r"/quarantine\?domain=stock&since="))
    expect(page.locator("#quarantine tbody tr")).to_have_count(1)


def test_an_outcome_is_left_out_and_a_shop_is_looked_at_alone(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.publish_stock(5)
    deployment.switch("pause", shop="branch", domains=["stock"], new_shop=True, reason="so that the shop is known")
    page = windows.open(deployment.tokens["rui"])
    open_chart(page, deployment.url)
    button = page.get_by_role("button", name="Applied")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    form = page.locator("form.filters").filter(has_text="Shop")
    form.get_by_label("Shop").select_option("branch")
    form.get_by_role("button", name="Filter").click()
    expect(page.locator("#chart-title")).to_contain_text("branch")
    assert page.locator('#chart-table td[data-value]:not([data-value="0"])').count() == 0
