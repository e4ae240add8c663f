"""Behind a proxy that shows the page below a path and takes the path off: every link, form and stream stays there."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.browser_windows import BrowserWindows, sign_in
from tests.support.page_deployment import running_page_deployment
from tests.support.services.broker import Broker
from tests.support.services.ports import free_port
from tests.support.services.postgres import Database
from tests.support.services.prefix_proxy import running_prefix_proxy

ROOT = "/erp/comporta"
PAGES = ("Orders", "Missed", "Quarantine", "Repairs", "Ledger", "Audit", "Workers", "Overview")


def test_the_page_works_below_a_path(browser: Browser, rabbitmq: Broker, postgres: Database, tmp_path: Path) -> None:
    port = free_port()
    public = f"http://127.0.0.1:{port}{ROOT}"
    urls = rabbitmq.new_vhost(), postgres.new_database()
    with (
        running_page_deployment(tmp_path, *urls, program="admin", PUBLIC_URL=public) as deployment,
        running_prefix_proxy(port, ROOT, deployment.settings["ADMIN_PORT"]),
    ):
        windows = BrowserWindows(browser, public)
        page = windows.open(path="/audit?action=pause")
        assert page.url.startswith(f"{public}/login?next=")
        sign_in(page, deployment.tokens["ana"])
        assert page.url == f"{public}/audit?action=pause"
        for name in PAGES:
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
            # Before it stands that nothing takes messages: there is no worker here.
            expect(page).to_have_title(re.compile(f"{name} · Comporta · staging$"))
            assert page.url.startswith(f"{public}/")
        deployment.switch("pause", domains=["stock"], reason="seen through the proxy")
        expect(page.locator("#banner")).to_contain_text("seen through the proxy")
        page.get_by_role("link", name="Switch on").click()
        page.get_by_role("dialog").get_by_label("Reason").fill("back")
        page.get_by_role("dialog").get_by_role("button", name="Switch on").click()
        page.get_by_role("dialog").get_by_role("link", name="Repair sheet").click()
        expect(page).to_have_url(f"{public}/repairs")
        page.get_by_label("Language, theme and session").click()
        page.get_by_role("link", name="Português").click()
        expect(page).to_have_url(f"{public}/repairs")
        expect(page.locator("#integration")).to_contain_text("Ligada")
        page.get_by_label("Idioma, tema e sessão").click()
        page.get_by_role("button", name="Sair").click()
        expect(page).to_have_url(f"{public}/login")
        page.goto(f"{public}/docs")
        windows.close()
        assert windows.unexpected == []
