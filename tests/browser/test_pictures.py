"""Pictures of each main state, kept in build/screenshots to be looked at, with a day behind it that might have been."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select, update

from rules.outcomes import Outcome, Tally
from storage.ledger import add_tally
from storage.tables import audit, switches
from tests.support.browser_windows import BrowserWindows, screenshot
from tests.support.page_deployment import TIMEOUT, PageDeployment
from tests.support.wait import wait_until

LANGUAGES = {"en-US": "", "pt-BR": ".pt-BR"}
REASON = {"en-US": "ERP server maintenance", "pt-BR": "Manutenção do servidor do ERP"}
COUNTING = {"en-US": "Stock count", "pt-BR": "Inventário"}
_SHARES = {"stock": 420, "prices": 160, "products": 36, "customers": 22, "images": 14, "packagings": 9}
_MINUTES = 24 * 60


@pytest.fixture
def filled(deployment: PageDeployment) -> PageDeployment:
    """A day of business, an hour of the simulated ERP's, and some of it gone wrong."""
    if deployment.outcome_count("stock") == 0:
        plant(deployment)
        deployment.erp.script += ["take", "take", "400", "take", "take", "take", "400"]
        simulate(deployment, "--count", "1200", "--orders", "12", "--bad", "0.01")
        deployment.switch("pause", reason="ERP server maintenance", until=later(hours=2))
        simulate(deployment, "--count", "420", "--orders", "9", "--first-sequence", "100000", "--seed", "2")
        deployment.switch("resume", reason="ERP is back")
        simulate(deployment, "--count", "330", "--first-sequence", "200000", "--seed", "3")
    return deployment


def plant(deployment: PageDeployment) -> None:
    """The ledger of a day before: business hours swell, and a part is superseded."""
    now = datetime.now(UTC)
    with deployment.database.fence.shared() as connection:
        for back in range(1, _MINUTES):
            swell = 1 + 0.35 * math.sin(back / 13) + 0.15 * math.sin(back / 3.1)
            came_in: Counter[str] = Counter()
            tally: Tally = Counter()
            for domain, share in _SHARES.items():
                applied, superseded = int(share * swell), int(share * swell / 24)
                came_in[domain] = applied + superseded
                tally["main", domain, Outcome.APPLIED] = applied
                tally["main", domain, Outcome.SUPERSEDED] = superseded
            add_tally(connection, "before", came_in, tally, now - timedelta(minutes=back))


def simulate(deployment: PageDeployment, *arguments: str) -> None:
    """Lets the simulated ERP and its shop speak, and waits until all of it is settled."""
    before = came_in(deployment)
    done = deployment.programs.run("simulate", "--source", "nfe", *arguments, "--json", **deployment.settings)
    assert done.code == 0, done.err
    wait_until(
        lambda: came_in(deployment) >= before + done.json["confirmed"], timeout=TIMEOUT, what="all to be settled"
    )


def came_in(deployment: PageDeployment) -> int:
    return sum(sum(outcomes.values()) for outcomes in deployment.database.views.totals().values())


def later(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


def off_for(deployment: PageDeployment, span: timedelta) -> None:
    """Lets what is off have been off for so long."""
    with deployment.database.fence.exclusive() as connection:
        began = datetime.now(UTC) - span
        connection.execute(update(switches).where(switches.c.off).values(since=began))
        newest = select(func.max(audit.c.epoch)).scalar_subquery()
        connection.execute(update(audit).where(audit.c.epoch == newest).values(at=began))


def shows(page: Page, state: str) -> None:
    """Waits for a state of the switch, and for what is drawn late."""
    expect(page.locator(".integration")).to_have_class(f"integration is-{state}")
    page.locator(".chart canvas").wait_for()
    page.mouse.move(0, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_room(filled: PageDeployment, windows: BrowserWindows, language: str) -> None:
    page = windows.open(filled.tokens["ana"], language=language, width=1280, height=800)
    for room in ("orders", "missed", "quarantine", "repairs", "ledger", "audit", "workers"):
        page.goto(f"{filled.url}/{room}")
        expect(page.locator("main .card").first).to_be_visible()
        screenshot(page, f"{room}{LANGUAGES[language]}")
    page.goto(f"{filled.url}/quarantine")
    page.locator("#quarantine tbody th a").first.click()
    expect(page.locator("main pre").first).to_be_visible()
    screenshot(page, f"message{LANGUAGES[language]}")
    page.goto(f"{filled.url}/orders?state=internalized")
    page.locator("main tbody th a").first.click()
    expect(page.locator("#order")).to_be_visible()
    screenshot(page, f"order{LANGUAGES[language]}", whole=True)
    stranger = windows.open(language=language)
    screenshot(stranger, f"login{LANGUAGES[language]}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_switch(filled: PageDeployment, windows: BrowserWindows, language: str, theme: str) -> None:
    def keep(name: str, **how: Any) -> None:
        screenshot(page, f"{name}{LANGUAGES[language]}{'-dark' if theme == 'dark' else ''}", **how)

    page = windows.open(filled.tokens["ana"], language=language, theme=theme, width=1280, height=800)
    shows(page, "on")
    keep("on")
    keep("on-whole", whole=True)
    page.locator(".integration .toggle").click()
    page.locator("#reason").fill(REASON[language])
    page.locator("#cost .figures").wait_for()
    keep("dialog")
    keep("dialog-alone", around="#dialog")
    page.locator("#dialog .danger").click()
    page.locator("#dialog .facts").wait_for()
    keep("switched-off")
    off_for(filled, timedelta(minutes=12))
    page.goto(filled.url)
    shows(page, "off")
    keep("off")
    filled.resume_all()
    filled.switch("pause", shop="main", domains=["stock", "prices"], reason=COUNTING[language], until=later(minutes=50))
    off_for(filled, timedelta(minutes=5))
    page.goto(filled.url)
    shows(page, "partly")
    keep("partly")


@pytest.mark.parametrize("language", LANGUAGES)
def test_on_a_phone(filled: PageDeployment, windows: BrowserWindows, language: str) -> None:
    page = windows.open(filled.tokens["ana"], language=language, width=360, height=740)
    shows(page, "on")
    screenshot(page, f"phone{LANGUAGES[language]}")
    screenshot(page, f"phone-whole{LANGUAGES[language]}", whole=True)
    page.locator(".integration .toggle").click()
    page.locator("#cost .figures").wait_for()
    screenshot(page, f"phone-dialog{LANGUAGES[language]}")
    filled.switch("pause", reason=REASON[language], until=later(hours=2))
    off_for(filled, timedelta(minutes=12))
    page.goto(filled.url)
    shows(page, "off")
    screenshot(page, f"phone-off{LANGUAGES[language]}")
