"""Everything in one process on the embedded default, fed by a simulated ERP with real invoices."""

from __future__ import annotations

import shlex
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from broker.publisher import SinglePublisher
from control.cli.views import headline, outcome_table, switch_lines
from control.lifecycle import stop_on_signals
from control.service import Running, run_until
from control.settings import PREFIX, Settings, load_settings
from producers.simulator.erp import Faults, SimulatedErp
from producers.simulator.messages import ErpMessage
from producers.simulator.nfe import nfe_catalogue
from schemas.registry import DOMAINS
from schemas.topology import EVENTS

__all__ = ["run_demo"]

_SHOP = "main"
_PER_SECOND = 200
_FAULTS = Faults(duplicates=0.03, reordered=0.03, bad=0.005, deletes=0.002)
_SETTLE_SECONDS = 10.0
_CONTENT_TYPE = "application/cloudevents+json"


def run_demo(console: Console, seconds: float | None, port: int | None) -> int:
    """Runs until Ctrl-C, or for so many seconds; returns 0 when every event is accounted for."""
    erp = SimulatedErp(7, _SHOP, nfe_catalogue(), faults=_FAULTS, clock=lambda: datetime.now(UTC))
    # A signal ends the ERP; the worker is stopped when all that was published is accounted for.
    ending, stop = threading.Event(), threading.Event()
    stop_on_signals(ending)
    with tempfile.TemporaryDirectory(prefix="comporta-demo-", ignore_cleanup_errors=True) as folder:
        settings = load_settings(
            broker_url="memory://",
            database_url=f"sqlite:///{Path(folder) / 'demo.db'}",
            admin_host="127.0.0.1",
            admin_port=_free_port() if port is None else port,
            log_level="ERROR",
        )
        demo = _Demo(console, settings, erp, ending, stop, seconds)
        code = run_until(settings, tuple(DOMAINS), stop, with_web=True, beside=demo.loops)
        return code or demo.code


def _free_port() -> int:
    """8080 if it is free, else any."""
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
    erp: SimulatedErp
    ending: threading.Event
    stop: threading.Event
    seconds: float | None
    published: int = 0
    code: int = 1
    _fed: threading.Event = field(default_factory=threading.Event)

    def loops(self, running: Running) -> Mapping[str, Callable[[], None]]:
        """What runs beside the worker: the ERP and the table on the terminal."""
        self._greet(running.port)
        return {"erp": self._feed, "table": lambda: self._show(running)}

    def _greet(self, port: int) -> None:
        variable = "" if port == 8080 else f"{PREFIX}ADMIN_PORT={port} "
        self.console.print(f"API: http://127.0.0.1:{port}/api/status (docs: http://127.0.0.1:{port}/docs)")
        self.console.print("In another terminal, in this folder:")
        for command in ('pause --reason "ERP maintenance" --for 2h', 'resume --reason "done"', "missed list"):
            self.console.print(f"  {variable}.venv/bin/comporta {command}", markup=False)
        # What is watched is read from the database itself, and the demo has one of its own.
        where = f"{PREFIX}DATABASE_URL={shlex.quote(self.settings.database_url)}"
        self.console.print(f"  {where} .venv/bin/comporta tail", markup=False, soft_wrap=True)
        self.console.print("Ctrl-C ends." if self.seconds is None else f"Ends by itself after {self.seconds:g} s.")

    def _feed(self) -> None:
        publisher = SinglePublisher(self.settings.broker_url, "simulated ERP")
        ends = time.monotonic() + self.seconds if self.seconds is not None else None
        for message in self._paced():
            if self.ending.is_set() or (ends is not None and time.monotonic() >= ends):
                break
            publisher.publish(
                message.body, exchange=EVENTS, routing_key=message.routing_key, content_type=_CONTENT_TYPE
            )
            self.published += 1
        self._fed.set()
        self.stop.wait()

    def _paced(self) -> Iterator[ErpMessage]:
        yield from self.erp.initial_load()
        started = time.monotonic()
        for number, message in enumerate(self.erp.changes()):
            ahead = started + number / _PER_SECOND - time.monotonic()
            if ahead > 0:
                self.ending.wait(ahead)
            yield message

    def _show(self, running: Running) -> None:
        terminal = self.console.is_terminal
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while not self.stop.wait(0.5 if terminal else 0.1):
                if terminal:
                    live.update(self._picture(running), refresh=True)
                if self._fed.is_set():
                    break
        self._wait_until_accounted(running)
        self.console.print(self._picture(running))
        accounted = self._accounted(running)
        self.code = 0 if accounted == self.published else 1
        self.console.print(
            f"{self.published:,} published = {accounted:,} applied + superseded + discarded + quarantined; "
            f"difference {self.published - accounted:,}"
        )
        self.stop.set()

    def _wait_until_accounted(self, running: Running) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._accounted(running) < self.published and time.monotonic() < deadline:
            time.sleep(0.05)

    def _accounted(self, running: Running) -> int:
        return sum(sum(counts.values()) for counts in running.database.views.totals().values())

    def _picture(self, running: Running) -> Group:
        document, totals = running.database.views.status(), running.database.views.totals()
        published = Text(f"{self.published:,} events published")
        return Group(headline(document), *switch_lines(document), outcome_table(document, totals), published)
