"""Pipeline from a published message to the tables: workers stepped by hand, on any broker and database."""

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
from consumers.dead_letters import DeadLetterStore, dead_letters_worker
from consumers.source import BatchLimits, KombuSource
from consumers.worker import Worker, events_worker, orders_worker
from control.switchboard import Switchboard
from rules.actions import AuditContext
from schemas.control import Action, Command, ControlMessage, Reply
from schemas.domains import DOMAINS
from schemas.topology import EVENTS, QUEUES
from storage.audit import AuditEntry
from storage.database import open_database
from storage.dead_letters import DeadLetterAttempts
from storage.engine import open_engine
from storage.entity_tables import ENTITY_TABLES
from storage.event_store import EventStore
from storage.order_retry import OrderRetries
from storage.order_store import OrderStore
from storage.tables import load_chunks, orders
from storage.views import QuarantineFilter
from tests.support.event_samples import sample_event
from tests.support.wait import wait_until

__all__ = ["CLOUDEVENT", "Backends", "BufferedSource", "Pipeline", "SteppedWorker", "open_pipeline", "stock_event"]

CLOUDEVENT = "application/cloudevents+json"
# Nothing here takes so long: a batch is cut by its size, or by there being no more.
_LONG_MS = 30_000


def stock_event(version: int, code: str = "P1", **data: Any) -> bytes:
    """Build a stock event of one product; the version is also its quantity, so that a row shows its event."""
    envelope = {"sequence": str(version), "id": f"e{version}"}
    return sample_event("stock", envelope=envelope, **{"product_code": code, "on_hand": str(version), **data})


class BufferedSource(KombuSource):
    """Source that reads on until it holds enough, so that a test can cut its batches where it wants."""

    def buffer(self, number: int) -> None:
        """Read on until it holds so many deliveries."""

        def reads() -> bool:
            self.keep_alive(0.005)
            return len(self._buffer) + len(self._later) >= number

        wait_until(reads, what=f"{number} deliveries to come")


class SteppedWorker:
    """Worker on a connection of its own; what it has not settled goes back when the block ends."""

    def __init__(self, url: str, worker: Worker) -> None:
        self.worker = worker
        self.connection: kombu.Connection = open_connection(url, name="test")
        self.source = BufferedSource(self.connection, worker.queues, worker.limits, worker.last)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.release()

    def step(self, buffered: int = 0) -> int:
        """Process one batch, once so many deliveries are buffered; return the number settled."""
        self.source.buffer(buffered)
        return self.worker.step(self.source)

    def drain(self, deliveries: int) -> list[int]:
        """Process batches until so many deliveries are settled; return the size of each."""
        sizes: list[int] = []

        def steps() -> bool:
            sizes.append(self.worker.step(self.source))
            return sum(sizes) >= deliveries

        wait_until(steps, what=f"{deliveries} deliveries to be settled")
        assert sum(sizes) == deliveries
        return [size for size in sizes if size]


@dataclass
class Pipeline:
    """Broker with the topology on it, a database, and the parts that work on both."""

    url: str
    database_url: str
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.database = open_database(self.database_url)
        self.switchboard = Switchboard(self.database.fence, lambda _: None)
        self.store = EventStore(self.database.fence, self.switchboard, "w1")
        self.publisher = SyncPublisher(self.url, "test ERP")

    def retry(self, shop: str, order_id: str) -> bool:
        """Retry an order as an operator does; return whether there was one that may be."""
        retries = OrderRetries(self.database.fence, self.database.receipt_timeout)
        return retries.retry(AuditEntry("retry", AuditContext("ana", "http")), shop, order_id)

    def publish(self, *bodies: bytes, key: str = "main.stock", exchange: str = EVENTS, **properties: Any) -> None:
        """Publish messages, each confirmed."""
        for body in bodies:
            said = {"content_type": CLOUDEVENT, **properties}
            self.publisher.publish(body, exchange=exchange, routing_key=key, **said)

    def worker(self, *domains: str, batch_size: int = 500, batch_ms: int = _LONG_MS, prefetch: int = 1000) -> Worker:
        """Make a worker for these domains, or for all."""
        intake = BatchLimits(batch_size, batch_ms, prefetch)
        return events_worker(self.url, domains or tuple(DOMAINS), intake, self.store, self.stop)

    def stepped_worker(self, *domains: str, **intake: int) -> SteppedWorker:
        """Make a worker to step by hand."""
        return SteppedWorker(self.url, self.worker(*domains, **intake))

    def stepped_orders_worker(self) -> SteppedWorker:
        """Make a worker for orders and receipts to step by hand."""
        store = OrderStore(self.database.fence, "w1")
        return SteppedWorker(self.url, orders_worker(self.url, BatchLimits(500, _LONG_MS, 1000), store, self.stop))

    def dead_letters_worker(self) -> Worker:
        """Make a worker for dead letters, as a process that has just started has it."""
        orders, attempts = OrderStore(self.database.fence, "w1"), DeadLetterAttempts(self.database.fence)
        return dead_letters_worker(self.url, DeadLetterStore(self.store, orders, attempts), self.stop)

    def stepped_dead_letters_worker(self) -> SteppedWorker:
        """Make a worker for dead letters to step by hand."""
        return SteppedWorker(self.url, self.dead_letters_worker())

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return the orders of all shops, by `<shop>/<order_id>`."""
        return {f"{row['shop']}/{row['order_id']}": row for row in self._table(orders)}

    def change(self, action: Action, **fields: Any) -> Reply:
        """Change a switch, as a control message would."""
        message = ControlMessage.model_validate({"reason": "a test", **fields})
        return self.switchboard.change(Command(action, message, "amqp"))

    def rows(self, domain: str = "stock") -> list[dict[str, Any]]:
        """Return the rows of a domain's table."""
        return self._table(ENTITY_TABLES[domain])

    def load_chunks(self) -> list[dict[str, Any]]:
        """Return the chunks of all full loads."""
        return self._table(load_chunks)

    def _table(self, table: Table) -> list[dict[str, Any]]:
        engine = open_engine(self.database_url)
        try:
            with engine.connect() as connection:
                return [dict(row) for row in connection.execute(select(table)).mappings()]
        finally:
            engine.dispose()

    def product_codes(self) -> set[str]:
        """Return the codes of products with a stock."""
        return {row["product_code"] for row in self.rows()}

    def outcomes(self, domain: str = "stock") -> dict[str, int]:
        """Count the outcomes of a domain in the ledger."""
        return self.database.views.totals().get(domain, {})

    def quarantined(self) -> list[dict[str, Any]]:
        """Return the quarantined messages, whole, in the order they came."""
        views = self.database.views
        listed = views.rows(QuarantineFilter(), 1000)
        return [views.quarantined_message(row["id"]) or {} for row in reversed(listed)]

    def queue_depths(self) -> dict[str, int]:
        """Count the messages of each queue that has any, unsettled ones too, once no consumer is left."""
        with open_connection(self.url, name="test") as connection, connection.channel() as channel:
            looks = {name: lambda name=name: channel.queue_declare(name, passive=True) for name in QUEUES}
            for name, look in looks.items():
                wait_until(lambda look=look: look().consumer_count == 0, what=f"nobody to consume {name}")
            depths = {name: look().message_count for name, look in looks.items()}
        return {name: depth for name, depth in depths.items() if depth}

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Open a channel to read queues with."""
        with open_connection(self.url, name="test") as connection, connection.channel() as channel:
            yield channel

    def queue_depth(self, queue: str) -> int:
        """Count the messages of a queue that no consumer has taken."""
        with open_connection(self.url, name="test") as connection, connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def purge(self) -> None:
        """Declare the topology, and remove what an earlier test has left in it."""
        with open_connection(self.url, name="test") as connection:
            declare(connection)
            with connection.channel() as channel:
                for name in QUEUES:
                    channel.queue_purge(name)

    def close(self) -> None:
        """Close what is open."""
        self.stop.set()
        self.publisher.close()
        self.database.close()


class Backends(NamedTuple):
    """URLs of a broker and a database."""

    broker_url: str
    database_url: str

    @property
    def is_memory(self) -> bool:
        """Whether the broker is the embedded one."""
        return self.broker_url.startswith("memory:")


@contextmanager
def open_pipeline(backends: Backends) -> Iterator[Pipeline]:
    """Open a pipeline that starts with empty queues, and is closed in the end."""
    pipeline = Pipeline(backends.broker_url, backends.database_url)
    pipeline.purge()
    try:
        yield pipeline
    finally:
        pipeline.close()
