"""Looks and handling: two languages, widths and themes, the keyboard, and rules of accessibility."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from storage.views import QuarantineFilter
from tests.support.browser_windows import BrowserWindows, barriers, widths
from tests.support.page_deployment import TIMEOUT, PageDeployment
from tests.support.stock_lines import BAD_LINE
from tests.support.wait import wait_until

ROOMS = (
    "/", "/?range=day&domain=stock", "/orders", "/order?shop=main&id=L1", "/missed", "/quarantine", "/repairs",
    "/ledger", "/audit", "/workers", "/search?text=P701", "/switch/off", "/switch/on", "/missed/resync",
)  # fmt: skip
MOST_BYTES = 150_000


@pytest.fixture
def filled(deployment: PageDeployment) -> PageDeployment:
    """Something to see in every room: what is applied, missed, refused and ordered, and a part of it off."""
    if deployment.order_state("L1") is None:
        deployment.publish_stock(701, 702)
        deployment.switch("pause", domains=["stock"], reason="counting the warehouse")
        deployment.publish_stock(703, product_code="P701")
        deployment.switch("resume", domains=["stock"], reason="counted")
        deployment.erp.script.append("400")
        deployment.place_order("L1", "rejected")
        deployment.publish(BAD_LINE)
        wait_until(
            lambda: deployment.database.views.rows(QuarantineFilter()),
            timeout=TIMEOUT,
            what="something in the quarantine",
        )
    deployment.switch("pause", shop="main", domains=["prices", "images"], reason="a new price list from the ERP")
    return deployment


def test_the_language_is_the_browser_s_until_somebody_chooses(
    deployment: PageDeployment, windows: BrowserWindows
) -> None:
    page = windows.open(deployment.tokens["rui"], language="pt-BR")
    expect(page.locator("html")).to_have_attribute("lang", re.compile("^pt"))
    expect(page.locator("#integration")).to_contain_text("Ligada")
    deployment.switch("pause", reason="balanço", until="2099-12-31T23:00:00Z")
    expect(page.locator("#integration")).to_contain_text("Desligada")
    expect(page.locator("#banner time").last).to_have_text("31/12/2099 20:00:00")
    expect(page.locator("footer")).to_have_text(re.compile("^Horários: Horário (Padrão )?de Brasília"))
    page.get_by_label("Idioma, tema e sessão").click()
    page.get_by_role("link", name="English").click()
    expect(page.locator("#integration")).to_contain_text("Off")
    page.reload()
    expect(page.locator("#banner time").last).to_have_text("2099-12-31 20:00:00")
    expect(page.locator("#banner time").last).to_have_attribute(
        "title", re.compile("^Brasilia (Standard )?Time · 2099-12-31 23:00:00 UTC$")
    )
    assert windows.open(language="fr-FR").locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("language", ["en-US", "pt-BR"])
def test_every_room_fits_each_width_with_the_switch_at_the_top_right(
    filled: PageDeployment, windows: BrowserWindows, language: str
) -> None:
    page = windows.open(filled.tokens["ana"], language=language)
    for room in (*ROOMS, message_room(filled)):
        page.goto(filled.url + room)
        for width in widths(page, 1440, 1024, 768, 360, height=800):
            size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert size[0] <= size[1], (room, width)
            page.evaluate("scrollTo(0, document.body.scrollHeight)")
            box = page.locator("#integration .toggle").bounding_box()
            assert box is not None, (room, width)
            assert 0 <= box["y"] < 120, (room, width)
            assert width / 2 < box["x"] < box["x"] + box["width"] <= width, (room, width)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 360)])
def test_no_room_has_a_barrier(filled: PageDeployment, windows: BrowserWindows, theme: str, width: int) -> None:
    stranger = windows.open(theme=theme, width=width)
    assert barriers(stranger) == []
    page = windows.open(filled.tokens["ana"], theme=theme, width=width)
    for room in (*ROOMS, message_room(filled), "/nowhere"):
        windows.expect("status of 404")
        page.goto(filled.url + room)
        assert barriers(page) == [], room
    page.goto(filled.url)
    page.get_by_role("button", name="Integration partly off: change").click()
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_visible()
    assert barriers(page) == [], "the dialog"


def test_the_switch_is_turned_by_keyboard_alone(deployment: PageDeployment, windows: BrowserWindows) -> None:
    page = windows.open(deployment.tokens["ana"])
    toggle, dialog = page.get_by_role("switch", name="Integration"), page.get_by_role("dialog")
    press_until_focused(page, ".toggle")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(toggle).to_be_focused()
    page.keyboard.press("Space")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Enter")
    # Without a reason nothing is sent.
    press_until_focused(page, "dialog .acts [data-close]")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert not any(switch.off for switch in deployment.database.views.status().switches)
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading")).to_have_text("The integration is off")
    page.keyboard.press("Escape")
    expect(page.locator("#integration")).to_contain_text("Off")
    expect(toggle).to_be_focused()


def test_the_page_weighs_little(filled: PageDeployment, windows: BrowserWindows) -> None:
    page = windows.open(filled.tokens["ana"])
    page.locator(".chart canvas").wait_for()
    weights = page.evaluate(
        """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
            .map((each) => [each.name, each.encodedBodySize])"""
    )
    assert len(weights) > 8
    assert sum(weight for _, weight in weights) < MOST_BYTES, sorted(weights, key=lambda each: -each[1])


def message_room(deployment: PageDeployment) -> str:
    return f"/quarantine/message?id={deployment.database.views.rows(QuarantineFilter())[0]['id']}"


def press_until_focused(page: Page, selector: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} is not reached by Tab")
