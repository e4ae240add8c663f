"""The broker or the database is lost, and comes back: the page says so, keeps its word, and recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, expect

from storage.views import QuarantineFilter
from tests.support.browser_windows import BrowserWindows
from tests.support.page_deployment import TIMEOUT, PageDeployment, running_page_deployment
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.stock_lines import stock_line
from tests.support.wait import wait_until


class ProxiedDeployment(NamedTuple):
    """Deployment that reaches its broker and its database through proxies; the test reaches them directly."""

    deployment: PageDeployment
    windows: BrowserWindows
    broker: Proxy
    database: Proxy

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """What /readyz says of the two."""
        answer = httpx.get(f"{self.deployment.url}/readyz", timeout=TIMEOUT)
        document = answer.json()
        return answer.status_code, {name: document[name]["reachable"] for name in ("broker", "database")}

    def wait_for_readiness(self, status: int, **reachable: bool) -> None:
        """Waits until /readyz says so."""
        wait_until(lambda: self.readiness() == (status, reachable), timeout=TIMEOUT, what=f"{status} {reachable}")


@pytest.fixture
def proxied(browser: Browser, rabbitmq: Broker, postgres: Database, tmp_path: Path) -> Iterator[ProxiedDeployment]:
    urls = rabbitmq.new_vhost(), postgres.new_database()
    with ExitStack() as stack:
        broker, database = stack.enter_context(Proxy(rabbitmq.port)), stack.enter_context(Proxy(postgres.port))
        through = {"BROKER_URL": broker.through(urls[0]), "DATABASE_URL": database.through(urls[1])}
        deployment = stack.enter_context(running_page_deployment(tmp_path, *urls, **through))
        windows = BrowserWindows(browser, deployment.url)
        stack.callback(windows.close)
        yield ProxiedDeployment(deployment, windows, broker, database)
        windows.close()
        assert windows.unexpected == []


def test_the_broker_is_lost_and_comes_back(proxied: ProxiedDeployment) -> None:
    deployment, windows = proxied.deployment, proxied.windows
    page = windows.open(deployment.tokens["ana"])
    deployment.publish(b"{")
    wait_until(
        lambda: deployment.database.views.rows(QuarantineFilter()), timeout=TIMEOUT, what="something in the quarantine"
    )
    proxied.broker.refuse()
    proxied.wait_for_readiness(503, broker=False, database=True)
    expect(page.locator("#lost")).to_contain_text("The broker has been unavailable since")
    # The switch needs no broker.
    page.get_by_role("switch", name="Integration").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("the broker is away")
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("The integration is off")
    deployment.publish(stock_line(1))
    # What is replayed while all is off would be discarded: that is asked first.
    windows.expect("status of 503", "status of 428")
    page.goto(f"{deployment.url}/quarantine")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("Refused")
    assert len(deployment.database.views.rows(QuarantineFilter())) == 1
    proxied.broker.resume()
    proxied.wait_for_readiness(200, broker=True, database=True)
    expect(page.locator("#lost")).to_be_hidden()
    page.goto(deployment.url)
    # What was published meanwhile is discarded: the page's word held.
    expect(page.locator("#domains tr").filter(has_text="Stock").locator("td[data-label=Missed]")).to_have_text("1")


def test_the_database_is_lost_and_comes_back(proxied: ProxiedDeployment) -> None:
    deployment, windows = proxied.deployment, proxied.windows
    windows.expect("status of 503")
    page, other = windows.open(deployment.tokens["ana"]), windows.open(deployment.tokens["rui"], "/orders")
    proxied.database.refuse()
    proxied.wait_for_readiness(503, broker=True, database=False)
    expect(page.locator("#lost")).to_contain_text("The database has been unavailable since")
    expect(page.locator("#integration")).to_contain_text("On")
    other.goto(f"{deployment.url}/missed")
    expect(other.get_by_role("heading")).to_have_text("The database is unavailable")
    expect(other.locator("main")).to_contain_text("What is switched off stays off, and nothing is lost")
    deployment.publish(stock_line(1))
    proxied.database.resume()
    proxied.wait_for_readiness(200, broker=True, database=True)
    expect(page.locator("#lost")).to_be_hidden()
    expect(other).to_have_title("Missed · Comporta · staging")
    expect(page.locator("#balance")).to_contain_text("1Applied")


def test_the_page_s_process_ends_and_another_one_takes_its_place(proxied: ProxiedDeployment) -> None:
    deployment, windows = proxied.deployment, proxied.windows
    # A request may be under way when the process ends.
    windows.expect("ERR_", "status of 401", "htmx:sendError", "htmx:afterRequest")
    page = windows.open(deployment.tokens["ana"], "/orders")
    assert deployment.program.stop() == 0
    expect(page.locator("#lost")).to_contain_text("Connection lost; data from")
    deployment.start("run")
    # It knows none of the sessions of the one before.
    expect(page).to_have_url(f"{deployment.url}/login?error=ended&next=%2Forders")
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
