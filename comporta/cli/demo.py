"""Demo: worker, page, simulated ERP and shop in one process, on the embedded broker and SQLite."""

from __future__ import annotations

import shlex
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from comporta.cli.status_view import headline, order_lines, outcome_table, switch_lines
from comporta.runtime.login_link import shown_link
from comporta.runtime.partition_settings import WITHOUT_PARTITIONS
from comporta.runtime.process import Running, run_until
from comporta.runtime.server_settings import WITHOUT_LOGINS
from comporta.runtime.settings import PREFIX, Settings, load_settings
from comporta.runtime.threads import stop_on_signals
from comporta.simulator.erp import Faults, SimulatedErp
from comporta.simulator.feeds import Feeds
from comporta.simulator.nfe import nfe_catalogue
from comporta.simulator.receipts import AnsweringErp
from comporta.simulator.shop import SimulatedShop
from comporta.simulator.sources import NFE, orders_from
from comporta.web.server import web_server
from schemas.domains import DOMAIN_NAMES

__all__ = ["run_demo"]

_SHOP = "main"
_FAULTS = Faults(duplicates=0.03, reordered=0.03, bad=0.005, deletes=0.002, retold=0.005)
_SETTLE_SECONDS = 10.0


def run_demo(console: Console, seconds: float | None, port: int | None) -> int:
    """Run until Ctrl-C, or for `seconds`; return 0 if every event is accounted for."""
    erp = SimulatedErp(7, _SHOP, nfe_catalogue(), faults=_FAULTS, clock=lambda: datetime.now(UTC))
    # A signal ends the feeds; the worker stops once every published message is accounted for.
    ending, stop = threading.Event(), threading.Event()
    stop_on_signals(ending)
    with tempfile.TemporaryDirectory(prefix="comporta-demo-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(
            **WITHOUT_LOGINS,
            **WITHOUT_PARTITIONS,
            broker_url="memory://",
            database_url=f"sqlite:///{Path(folder) / 'demo.db'}",
            admin_host="127.0.0.1",
            admin_port=_free_port() if port is None else port,
            operators_file=None,
            public_url=None,
            log_level="ERROR",
        )
        shop = SimulatedShop(7, _SHOP, orders_from(NFE), clock=lambda: datetime.now(UTC))
        feeds = Feeds(settings.broker_url, erp, shop, AnsweringErp(7))
        demo = _Demo(console, settings, feeds, ending, stop, seconds)
        code = run_until(settings, DOMAIN_NAMES, stop, web_server, extra_threads=demo.loops)
        return code or demo.code


def _free_port() -> int:
    """Return 8080 if it is free, else any free port."""
    for port in (8080, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


@dataclass
class _Demo:
    console: Console
    settings: Settings
    feeds: Feeds
    ending: threading.Event
    stop: threading.Event
    seconds: float | None
    code: int = 1

    def loops(self, running: Running) -> Mapping[str, Callable[[], None]]:
        """Return the loops beside the worker: the feeds, and the table on the terminal."""
        self._print_intro(running)
        return {**self.feeds.loops(self.stop), "table": lambda: self._run_table(running)}

    def _print_intro(self, running: Running) -> None:
        port = running.port
        variable = "" if port == 8080 else f"{PREFIX}ADMIN_PORT={port} "
        link = shown_link(running.link or "", port, terminal=self.console.is_terminal)
        self.console.print(f"Page: {link}", markup=False, soft_wrap=True)
        self.console.print(f"The API's documentation: http://127.0.0.1:{port}/docs")
        self.console.print("In another terminal, in this folder:")
        for command in ('pause --reason "ERP maintenance" --for 2h', 'resume --reason "done"', "missed list"):
            self.console.print(f"  {variable}.venv/bin/comporta {command}", markup=False)
        # `tail` reads the database itself, and the demo has one of its own.
        variable = f"{PREFIX}DATABASE_URL={shlex.quote(self.settings.database_url)}"
        self.console.print(f"  {variable} .venv/bin/comporta tail", markup=False, soft_wrap=True)
        self.console.print("Ctrl-C ends." if self.seconds is None else f"Ends by itself after {self.seconds:g} s.")

    def _run_table(self, running: Running) -> None:
        terminal = self.console.is_terminal
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            end = time.monotonic() + self.seconds if self.seconds is not None else float("inf")
            while not self.ending.wait(min(0.5, max(0.0, end - time.monotonic()))):
                if time.monotonic() >= end or self.stop.is_set():
                    break
                if terminal:
                    live.update(self._table(running), refresh=True)
        self.feeds.end()
        self._wait_until_accounted(running)
        self.console.print(self._table(running))
        accounted = self._accounted(running)
        self.code = 0 if accounted == self.feeds.published else 1
        self.console.print(
            f"{self.feeds.published:,} published = {accounted:,} applied + superseded + discarded + quarantined; "
            f"difference {self.feeds.published - accounted:,}"
        )
        self.stop.set()

    def _wait_until_accounted(self, running: Running) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._accounted(running) < self.feeds.published and time.monotonic() < deadline:
            time.sleep(0.05)

    def _accounted(self, running: Running) -> int:
        return sum(sum(counts.values()) for counts in running.database.views.totals().values())

    def _table(self, running: Running) -> Group:
        document, totals = running.database.views.status(), running.database.views.totals()
        published = Text(f"{self.feeds.published:,} messages published")
        table = outcome_table(document, totals)
        return Group(headline(document), *switch_lines(document), table, *order_lines(document), published)
