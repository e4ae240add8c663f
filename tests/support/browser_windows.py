"""Browser windows whose requests and console messages are noted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

__all__ = ["BrowserWindows", "barriers", "missing_chromium", "running_browser", "screenshot", "sign_in", "widths"]

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
_PATIENCE_MS = 30_000


def missing_chromium() -> str | None:
    """Say how to get a browser that is missing; None if it is there."""
    return None if _chromium() else "Chromium is not installed: run `make services`"


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Debian's Chromium, without a display, for as long as the block lasts."""
    with sync_playwright() as playwright:
        # Its sandbox needs rights that neither root nor a container has; it sees nothing but our own page.
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


def _chromium() -> str | None:
    # The shell has the same engine without the parts of a desktop, and a page takes it a third less of a processor.
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


class BrowserWindows:
    """Windows, each with cookies of its own, and the errors and foreign requests of them all."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url
        self.console_messages: list[str] = []
        self.foreign_requests: list[str] = []
        self._expected: list[str] = []
        self._opened: list[Any] = []

    def open(
        self,
        token: str | None = None,
        path: str = "/",
        *,
        language: str = "en-US",
        width: int = 1440,
        height: int = 900,
        theme: str = "light",
    ) -> Page:
        """Open a window with new cookies; with a token it is signed in first."""
        context = self._browser.new_context(
            locale=language,
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            timezone_id="America/Sao_Paulo",
        )
        context.set_default_timeout(_PATIENCE_MS)
        self._opened.append(context)
        page = context.new_page()
        self._watch(page)
        context.on("page", self._watch)
        page.goto(self.url + path)
        if token is not None:
            sign_in(page, token)
        return page

    def expect(self, *parts: str) -> None:
        """Allow messages with one of these texts in them."""
        self._expected += parts

    def close(self) -> None:
        """Close them all."""
        for context in self._opened:
            context.close()

    @property
    def unexpected(self) -> list[str]:
        """Messages that no test has allowed, and requests to other hosts."""
        return [
            each for each in self.console_messages if not any(part in each for part in self._expected)
        ] + self.foreign_requests

    def _watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.console_messages.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.text.startswith("htmx:sendAbort"):
            # A newer question has taken the place of one under way: htmx calls that an error, and the end of it, too.
            ends = [each for each in self.console_messages if each.startswith("error: htmx:afterRequest")]
            self.console_messages.remove(ends[-1])
            return
        # A breach of the content security policy is told here, too.
        if message.type in ("error", "warning"):
            self.console_messages.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc and not request.url.startswith("data:"):
            self.foreign_requests.append(f"asked elsewhere: {request.url}")


def sign_in(page: Page, token: str) -> None:
    """Fill in the login, and wait until the page behind it is there and its scripts have run."""
    page.get_by_label("Token").fill(token)
    page.locator("form.dialog button[type=submit]").click()
    page.locator("#integration").wait_for()
    # Until then a link that opens a dialog leads to a page, and nobody notices that the server has gone.
    page.wait_for_load_state()


def screenshot(page: Page, name: str, *, whole: bool = False, around: str | None = None) -> None:
    """Save a screenshot of a window, of the whole page, or of one element."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    if around is None:
        page.screenshot(path=path, full_page=whole, animations="disabled")
    else:
        page.locator(around).screenshot(path=path, animations="disabled")


def widths(page: Page, *widths: int, height: int = 900) -> Iterator[int]:
    """Show a page at one width after the other; what a script draws to a width is loaded anew."""
    drawn = page.locator(".chart").count() > 0
    for width in widths:
        page.set_viewport_size({"width": width, "height": height})
        if drawn:
            page.reload()
        yield width


def barriers(page: Page) -> list[str]:
    """Return what axe-core finds, a line each."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:120]} {node['failureSummary']}" for each in found for node in each["nodes"]]
