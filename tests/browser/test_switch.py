"""Off and on, from one window, seen from another, and true in the database behind both."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import unquote

from playwright.sync_api import Locator, Page, expect

from tests.support.browser_windows import BrowserWindows
from tests.support.page_deployment import TIMEOUT, PageDeployment
from tests.support.wait import wait_until

PROMISED_SECONDS = 1.0
# Not the page's: two browsers, two servers and another process of tests share the machine's cores with it. What it
# takes by itself is measured, not tested; a page that waits to be reloaded is found out all the same.
HARNESS_SECONDS = 4.0
_NOTE_WHEN_OFF = """() => {
    const seen = () => document.querySelector('#integration').dataset.state === 'off';
    window.sawOff = new Promise((resolve) => new MutationObserver((_, observer) => {
        if (seen()) { observer.disconnect(); resolve(Date.now()); }
    }).observe(document.body, {subtree: true, childList: true, attributes: true}));
}"""


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def switch_off(page: Page, reason: str, *, end: str = "1 h") -> None:
    page.get_by_role("switch", name="Integration").click()
    dialog(page).get_by_label("Reason").fill(reason)
    dialog(page).get_by_label(end, exact=True).check()
    dialog(page).get_by_role("button", name="Switch off").click()
    expect(dialog(page).get_by_role("heading")).to_have_text("The integration is off")


def fact(page: Page, name: str) -> Locator:
    return dialog(page).locator("dl.facts div").filter(has_text=name).locator("dd")


def number_at(page: Page, link: str) -> Locator:
    """The number in the navigation beside a page's name."""
    return page.get_by_role("navigation", name="Pages").get_by_role("link", name=link).locator(".count")


def test_a_pause_holds_once_it_is_answered_and_every_window_shows_it(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.publish_stock(1, product_code="S1")
    page, other = windows.open(deployment.tokens["ana"]), windows.open(deployment.tokens["rui"])
    other.evaluate(_NOTE_WHEN_OFF)
    page.get_by_role("switch", name="Integration").click()
    expect(dialog(page).get_by_label("Reason")).to_be_focused()
    expect(dialog(page)).to_contain_text("The shop goes on selling at old prices and stock, and orders do not reach")
    expect(dialog(page)).to_contain_text("Use it in specific, temporary cases.")
    expect(dialog(page)).to_contain_text("Changes from the ERP are discarded")
    expect(dialog(page).locator("#cost")).to_contain_text(re.compile("≈.*changes discarded.*≈.*orders held", re.DOTALL))
    dialog(page).get_by_role("button", name="Switch off").click()
    expect(dialog(page).get_by_label("Reason")).to_be_focused()  # Nothing is sent without one.
    dialog(page).get_by_label("Reason").fill("ERP <b>maintenance</b>")
    dialog(page).get_by_label("2 h", exact=True).check()
    dialog(page).get_by_role("button", name="Switch off").click()

    expect(dialog(page).get_by_role("heading")).to_have_text("The integration is off")
    expect(fact(page, "Scope")).to_have_text("everything")
    expect(fact(page, "End").locator("[data-relative]")).to_have_text(re.compile("^in (2 h|1 h 59 min)$"))
    status = deployment.database.views.status()
    effective = datetime.fromisoformat(str(fact(page, "In effect").locator("time").get_attribute("datetime")))
    took = other.evaluate("window.sawOff") / 1000 - effective.timestamp()
    assert took <= PROMISED_SECONDS + HARNESS_SECONDS
    assert [(each.shop, each.domain) for each in status.switches if each.off] == [("*", "*")]

    deployment.publish_stock(2, product_code="S1", on_hand="99")
    deployment.place_order("S-1", "waiting")
    assert (deployment.on_hand("S1"), deployment.outcome_count("stock", "discarded")) == (1, 1)
    assert deployment.erp.requests == {}

    expect(other.locator("#integration")).to_contain_text("Off")
    expect(other.locator("#banner")).to_contain_text("ana: “ERP <b>maintenance</b>”")
    expect(other.locator("#banner [data-countdown]")).to_have_text(re.compile(r"1 h 59 min"))
    expect(other.locator("#banner")).not_to_contain_text("Switch on")
    expect(number_at(other, "Missed")).to_have_text("1")
    expect(other.locator("#order-states tr").filter(has_text="Waiting").locator("td")).to_have_text("1")
    expect(other).to_have_title(re.compile(r"^● 1 h 59 min · Integration off · Overview"))
    icon = unquote(str(other.locator("link[rel=icon]").get_attribute("href")))
    assert icon.startswith("data:image/svg+xml,<svg")
    assert ">1h</text>" in icon


def test_a_form_takes_an_answer_as_soon_as_it_is_seen(deployment: PageDeployment, windows: BrowserWindows) -> None:
    page = windows.open(deployment.tokens["ana"])
    # A browser that is busy comes late to what a script has put off; this one never does.
    page.evaluate("window.setTimeout = () => 0")
    switch_off(page, "a quick person")
    assert page.url == f"{deployment.url}/"


def test_after_a_pause_the_repair_sheet_counts_down_to_nothing_and_orders_leave_once(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    page, other = windows.open(deployment.tokens["ana"]), windows.open(deployment.tokens["rui"])
    deployment.switch("pause", reason="maintenance")
    deployment.publish_stock(11, 12)
    deployment.place_order("R-1", "waiting")
    page.locator("#banner").get_by_role("link", name="Switch on").click()
    expect(dialog(page)).to_contain_text(re.compile(r"Missed:\s+Stock [23]"))
    expect(dialog(page).get_by_role("link", name="Cancel")).to_be_focused()
    dialog(page).get_by_label("Reason").fill("the ERP is back")
    dialog(page).get_by_role("button", name="Switch on").click()
    expect(dialog(page).get_by_role("heading")).to_have_text("Switched on")
    expect(other.locator("#integration")).to_contain_text("On")
    deployment.wait_for_order("R-1", "internalized")
    assert deployment.erp.requests["main/R-1"] == 1

    dialog(page).get_by_role("link", name="Repair sheet").click()
    sheet = page.locator("main .sheet").first
    missed = int(str(sheet.locator("progress").get_attribute("max")))
    expect(sheet.locator(".figure")).to_have_text(f"{missed} of {missed} left")
    deployment.publish_stock(11)
    expect(sheet.locator(".figure")).to_have_text(f"{missed - 1} of {missed} left")
    deployment.publish_stock(12)
    if missed > 2:
        deployment.publish_stock(3, product_code="S1")
    expect(sheet.locator(".figure")).to_have_text(re.compile(f"^✓ All {missed} repaired( in .+)?$"))
    expect(number_at(page, "Missed")).to_have_count(0)
    page.goto(f"{deployment.url}/order?shop=main&id=R-1")
    expect(page.locator("#order")).to_contain_text(deployment.erp.numbers["main/R-1"])


def test_orders_in_flight_are_counted_down_to_nothing(deployment: PageDeployment, windows: BrowserWindows) -> None:
    deployment.erp.default = "hang"
    page = windows.open(deployment.tokens["ana"])
    deployment.place_order("F-1", "sending")
    wait_until(lambda: deployment.erp.requests["main/F-1"], timeout=TIMEOUT, what="the ERP to be asked")
    switch_off(page, "in the middle of it")
    expect(fact(page, "Orders still on their way")).to_have_text("1")
    deployment.erp.released.set()
    expect(fact(page, "Orders still on their way")).to_have_text("0")
    assert deployment.order_state("F-1") == "internalized"


def test_half_an_hour_more_is_one_click_and_a_calendar_reminds_of_the_end(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    page = windows.open(deployment.tokens["ana"])
    switch_off(page, "count, of; everything", end="30 min")
    page.keyboard.press("Escape")
    until = deployment.database.views.status().switches[0].until
    assert until is not None
    page.get_by_role("button", name="+30 min").click()
    expect(page.locator("#notice")).to_contain_text("It now ends at")
    expect(page.locator("#banner [data-countdown]")).to_have_text(re.compile(r"59 min|1 h"))
    later = deployment.database.views.status().switches[0].until
    assert later == until + timedelta(minutes=30)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Remind me").click()
    calendar = waiting.value.path().read_text()
    assert waiting.value.suggested_filename == "comporta.ics"
    assert f"DTSTART:{later:%Y%m%dT%H%M%SZ}" in calendar or f"DTEND:{later:%Y%m%dT%H%M%SZ}" in calendar
    assert "BEGIN:VALARM" in calendar
    assert r"count\, of\; everything" in calendar.replace("\r\n ", "")


def test_of_several_switches_only_the_chosen_one_goes_on(deployment: PageDeployment, windows: BrowserWindows) -> None:
    deployment.switch("pause", shop="main", domains=["stock"], reason="counting")
    page = windows.open(deployment.tokens["ana"])
    expect(page.locator("#integration")).to_contain_text("Partly off")
    page.get_by_role("button", name="Integration partly off: change").click()
    dialog(page).get_by_role("link", name="Switch more off …").click()
    # The form before it asks for a reason, too.
    expect(dialog(page).get_by_role("heading")).to_have_text("Switch the integration off")
    dialog(page).get_by_label("Reason").fill("new price list")
    dialog(page).get_by_label("Only these domains").check()
    dialog(page).get_by_label("Price tables", exact=True).check()
    dialog(page).get_by_label("Prices", exact=True).check()
    dialog(page).get_by_role("button", name="Switch off").click()
    expect(dialog(page).get_by_role("heading")).to_have_text("The integration is off")
    page.keyboard.press("Escape")
    expect(page.locator("#banner section")).to_have_count(2)
    page.locator("#banner section").filter(has_text="counting").get_by_role("link", name="Switch on").click()
    expect(dialog(page)).to_contain_text("3 switches are off")
    expect(dialog(page).get_by_role("checkbox", checked=True)).to_have_count(1)
    dialog(page).get_by_label("Reason").fill("counted")
    dialog(page).get_by_role("button", name="Switch on").click()
    expect(dialog(page).get_by_role("heading")).to_have_text("Switched on")
    off = {(each.shop, each.domain) for each in deployment.database.views.status().switches if each.off}
    assert off == {("*", "prices"), ("*", "price_tables")}
    expect(page.locator("#integration")).to_contain_text("Partly off")
    expect(page.locator("#banner section")).to_have_count(1)
