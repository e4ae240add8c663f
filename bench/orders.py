"""Order measurements: throughput to internalized, latency to the ERP, and delay after a resume."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any
from uuid import uuid4

import kombu
import orjson
import psycopg

from bench.backlog import open_channel
from bench.events import SHOPS, require_data
from bench.places import Place, Servers, held_back
from bench.processes import Child, Gauge, MeasurementFailed, ServersGauge, await_consumers, running, wait_until
from bench.results import Figures, percentile
from broker.connection import open_connection
from comporta.simulator.retail import retail_orders
from producers.messages import CLOUDEVENT, Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.control import Action
from schemas.orders import PLACED
from schemas.topology import CONTROL, ORDERS_IN, ORDERS_OUT, ORDERS_QUEUE
from tests.support.services.ports import HOST, free_port, is_listening

__all__ = ["internalized_by_amqp", "internalized_by_http", "placed_to_erp", "resume_to_erp"]

_TIMEOUT_SECONDS = 300.0
_POLL_SECONDS = 0.03
_PER_SECOND = 20
_PAUSES = 10
_REPLIES = "bench.replies"


def internalized_by_amqp(servers: Servers, count: int) -> Figures:
    """Measure one worker process with an ERP that reads `erp.orders` and answers with receipts."""
    with servers.place() as place, running(place, "bench.peers.erp_amqp") as erp:
        return _internalized(place, count, erp, {})


def internalized_by_http(servers: Servers, count: int) -> Figures:
    """Measure one worker process with an ERP that answers over HTTP within 5 ms, 32 requests at once."""
    port = free_port()
    with servers.place() as place, running(place, "bench.peers.erp_http", str(port)) as erp:
        wait_until(lambda: is_listening(port), "the ERP")
        return _internalized(place, count, erp, {"COMPORTA_ERP_URL": f"http://{HOST}:{port}/orders"})


def placed_to_erp(servers: Servers, count: int) -> Figures:
    """Measure 20 orders a second, from the shop's publish to the ERP's read of `erp.orders`."""
    with servers.place() as place, running(place, "comporta", "worker") as children, _erp_arrivals(place) as arrivals:
        await_consumers(place, children, 1)
        sent: dict[str, float] = {}
        with open_channel(place.broker_url) as channel:
            orders, started = list(_orders(count)), time.perf_counter()
            for number, order in enumerate(orders):
                time.sleep(max(0.0, started + number / _PER_SECOND - time.perf_counter()))
                sent[order.message_id] = time.perf_counter()
                _publish(channel, order)
            wait_until(lambda: sent.keys() <= arrivals.keys(), "the orders at the ERP")
    return {"events": count, **_summary([arrivals[order] - at for order, at in sent.items()])}


def resume_to_erp(servers: Servers) -> Figures:
    """Measure, for each pause, from the resume's reply to the first order at the ERP."""
    delays: list[float] = []
    with (
        servers.place() as place,
        running(place, "comporta", "worker") as children,
        _erp_arrivals(place) as arrivals,
        place.query() as database,
        open_channel(place.broker_url) as channel,
    ):
        await_consumers(place, children, 1)
        for order in _orders(_PAUSES):
            delays.append(_delay_after_resume(order, channel, database, arrivals))
    return {"pauses": len(delays), **_summary(delays)}


def _delay_after_resume(
    order: OutgoingMessage, channel: Any, database: psycopg.Connection, arrivals: Mapping[str, float]
) -> float:
    """Place an order during a pause; return the seconds from the resume's reply to the order's arrival at the ERP."""
    _request(channel, arrivals, "pause")
    _publish(channel, order)
    wait_until(lambda: _in_state(database, "waiting") == 1, "the order to be accepted")
    # The dispatcher polls four times a second: the resume must fall at a random moment between two polls.
    time.sleep(random.random() / 2)
    if order.message_id in arrivals:
        raise MeasurementFailed("an order has left while they were off")
    replied = _request(channel, arrivals, "resume")
    wait_until(lambda: order.message_id in arrivals, "the order at the ERP")
    wait_until(lambda: _in_state(database, "sending") == 0, "its confirm to be noted")
    # Workers are woken before the reply is sent: the order may arrive first.
    return max(0.0, arrivals[order.message_id] - replied)


def _internalized(place: Place, count: int, erp: Sequence[Child], settings: Mapping[str, str]) -> Figures:
    """Measure from the opening of the fence, with all orders in the queue, to the commit of the last order's number."""
    with (
        running(place, "comporta", "worker", environment=settings) as children,
        place.query() as database,
        open_channel(place.broker_url) as channel,
    ):
        with held_back(place):
            await_consumers(place, children, 1)
            with Publisher(place.broker_url, name="shop") as publisher:
                if any(result.fate is not Fate.CONFIRMED for result in publisher.publish_all(_orders(count))):
                    raise MeasurementFailed("not every order was confirmed by the broker")
            gauge, servers_gauge = Gauge(children), ServersGauge(place.server_pids)
        started = time.perf_counter()
        _await(count, [*children, *erp], gauge, lambda: _in_state(database, "internalized"))
        seconds = time.perf_counter() - started
        if channel.queue_declare(ORDERS_QUEUE, passive=True).message_count:
            raise MeasurementFailed("orders were left in the queue")
        return {
            "events": count,
            "events_per_second": count / seconds,
            "cpu_us_per_event": 1e6 * gauge.cpu_seconds / count,
            "servers_cpu_us_per_event": 1e6 * servers_gauge.cpu_seconds / count,
            "peak_rss_mb": gauge.peak_rss_mb,
        }


def _await(count: int, children: Sequence[Child], gauge: Gauge, progress: Callable[[], int]) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while (internalized := progress()) < count:
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"only {internalized} of {count} orders internalized in {_TIMEOUT_SECONDS:g} s")
        for child in children:
            child.require_alive()
        gauge.sample()
        time.sleep(_POLL_SECONDS)


def _orders(count: int) -> Iterator[OutgoingMessage]:
    """Yield the first `count` invoices as orders, over the shops in turn."""
    # A few invoices come in two pieces.
    seen: dict[str, Any] = {}
    for data in islice(retail_orders(require_data()), 2 * count):
        seen.setdefault(data["order_id"], data)
    if len(seen) < count:
        raise MeasurementFailed(f"the transactions hold {len(seen)} orders only")
    for number, (order_id, data) in enumerate(islice(seen.items(), count)):
        envelope = {"specversion": "1.0", "id": f"placed-{order_id}", "source": "/shop/bench", "type": PLACED}
        body = orjson.dumps({**envelope, "time": data["placed_at"], "subject": order_id, "data": data})
        yield OutgoingMessage(ORDERS_IN, f"shop-{number % SHOPS + 1}", body, order_id)


def _publish(channel: Any, order: OutgoingMessage) -> None:
    message = channel.prepare_message(order.body, content_type=CLOUDEVENT, properties={"delivery_mode": 2})
    channel.basic_publish(message, exchange=order.exchange, routing_key=order.routing_key)


def _request(channel: Any, arrivals: Mapping[str, float], action: Action) -> float:
    """Switch everything off or on; return the clock when the reply came."""
    correlation, body = str(uuid4()), orjson.dumps({"reason": "measuring how soon orders leave again"})
    properties = {"delivery_mode": 2, "reply_to": _REPLIES, "correlation_id": correlation}
    message = channel.prepare_message(body, content_type="application/json", properties=properties)
    channel.basic_publish(message, exchange=CONTROL, routing_key=action)
    wait_until(lambda: correlation in arrivals, f"the reply to a {action}")
    return arrivals[correlation]


@contextmanager
def _erp_arrivals(place: Place) -> Iterator[Mapping[str, float]]:
    """Yield the arrival times, by order id and by correlation id of a reply, on one connection and one clock."""
    arrivals: dict[str, float] = {}
    stop = threading.Event()

    def record(message: kombu.Message) -> None:
        message_id = message.properties.get("correlation_id") or message.properties["message_id"]
        arrivals.setdefault(message_id, time.perf_counter())
        message.ack()

    with open_connection(place.broker_url, name="bench ERP") as connection:
        replies = kombu.Queue(_REPLIES, exclusive=True, durable=False, auto_delete=True)
        queues = [kombu.Queue(ORDERS_OUT, no_declare=True), replies]
        with kombu.Consumer(connection, queues, on_message=record):
            thread = threading.Thread(target=_drain, args=(connection, stop), daemon=True)
            thread.start()
            try:
                yield arrivals
            finally:
                stop.set()
                thread.join()


def _drain(connection: kombu.Connection, stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.2)


def _in_state(database: psycopg.Connection, state: str) -> int:
    [[count]] = database.execute("SELECT count(*) FROM orders WHERE state = %s", [state])
    return int(count)


def _summary(seconds: Sequence[float]) -> Figures:
    milliseconds = [1000 * second for second in seconds]
    return {
        "p50_ms": percentile(milliseconds, 0.50),
        "p99_ms": percentile(milliseconds, 0.99),
        "max_ms": max(milliseconds),
    }
