"""Dialogs of forgotten versions, full loads and the quarantine, in a browser: what they say, do and leave alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from schemas.full_load import BEGUN, CHUNK, COMPLETED
from storage.views import QuarantineFilter
from tests.support.browser_windows import BrowserWindows, screenshot
from tests.support.event_samples import sample_event
from tests.support.page_deployment import TIMEOUT, PageDeployment
from tests.support.stock_lines import BAD_LINE
from tests.support.wait import wait_until

COUNTER = {"shop": "counter", "domain": "products", "reason": "a test", "dry_run": True}
WIDTHS = (390, 768, 1024, 1440)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def no_barrier(page: Page, name: str) -> None:
    """Look at the open dialog: it fits, and axe-core finds nothing."""
    expect(dialog(page)).to_be_visible()
    screenshot(page, name)
    box, size = dialog(page).bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= size["width"], name
    found = Axe().run(page).response["violations"]
    assert [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]] == [], name


def load_message(kind: str, **data: Any) -> bytes:
    event = {"specversion": "1.0", "id": f"{kind}-{data['load_id']}", "source": "/erp/1", "type": kind}
    return json.dumps({**event, "data": {"domain": "products", **data}}).encode()


def product(version: int, code: str, load: str | None = None) -> bytes:
    attributes = {} if load is None else {"loadid": load, "loadchunk": "1"}
    return sample_event(
        "products", envelope={"sequence": str(version), "id": f"{load}-{code}", **attributes}, code=code
    )


def hold_load(deployment: PageDeployment, load_id: str) -> None:
    """Let a load be held that would delete 99 of 100 products."""
    deployment.publish(*(product(10, f"L{number}") for number in range(100)), key="main.products")
    wait_until(
        lambda: deployment.outcome_count("products", "applied") >= 100, timeout=TIMEOUT, what="the products to be there"
    )
    said = {"load_id": load_id, "chunk": 1, "version": "90", "count": 1, "from": None, "to": None}
    deployment.publish(
        load_message(BEGUN, load_id=load_id, version="90"),
        load_message(CHUNK, **said),
        product(10, "L0", load_id),
        load_message(COMPLETED, load_id=load_id, chunks=1, count=1),
        key="main.products",
    )

    def held() -> bool:
        load = deployment.database.views.load("main", "products", load_id)
        return load is not None and load["state"] == "held"

    wait_until(held, timeout=TIMEOUT, what="the load to be held")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_versions_of_a_key_are_forgotten_for_a_reason(
    deployment: PageDeployment, windows: BrowserWindows, width: int
) -> None:
    deployment.publish_stock(width, product_code=f"F{width}")
    page = windows.open(deployment.tokens["ana"], f"/search?text=F{width}", width=width, theme="dark")
    page.get_by_role("link", name="Forget …").first.click()
    expect(dialog(page)).to_contain_text("The next event of this key wins, whatever its version.")
    expect(dialog(page)).to_contain_text(f"F{width}")
    no_barrier(page, f"forget-{width}")
    dialog(page).get_by_role("button", name="Forget").click()
    expect(dialog(page).get_by_label("Reason")).to_be_focused()  # Nothing is sent without one.
    dialog(page).get_by_label("Reason").fill("far too high a version")
    dialog(page).get_by_role("button", name="Forget").click()
    expect(dialog(page)).to_contain_text("1 key is forgotten")
    dialog(page).get_by_role("link", name="Close").click()
    page.reload()
    expect(page.locator("main")).to_contain_text("forgotten: the next event wins")


def test_the_versions_of_a_shops_domain_are_counted_first_then_forgotten_and_audited(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    deployment.publish(*(product(5, f"D{number}") for number in range(3)), key="counter.products")
    wait_until(
        lambda: deployment.request("POST", "/api/versions/forget", COUNTER).json()["keys"] == 3,
        timeout=TIMEOUT,
        what="the products to be there",
    )
    page = windows.open(deployment.tokens["ana"])
    page.get_by_role("link", name="Forget versions").click()
    dialog(page).get_by_label("Shop").select_option("counter")
    dialog(page).get_by_label("Domain").select_option("products")
    dialog(page).get_by_role("button", name="Continue").click()
    expect(dialog(page)).to_contain_text("3 keys forget their version")
    no_barrier(page, "forget-domain")
    assert deployment.request("POST", "/api/versions/forget", COUNTER).json()["keys"] == 3  # Only counted so far.
    dialog(page).get_by_label("Reason").fill("the counter was restored")
    dialog(page).get_by_role("button", name="Forget").click()
    expect(dialog(page)).to_contain_text("3 keys are forgotten")
    [entry] = deployment.request("GET", "/api/audit?action=versions-forget&shop=counter").json()
    assert (entry["by"], entry["reason"], entry["count"]) == ("ana", "the counter was restored", 3)
    assert deployment.request("POST", "/api/versions/forget", COUNTER).json()["keys"] == 0


def test_a_held_load_deletes_after_a_second_look_and_is_cancelled(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    hold_load(deployment, "night")
    page = windows.open(deployment.tokens["ana"], "/loads")
    page.get_by_role("link", name="night").click()
    page.get_by_role("link", name="Delete 99 keys …").click()
    expect(dialog(page)).to_contain_text("99 keys that the load has not named are deleted from the shop.")
    no_barrier(page, "load-confirm")
    dialog(page).get_by_role("link", name="Back").click()
    page.get_by_role("link", name="Cancel the load …").click()
    expect(dialog(page)).to_contain_text("Nothing more is deleted.")
    no_barrier(page, "load-cancel")
    dialog(page).get_by_label("Reason").fill("a file was missing")
    dialog(page).get_by_role("button", name="Cancel the load").click()
    expect(dialog(page)).to_contain_text("The load night is cancelled")
    page.keyboard.press("Escape")
    expect(page.locator("main .head")).to_contain_text("Cancelled")
    entries = deployment.request("GET", "/api/audit?action=load-cancel").json()
    assert entries[0]["reason"] == "a file was missing"


@pytest.mark.parametrize("width", [390, 1440])
def test_a_refused_message_is_dropped_and_others_stay(
    deployment: PageDeployment, windows: BrowserWindows, width: int
) -> None:
    before = len(deployment.database.views.rows(QuarantineFilter()))
    deployment.publish(BAD_LINE, BAD_LINE)
    wait_until(
        lambda: len(deployment.database.views.rows(QuarantineFilter())) == before + 2,
        timeout=TIMEOUT,
        what="both to be refused",
    )
    page = windows.open(deployment.tokens["ana"], "/quarantine", width=width)
    page.get_by_role("link", name="Drop …").first.click()
    expect(dialog(page)).to_contain_text("1 message is removed for good.")
    no_barrier(page, f"drop-{width}")
    dialog(page).get_by_role("button", name="Drop 1").click()
    expect(dialog(page)).to_contain_text("The message is dropped.")
    assert len(deployment.database.views.rows(QuarantineFilter())) == before + 1
