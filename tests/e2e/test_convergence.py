"""Any order, repetition, batch cut, pause and resume give the state of a five-line model."""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from consumers.delivery import Delivery
from consumers.source import Intake
from consumers.worker import Worker
from schemas.control import Command, ControlMessage
from storage.database import open_database
from storage.engine import open_engine
from storage.store import Store
from storage.switchboard import Switchboard
from storage.tables import ENTITY_TABLES
from tests.unit.test_events import event

Version = tuple[int, str]


class Convergence(RuleBasedStateMachine):
    """A worker stepped by hand over a queue of raw deliveries, against what should come of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.folder.name) / 'c.db'}"
        self.database, self.engine = open_database(url), open_engine(url)
        self.database.migrate()
        self.board = Switchboard(self.database.fence, lambda _: None)
        store = Store(self.database.fence, self.board, "w")
        self.worker = Worker("memory://", ("stock",), Intake(), store, threading.Event())
        self.queue: deque[Delivery] = deque()
        self.size, self.settled = 1, 0
        self.off: set[str] = set()
        self.applied: dict[tuple[str, str], Version] = {}
        self.missed: dict[tuple[str, str], Version] = {}

    def teardown(self) -> None:
        self.database.close()
        self.engine.dispose()
        self.folder.cleanup()

    def receive(self, wait: float) -> list[Delivery]:
        return [self.queue[n] for n in range(min(self.size, len(self.queue)))]

    def settle(self, batch: list[Delivery]) -> None:
        for delivery in batch:
            assert self.queue.popleft() is delivery
        self.settled += len(batch)

    def keep_alive(self, seconds: float) -> None:
        raise AssertionError("the database is never away here")

    @rule(
        shop=st.sampled_from("ab"),
        key=st.sampled_from("xyz"),
        version=st.integers(0, 5),
        identity=st.sampled_from(["i", "j"]),
        action=st.sampled_from(["changed", "deleted"]),
    )
    def publish(self, shop: str, key: str, version: int, identity: str, action: str) -> None:
        envelope = {"sequence": str(version), "id": identity}
        body = event("stock", action=action, envelope=envelope, product_code=key)
        self.queue.append(
            Delivery("comporta.stock", 0, body, f"{shop}.stock", False, {"key": (shop, key), "v": (version, identity)})
        )

    @rule(size=st.integers(1, 5), crash=st.booleans())
    def process(self, size: int, crash: bool) -> None:
        self.size = size
        for delivery in self.receive(0):
            key, version = delivery.properties["key"], delivery.properties["v"]
            kept = self.missed if self.off & {"*", key[0]} else self.applied
            kept[key] = max(version, kept.get(key, version))
        if crash:
            # Committed and not acknowledged: all of it comes again.
            self.size = size
            repeated = list(self.receive(0))
            self.worker.step(self)  # type: ignore[arg-type]
            self.queue.extendleft(reversed(repeated))
        self.worker.step(self)  # type: ignore[arg-type]

    @rule(action=st.sampled_from(["pause", "resume"]), shop=st.sampled_from(["*", "a", "b"]))
    def switch(self, action: Any, shop: str) -> None:
        self.board.change(Command(action, ControlMessage(reason="test", shop=shop), "amqp"))
        (self.off.add if action == "pause" else self.off.discard)(shop)

    @invariant()
    def tables_and_missed_are_the_models(self) -> None:
        table = ENTITY_TABLES["stock"]
        with self.engine.connect() as connection:
            rows = connection.execute(select(table.c.shop, table.c.product_code, table.c.version, table.c.event_id))
            assert {(row[0], row[1]): (row[2], row[3]) for row in rows} == self.applied
        missed = {
            (row["shop"], row["key"]["product_code"]): (row["version"], row["event_id"])
            for row in self.database.views.missed()
        }
        assert missed == {k: v for k, v in self.missed.items() if v > self.applied.get(k, (-1, ""))}
        assert sum(sum(counts.values()) for counts in self.database.views.totals().values()) == self.settled


Convergence.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestConvergence = Convergence.TestCase
