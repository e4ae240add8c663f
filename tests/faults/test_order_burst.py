"""A real burst of orders over a pause: none leaves while off, and after it the ERP has each once."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import kombu
import orjson
import pytest

from broker.connection import open_connection
from comporta.simulator.messages import Data
from comporta.simulator.retail import retail_orders
from consumers.source import BatchLimits
from consumers.worker import orders_worker
from producers.erp import AmqpErpGateway
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.orders import PLACED
from schemas.topology import EVENTS, ORDERS_IN, ORDERS_OUT
from tests.support.dispatch_harness import DispatchHarness
from tests.support.order_events import internalized
from tests.support.pipeline import Pipeline
from tests.support.wait import wait_until

_SETTING = "COMPORTA_BENCH_DATA"
_USUAL = Path(__file__).parents[3] / "shared" / "data" / "online-retail.csv.xz"
_SHOPS = ("shop-1", "shop-2", "shop-3")
_LATEST = 60.0


def wholesale(count: int) -> list[Data]:
    """The first so many invoices of the wholesaler, or as many of the same shape where his file is not at hand."""
    path = Path(os.environ.get(_SETTING) or _USUAL)
    if path.is_file():
        print(f"{count} real invoices of {path.name}")
        found: dict[str, Data] = {}
        for order in retail_orders(path):
            # A few invoices come in two pieces.
            found.setdefault(order["order_id"], order)
            if len(found) == count:
                return list(found.values())
    print(f"{count} invoices made up: {_SETTING} names no file of real ones")
    return list(islice(_made_up(Random(7)), count))


def _made_up(random: Random) -> Iterator[Data]:
    """As many lines as his invoices have: a dozen mostly, now and then hundreds; several in the same minute."""
    number, minute = 536_365, 0
    while True:
        for _ in range(random.randint(1, 6)):
            lines = min(500, 1 + int(random.expovariate(1 / 20)))
            cents = [random.randint(10, 2_000) for _ in range(lines)]
            yield _order(
                str(number), f"2010-12-{1 + minute // 600:02}T{8 + minute // 60 % 10:02}:{minute % 60:02}:00Z", cents
            )
            number += 1
        minute += random.randint(1, 3)


def _order(order_id: str, at: str, cents: list[int]) -> Data:
    items = [
        {"line": line, "product_code": f"P{each}", "quantity": "1", "unit_price": _money(each), "total": _money(each)}
        for line, each in enumerate(cents, 1)
    ]
    return {
        "order_id": order_id,
        "placed_at": at,
        "customer": {"document": "guest", "name": "Customer guest"},
        "currency": "GBP",
        "payment": {"method": "invoice"},
        "items": items,
        "total": _money(sum(cents)),
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


class QueueErp:
    """Reads `erp.orders`, gives each order its number once, and answers with a receipt; it keeps what it got."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.got: Counter[str] = Counter()
        self.numbers: dict[str, str] = {}
        self._taken: list[kombu.Message] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reads until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._read, args=(stop,), name="ERP", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)

    def _read(self, stop: threading.Event) -> None:
        queue = kombu.Queue(ORDERS_OUT, no_declare=True)
        with (
            Publisher(self.url, name="ERP") as publisher,
            open_connection(self.url, name="ERP") as connection,
            kombu.Consumer(connection, [queue], on_message=self._taken.append, prefetch_count=200),
        ):
            while not stop.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.02)
                    if len(self._taken) < 100:
                        continue
                self._answer(publisher)

    def _answer(self, publisher: Publisher) -> None:
        taken, self._taken[:] = list(self._taken), []
        assert all(result.fate is Fate.CONFIRMED for result in publisher.publish_all(map(self._receipt, taken)))
        for message in taken:
            message.ack()

    def _receipt(self, message: Any) -> OutgoingMessage:
        event = orjson.loads(message.body)
        key = event["id"]
        self.got[key] += 1
        number = self.numbers.setdefault(key, str(1000 + len(self.numbers)))
        body = internalized(event["subject"], number, id=f"receipt-{key}")
        return OutgoingMessage(EVENTS, f"{key.partition('/')[0]}.receipts", body, f"receipt-{key}")


@contextmanager
def working(pipeline: Pipeline) -> Iterator[DispatchHarness]:
    """What accepts orders and receipts, and what takes orders to the ERP."""
    harness = DispatchHarness(pipeline, AmqpErpGateway(pipeline.url))
    worker = orders_worker(pipeline.url, BatchLimits(500, 20, 1000), harness.orders, pipeline.stop)
    thread = threading.Thread(target=worker.run, name="orders", daemon=True)
    thread.start()
    try:
        yield harness
    finally:
        harness.close()
        thread.join(20)
        pipeline.close()


def states(pipeline: Pipeline) -> Counter[str]:
    """How many orders of all shops stand where."""
    return sum((Counter(shop) for shop in pipeline.database.views.status().orders.values()), Counter())


def place(url: str, orders: list[Data]) -> set[str]:
    """Publishes orders, spread over the shops; returns the key of each."""
    events = []
    for number, data in enumerate(orders):
        envelope = {"specversion": "1.0", "id": f"placed-{data['order_id']}", "source": "/shop", "type": PLACED}
        body = orjson.dumps({**envelope, "time": data["placed_at"], "data": data})
        events.append(OutgoingMessage(ORDERS_IN, _SHOPS[number % len(_SHOPS)], body, data["order_id"]))
    with Publisher(url, name="shops") as publisher:
        assert all(result.fate is Fate.CONFIRMED for result in publisher.publish_all(events))
    return {f"{event.routing_key}/{event.message_id}" for event in events}


@pytest.mark.parametrize(
    ("broker", "database", "count"),
    [("broker_url", "database_url", 5_000), (None, "sqlite_url", 500)],
    ids=["RabbitMQ and PostgreSQL", "memory and SQLite"],
)
def test_a_burst_over_a_pause_waits_and_then_each_order_is_internalized_once(
    request: pytest.FixtureRequest, broker: str | None, database: str, count: int
) -> None:
    orders = wholesale(count)
    url = request.getfixturevalue(broker) if broker else "memory://"
    pipeline = Pipeline(url, request.getfixturevalue(database))
    pipeline.purge()
    erp = QueueErp(url)
    with working(pipeline) as harness, erp.reading():
        half = count // 2
        assert pipeline.change("pause", domains=["orders"]).in_flight_orders == 0
        keys = place(url, orders[:half])
        # The other half comes while the first one is being accepted.
        keys |= place(url, orders[half:])
        wait_until(lambda: states(pipeline) == {"waiting": count}, timeout=_LATEST, what="all to be accepted")
        assert erp.got.total() == 0
        assert pipeline.change("resume", domains=["orders"]).result == "on"
        harness.dispatcher.wake.set()
        wait_until(
            lambda: states(pipeline) == {"internalized": count}, timeout=_LATEST, what="every order to have its number"
        )
        assert erp.got.keys() == keys
        assert set(erp.got.values()) == {1}
    rows = pipeline.orders()
    assert {key: row["erp_number"] for key, row in rows.items()} == erp.numbers
    assert {row["attempts"] for row in rows.values()} == {1}
