"""Page deployment: Comporta on RabbitMQ and PostgreSQL, with an ERP over HTTP and two operators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from control.auth.operators_edit import add_operator
from control.auth.tokens import Role
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.topology import EVENTS, ORDERS_IN
from storage.database import Database, open_database
from tests.support.order_events import placed
from tests.support.programs import Program, Programs, running_programs
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.ports import free_port
from tests.support.stock_lines import stock_line
from tests.support.wait import wait_until

__all__ = ["LABEL", "TIMEOUT", "PageDeployment", "running_page_deployment"]

LABEL = "staging"
# The machine may be busy with another process of tests; nothing waits longer than it has to.
TIMEOUT = 30.0


@dataclass
class PageDeployment:
    """Running Comporta, its address and its database."""

    programs: Programs
    settings: dict[str, Any]
    url: str
    erp: HttpErp
    database: Database
    publisher: Publisher
    tokens: dict[str, str]
    _program: Program | None = None

    @property
    def program(self) -> Program:
        """Process with the page."""
        assert self._program is not None
        return self._program

    def start(self, *arguments: str) -> None:
        """Start the process, or another one in its place, and wait until it consumes."""
        self._program = self.programs.start(*arguments, **self.settings)
        self.program.wait_for("listening")
        if arguments == ("run",):
            for session in ("events", "control", "orders"):
                self.program.wait_for("broker connected", session=session)

    def add_operator(self, name: str, role: str) -> str:
        """Add an operator with the command; return the token."""
        done = self.programs.run("operator", "add", name, "--role", role, **self.settings)
        assert done.code == 0, done.err
        self.tokens[name] = done.out.splitlines()[-1]
        return self.tokens[name]

    def request(self, method: str, path: str, body: object = None, who: str = "ana") -> httpx.Response:
        """Send one request to the API as this operator."""
        headers = {"authorization": f"Bearer {self.tokens[who]}"}
        return httpx.request(method, f"{self.url}{path}", json=body, headers=headers, timeout=TIMEOUT)

    def switch(self, action: str, **message: Any) -> dict[str, Any]:
        """Pause or resume by the API; return the reply."""
        answer = self.request("POST", f"/api/{action}", {"reason": "a test", **message})
        assert answer.status_code == 200, answer.text
        reply: dict[str, Any] = answer.json()
        return reply

    def resume_all(self) -> None:
        """Resume every switch that is off."""
        for switch in self.database.views.status().switches:
            if switch.off:
                self.switch("resume", shop=switch.shop, domains=[switch.domain])

    def publish(self, *bodies: bytes, key: str = "main.stock", exchange: str = EVENTS) -> None:
        """Publish messages; return when the broker has them."""
        messages = [OutgoingMessage(exchange, key, body, str(uuid4())) for body in bodies]
        assert {result.fate for result in self.publisher.publish_all(messages)} <= {Fate.CONFIRMED}

    def publish_stock(self, *versions: int, **data: Any) -> None:
        """Publish the stock of products P<version>, and wait until each has an outcome."""
        before = self.outcome_count("stock")
        self.publish(*(stock_line(version, **data) for version in versions))
        wait_until(
            lambda: self.outcome_count("stock") >= before + len(versions), timeout=TIMEOUT, what="the outcomes of stock"
        )

    def place_order(self, order_id: str, state: str, **data: Any) -> None:
        """Place an order, and wait until it has a state."""
        self.publish(placed(order_id, **data), key="main", exchange=ORDERS_IN)
        self.wait_for_order(order_id, state)

    def wait_for_order(self, order_id: str, state: str) -> None:
        """Wait until an order has a state."""
        wait_until(lambda: self.order_state(order_id) == state, timeout=TIMEOUT, what=f"{order_id} to be {state}")

    def order_state(self, order_id: str) -> str | None:
        """Return an order's state in the database."""
        order = self.database.views.order("main", order_id)
        return None if order is None else str(order["state"])

    def outcome_count(self, domain: str, *outcomes: str) -> int:
        """Count the deliveries of a domain with any of these outcomes, or with any at all."""
        found = self.database.views.totals().get(domain, {})
        return sum(count for outcome, count in found.items() if not outcomes or outcome in outcomes)

    def on_hand(self, code: str) -> float | None:
        """Return the stock of a product in the shop's table."""
        rows = [row for row in self.database.views.biography(code).entities if row["domain"] == "stock"]
        return float(rows[0]["state"]["on_hand"]) if rows else None


@contextmanager
def running_page_deployment(
    folder: Path, broker_url: str, database_url: str, *, program: str = "run", **more: Any
) -> Iterator[PageDeployment]:
    """Run Comporta with an operator, ana, and a viewer, rui; all of it ends with the block."""
    with ExitStack() as stack:
        erp = stack.enter_context(running_http_erp())
        programs = stack.enter_context(running_programs(folder))
        port = free_port()
        settings = {
            "BROKER_URL": broker_url,
            "DATABASE_URL": database_url,
            "ERP_URL": erp.url,
            "OPERATORS_FILE": folder / "operators.toml",
            "ADMIN_PORT": port,
            "ADMIN_LABEL": LABEL,
            **more,
        }
        database = open_database(database_url)
        stack.callback(database.close)
        publisher = stack.enter_context(Publisher(broker_url, name="test"))
        deployment = PageDeployment(programs, settings, f"http://127.0.0.1:{port}", erp, database, publisher, {})
        for name, role in (("ana", Role.OPERATOR), ("rui", Role.VIEWER)):
            deployment.tokens[name] = add_operator(settings["OPERATORS_FILE"], name, role)
        deployment.start(program)
        yield deployment
