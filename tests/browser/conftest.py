"""One browser for the tests of this folder, one Comporta a file; each test has windows of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser_windows import BrowserWindows, missing_chromium, running_browser
from tests.support.page_deployment import TIMEOUT, PageDeployment, running_page_deployment
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database


# Of the package, not of the session: while Playwright runs, no other test of this thread may run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if missing := missing_chromium():
        pytest.fail(missing)
    expect.set_options(timeout=TIMEOUT * 1000)
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageDeployment]:
    """A Comporta that the tests of one file share; they keep apart by keys, and leave it on."""
    folder = tmp_path_factory.mktemp("shared")
    with running_page_deployment(folder, rabbitmq.new_vhost(), postgres.new_database()) as deployment:
        yield deployment


@pytest.fixture
def deployment(shared_deployment: PageDeployment) -> Iterator[PageDeployment]:
    """It, with everything on and an ERP that takes each order."""
    shared_deployment.resume_all()
    shared_deployment.erp.default = "take"
    yield shared_deployment
    # Every order that waits for an answer gets it, so that no order of this test is in flight in the next.
    shared_deployment.erp.released.set()
    shared_deployment.erp.released.clear()


@pytest.fixture
def windows(browser: Browser, deployment: PageDeployment) -> Iterator[BrowserWindows]:
    """Windows on that Comporta; no complaint that the test does not expect, and no request to anybody else."""
    windows = BrowserWindows(browser, deployment.url)
    yield windows
    windows.close()
    assert windows.unexpected == []
