"""Lists: filters in the address, exports of exactly the filter, what is done to one or many, and holding still."""

from __future__ import annotations

import csv
import re

from playwright.sync_api import Locator, Page, expect

from storage.views import OrderFilter, QuarantineFilter
from tests.support.browser_windows import BrowserWindows
from tests.support.order_events import internalized, placed
from tests.support.page_deployment import TIMEOUT, PageDeployment
from tests.support.stock_lines import stock_line
from tests.support.wait import wait_until

CPF = "52998224725"


def rows(page: Page) -> Locator:
    return page.locator("main section[aria-label=List] tbody tr")


def quarantined(deployment: PageDeployment, reason: str) -> list[str]:
    return [row["id"] for row in deployment.database.views.rows(QuarantineFilter()) if row["reason"] == reason]


def refuse(deployment: PageDeployment, reason: str, *bodies: bytes, key: str = "main.stock") -> None:
    """Publishes what is refused for this reason, and waits until it lies in the quarantine."""
    before = len(quarantined(deployment, reason))
    deployment.publish(*bodies, key=key)
    wait_until(
        lambda: len(quarantined(deployment, reason)) == before + len(bodies), timeout=TIMEOUT, what="the refusals"
    )


def test_a_refused_message_is_replayed_once_its_cause_is_gone(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.erp.default = "accept"
    refuse(deployment, "order_unknown", internalized("late", number="77"), key="main.receipts")
    page = windows.open(deployment.tokens["ana"], "/quarantine?reason=order_unknown")
    rows(page).get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Refused message")).to_be_visible()
    expect(page.locator("main")).to_contain_text("Unknown order")
    deployment.place_order("late", "sent")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("on its way again")
    deployment.wait_for_order("late", "internalized")
    assert quarantined(deployment, "order_unknown") == []
    # The window looks again by itself at what is no longer there.
    expect(page.locator("#message-acts")).to_contain_text("it was replayed or dropped")
    page.goto(f"{deployment.url}/order?shop=main&id=late")
    expect(page.locator("#order")).to_contain_text("77")


def test_a_rejected_order_goes_once_more_and_its_papers_are_masked(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.erp.script.append("400")
    page = windows.open(deployment.tokens["ana"], "/orders?state=rejected")
    deployment.place_order("again", "rejected")
    expect(rows(page)).to_have_count(1)  # It came without a reload.
    expect(rows(page)).to_contain_text("no such customer")
    rows(page).get_by_role("link").click()
    expect(page.locator("main pre")).to_contain_text("Ana")
    expect(page.locator("main pre")).not_to_contain_text(CPF)
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#notice")).to_contain_text("will be sent again")
    deployment.wait_for_order("again", "internalized")
    expect(page.locator("#order")).to_contain_text(deployment.erp.numbers["main/again"])


def test_orders_are_chosen_by_check_boxes_which_a_refresh_keeps(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.erp.script += ["400", "400", "400"]
    for name in ("choose-1", "choose-2", "choose-3"):
        deployment.place_order(name, "rejected")
    page = windows.open(deployment.tokens["ana"], "/orders?attention=true&text=choose")
    bar = page.locator("#chosen")
    expect(bar.get_by_role("button", name="Hold …")).to_be_disabled()
    page.get_by_role("checkbox", name="Choose order choose-1").check()
    page.get_by_role("checkbox", name="Choose order choose-2").check()
    expect(bar).to_contain_text("2 chosen")
    page.get_by_role("heading", name="Orders").click()
    deployment.erp.script.append("400")
    deployment.place_order("choose-4", "rejected")
    expect(rows(page)).to_have_count(4)
    expect(page.get_by_role("checkbox", name="Choose order choose-2")).to_be_checked()
    bar.get_by_role("button", name="Hold …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 orders are affected")
    dialog.get_by_role("button", name="Hold orders").click()
    expect(dialog).to_contain_text("2 orders are changed")
    found = {row["order_id"]: row["state"] for row in deployment.database.views.rows(OrderFilter(text="choose-"))}
    assert found == {"choose-1": "held", "choose-2": "held", "choose-3": "rejected", "choose-4": "rejected"}


def test_whatever_acts_on_many_says_first_how_many_and_does_no_others(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.publish(stock_line(1), key="many.stock")  # A shop that only rubbish names is not known.
    wait_until(lambda: "many" in deployment.database.views.status().effective, timeout=TIMEOUT, what="the shop")
    refuse(deployment, "malformed_json", b"{", b"[", b'"', key="many.prices")
    refuse(deployment, "malformed_json", b"{", key="many.stock")
    page = windows.open(deployment.tokens["ana"], "/quarantine")
    page.locator(".filters select[name=shop]").select_option("many")
    page.locator(".filters select[name=domain]").select_option("Prices")
    page.get_by_role("button", name="Filter").click()
    expect(rows(page)).to_have_count(3)
    page.get_by_role("link", name="Drop all of these …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 messages are removed for good")
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    refuse(deployment, "malformed_json", b"(", key="many.prices")
    dialog.get_by_role("button", name="Drop 3").click()
    expect(dialog).to_contain_text("3 messages were expected and there are 4 now")
    dialog.get_by_text("Close").click()
    windows.expect("status of 409")
    page.get_by_role("link", name="Drop all of these …").click()
    dialog.get_by_role("button", name="Drop 4").click()
    expect(dialog).to_contain_text("4 messages are dropped")
    left = {
        (row["shop"], row["domain"])
        for row in deployment.database.views.rows(QuarantineFilter())
        if row["shop"] == "many"
    }
    assert left == {("many", "stock")}


def test_a_replay_in_the_background_tries_ten_first_and_says_what_came_back(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.publish(stock_line(1), key="canary.stock")
    wait_until(lambda: "canary" in deployment.database.views.status().effective, timeout=TIMEOUT, what="the shop")
    refuse(deployment, "malformed_json", *(b"{" + b" " * number for number in range(12)), key="canary.stock")
    page = windows.open(deployment.tokens["ana"], "/quarantine?shop=canary")
    page.get_by_role("checkbox", name="Choose all of this page").check()
    page.locator("#chosen").get_by_role("button", name="Replay …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("checkbox", name="Try 10 first")).to_be_checked()
    dialog.get_by_role("button", name="Replay 12").click()
    expect(dialog).to_contain_text("goes on in the background")
    dialog.get_by_text("Close").click()
    expect(page.locator("#quarantine-jobs")).to_contain_text("some of the first 10 came back", timeout=TIMEOUT * 1000)
    expect(page.locator("#quarantine-jobs")).to_contain_text("10 of 12")


def test_filters_stand_in_the_address_go_back_and_are_what_is_exported(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.switch("pause", shop="filter", new_shop=True)
    deployment.publish(*(placed(f"X{number}") for number in range(3)), key="filter", exchange="shop.orders")
    deployment.place_order("other", "internalized")
    wait_until(
        lambda: len(deployment.database.views.rows(OrderFilter("filter"), 10)) == 3,
        timeout=TIMEOUT,
        what="three orders",
    )
    page = windows.open(deployment.tokens["rui"], "/orders?attention=false")
    everything = rows(page).count()
    assert everything >= 4
    page.locator(".filters select[name=shop]").select_option("filter")
    page.get_by_label("State").select_option("waiting")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"\?.*shop=filter.*state=waiting"))
    expect(rows(page)).to_have_count(3)
    page.get_by_label("Number").fill("X1")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    page.go_back()
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_label("State")).to_have_value("waiting")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    found = list(csv.DictReader(waiting.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert sorted(row["order_id"] for row in found) == ["X0", "X1", "X2"]
    assert {(row["shop"], row["state"]) for row in found} == {("filter", "waiting")}
    page.go_back()
    expect(rows(page)).to_have_count(everything)
    deployment.switch("resume", shop="filter")


def test_a_frozen_page_holds_still_but_for_the_switch(deployment: PageDeployment, windows: BrowserWindows) -> None:
    page = windows.open(deployment.tokens["ana"], "/orders?text=Z")
    deployment.place_order("Z1", "internalized")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Freeze").click()
    expect(page.locator("#lost")).to_contain_text("Frozen at")
    deployment.place_order("Z2", "internalized")
    deployment.switch("pause", domains=["images"])
    expect(page.locator("#integration")).to_contain_text("Partly off")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Unfreeze").click()
    expect(rows(page)).to_have_count(2)
    expect(page.locator("#lost")).to_be_hidden()


def test_a_key_s_biography_tells_all_that_is_known_of_it(deployment: PageDeployment, windows: BrowserWindows) -> None:
    deployment.publish_stock(501)
    deployment.switch("pause", domains=["stock"])
    deployment.publish_stock(502, product_code="P501")
    item = {"line": 1, "product_code": "P501", "quantity": "2", "unit_price": "9.99", "total": "19.98"}
    deployment.place_order("with-P501", "internalized", items=[item])
    page = windows.open(deployment.tokens["rui"])
    page.get_by_role("combobox", name="Search by product").fill("P501")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search\?text=P501"))
    main = page.locator("main")
    expect(main).to_contain_text("version 502 was discarded")
    expect(main.get_by_role("link", name="with-P501")).to_be_visible()
    expect(main).to_contain_text("501")
