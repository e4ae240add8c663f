"""From a published message to the tables: workers stepped by hand, on any broker and database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

import kombu
from sqlalchemy import Table, select

from broker.connection import open_connection
from broker.declare import declare
from broker.sync_publisher import SyncPublisher
from consumers.source import BatchLimits, KombuSource
from consumers.worker import Worker, events_worker, orders_worker
from control.switchboard import Switchboard
from rules.actions import AuditContext
from schemas.control import Action, Command, ControlMessage, Reply
from schemas.domains import DOMAINS
from schemas.topology import EVENTS, QUEUES
from storage.audit import AuditEntry
from storage.database import open_database
from storage.engine import open_engine
from storage.event_store import EventStore
from storage.order_retry import OrderRetries
from storage.order_store import OrderStore
from storage.tables import ENTITY_TABLES, orders
from tests.support.event_samples import sample_event
from tests.support.wait import wait_until

__all__ = ["CLOUDEVENT", "Backends", "BufferedSource", "Pipeline", "SteppedWorker", "open_pipeline", "stock_event"]

CLOUDEVENT = "application/cloudevents+json"
# Nothing here takes so long: a batch is cut by its size, or by there being no more.
_LONG_MS = 30_000


def stock_event(version: int, code: str = "P1", **data: Any) -> bytes:
    """News of one product's stock; the version is also its quantity, so that a row shows where it is from."""
    envelope = {"sequence": str(version), "id": f"e{version}"}
    return sample_event("stock", envelope=envelope, **{"product_code": code, "on_hand": str(version), **data})


class BufferedSource(KombuSource):
    """Shows how much it holds, so that a test can cut its batches where it wants."""

    def buffer(self, number: int) -> None:
        """Reads on until it holds so many deliveries."""

        def reads() -> bool:
            self.keep_alive(0.005)
            return len(self._buffer) >= number

        wait_until(reads, timeout=30, what=f"{number} deliveries to come")


class SteppedWorker:
    """A worker on a connection of its own; what it has not settled goes back when the block ends."""

    def __init__(self, url: str, worker: Worker) -> None:
        self.worker = worker
        self.connection: kombu.Connection = open_connection(url, name="test")
        self.source = BufferedSource(self.connection, worker.queues, worker.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.release()

    def step(self, buffered: int = 0) -> int:
        """Takes one batch all the way, once so many deliveries are there; returns how many were settled."""
        self.source.buffer(buffered)
        return self.worker.step(self.source)

    def drain(self, deliveries: int) -> list[int]:
        """Takes batches until so many deliveries are settled; returns how many each had."""
        sizes: list[int] = []

        def steps() -> bool:
            sizes.append(self.worker.step(self.source))
            return sum(sizes) >= deliveries

        wait_until(steps, timeout=60, what=f"{deliveries} deliveries to be settled")
        assert sum(sizes) == deliveries
        return [size for size in sizes if size]


@dataclass
class Pipeline:
    """A broker with the topology on it, a database, and what works on both."""

    url: str
    database_url: str
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.database = open_database(self.database_url)
        self.switchboard = Switchboard(self.database.fence, lambda _: None)
        self.store = EventStore(self.database.fence, self.switchboard, "w1")
        self.publisher = SyncPublisher(self.url, "test ERP")

    def retry(self, shop: str, order_id: str) -> bool:
        """Lets an order be sent again, as an operator does; whether there was one that may be."""
        retries = OrderRetries(self.database.fence, self.database.receipt_timeout)
        return retries.retry(AuditEntry("retry", AuditContext("ana", "http")), shop, order_id)

    def publish(self, *bodies: bytes, key: str = "main.stock", exchange: str = EVENTS, **properties: Any) -> None:
        """Publishes messages, each confirmed."""
        for body in bodies:
            said = {"content_type": CLOUDEVENT, **properties}
            self.publisher.publish(body, exchange=exchange, routing_key=key, **said)

    def worker(self, *domains: str, batch_size: int = 500, batch_ms: int = _LONG_MS, prefetch: int = 1000) -> Worker:
        """A worker for these domains, or for all."""
        intake = BatchLimits(batch_size, batch_ms, prefetch)
        return events_worker(self.url, domains or tuple(DOMAINS), intake, self.store, self.stop)

    def stepped_worker(self, *domains: str, **intake: int) -> SteppedWorker:
        """A worker to step by hand."""
        return SteppedWorker(self.url, self.worker(*domains, **intake))

    def stepped_orders_worker(self) -> SteppedWorker:
        """A worker for orders and receipts to step by hand."""
        store = OrderStore(self.database.fence, "w1")
        return SteppedWorker(self.url, orders_worker(self.url, BatchLimits(500, _LONG_MS, 1000), store, self.stop))

    def orders(self) -> dict[str, dict[str, Any]]:
        """The orders of all shops, by `<shop>/<order_id>`."""
        return {f"{row['shop']}/{row['order_id']}": row for row in self._table(orders)}

    def change(self, action: Action, **fields: Any) -> Reply:
        """Changes a switch, as a control message would."""
        message = ControlMessage.model_validate({"reason": "a test", **fields})
        return self.switchboard.change(Command(action, message, "amqp"))

    def rows(self, domain: str = "stock") -> list[dict[str, Any]]:
        """A domain's table."""
        return self._table(ENTITY_TABLES[domain])

    def _table(self, table: Table) -> list[dict[str, Any]]:
        engine = open_engine(self.database_url)
        try:
            with engine.connect() as connection:
                return [dict(row) for row in connection.execute(select(table)).mappings()]
        finally:
            engine.dispose()

    def product_codes(self) -> set[str]:
        """The products with a stock."""
        return {row["product_code"] for row in self.rows()}

    def outcomes(self, domain: str = "stock") -> dict[str, int]:
        """What the ledger says of a domain."""
        return self.database.views.totals().get(domain, {})

    def quarantined(self) -> list[dict[str, Any]]:
        """The refused messages, whole, in the order they came."""
        views = self.database.views
        listed = views.quarantined(limit=1000)
        return [views.quarantined_message(row["id"]) or {} for row in reversed(listed)]

    def queue_depths(self) -> dict[str, int]:
        """The queues with messages in them, once nobody consumes them any more: also what was never settled."""
        with open_connection(self.url, name="test") as connection, connection.channel() as channel:
            looks = {name: lambda name=name: channel.queue_declare(name, passive=True) for name in QUEUES}
            for name, look in looks.items():
                wait_until(lambda look=look: look().consumer_count == 0, what=f"nobody to consume {name}")
            depths = {name: look().message_count for name, look in looks.items()}
        return {name: depth for name, depth in depths.items() if depth}

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel to look into queues with."""
        with open_connection(self.url, name="test") as connection, connection.channel() as channel:
            yield channel

    def queue_depth(self, queue: str) -> int:
        """How many messages of a queue nobody has taken, whoever consumes it."""
        with open_connection(self.url, name="test") as connection, connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def purge(self) -> None:
        """Declares the topology, and takes what an earlier test has left in it."""
        with open_connection(self.url, name="test") as connection:
            declare(connection)
            with connection.channel() as channel:
                for name in QUEUES:
                    channel.queue_purge(name)

    def close(self) -> None:
        """Closes what is open."""
        self.stop.set()
        self.publisher.close()
        self.database.close()


class Backends(NamedTuple):
    """A broker and a database."""

    broker_url: str
    database_url: str

    @property
    def is_memory(self) -> bool:
        """Whether the broker is the embedded one."""
        return self.broker_url.startswith("memory:")


@contextmanager
def open_pipeline(backends: Backends) -> Iterator[Pipeline]:
    """A line that starts with empty queues, and is closed in the end."""
    pipeline = Pipeline(backends.broker_url, backends.database_url)
    pipeline.purge()
    try:
        yield pipeline
    finally:
        pipeline.close()
