"""A queue that the broker refuses is named, and takes no other queue down with it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from broker.connection import open_connection
from broker.declare import declare
from consumers.worker import events_worker
from schemas.topology import CONTROL, QUEUES
from tests.support.event_samples import sample_event
from tests.support.pipeline import Pipeline, stock_event
from tests.support.running_workers import running_workers
from tests.support.services.broker import Broker
from tests.support.wait import wait_until


def test_a_queue_of_another_type_is_named_and_the_others_are_consumed(
    own_pipeline: Pipeline, logs: list[MutableMapping[str, Any]]
) -> None:
    with own_pipeline.channel() as channel:
        channel.queue_delete("comporta.prices")
        channel.queue_declare("comporta.prices", durable=True, auto_delete=False)
    with running_workers(own_pipeline.worker(batch_ms=20)):
        own_pipeline.publish(stock_event(1))
        wait_until(lambda: own_pipeline.product_codes() == {"P1"}, what="the stock to be applied")
        with own_pipeline.channel() as channel:
            consumers = {name: channel.queue_declare(name, passive=True).consumer_count for name in QUEUES}
    assert (consumers["comporta.prices"], consumers["comporta.stock"]) == (0, 1)
    [said] = [entry for entry in logs if "can't be consumed" in entry["event"]]
    assert (said["queue"], "PRECONDITION_FAILED" in said["error"]) == ("comporta.prices", True)
    assert not [entry for entry in logs if entry["event"] == "broker away"]


def test_a_missing_right_is_named_and_the_other_queues_are_consumed(
    own_pipeline: Pipeline, rabbitmq: Broker, logs: list[MutableMapping[str, Any]]
) -> None:
    parts = urlsplit(own_pipeline.url)
    rabbitmq.ctl("add_user", "narrow", "narrow")
    rabbitmq.ctl("set_permissions", "-p", unquote(parts.path[1:]), "narrow", "^$", ".*", r"^comporta\.stock$")
    url = urlunsplit((parts.scheme, f"narrow:narrow@{parts.hostname}:{parts.port}", *parts[2:]))
    worker = own_pipeline.worker(batch_ms=20)
    try:
        with running_workers(
            events_worker(url, ("stock", "prices"), worker.limits, own_pipeline.store, own_pipeline.stop)
        ):
            own_pipeline.publish(stock_event(1))
            own_pipeline.publish(sample_event("prices"), key="main.prices")
            wait_until(lambda: own_pipeline.product_codes() == {"P1"}, what="the stock to be applied")
    finally:
        rabbitmq.ctl("delete_user", "narrow")
    said = [entry for entry in logs if "can't be consumed" in entry["event"]]
    assert {entry["queue"] for entry in said} == {"comporta.prices", "comporta.prices.bulk", "comporta.stock.bulk"}
    assert all("ACCESS_REFUSED" in entry["error"] for entry in said)
    assert own_pipeline.queue_depth("comporta.prices") == 1


def test_every_refusal_to_declare_is_returned_by_name(own_pipeline: Pipeline) -> None:
    with own_pipeline.channel() as channel:
        channel.queue_delete(CONTROL)
        channel.queue_declare(CONTROL, durable=True, auto_delete=False)
        channel.exchange_delete("erp.resync")
        channel.exchange_declare("erp.resync", "fanout", durable=True, auto_delete=False)
    with open_connection(own_pipeline.url, name="test") as connection:
        faults = declare(connection)
        assert (faults.keys(), {fault.mismatch for fault in faults.values()}) == ({CONTROL, "erp.resync"}, {True})
        assert str([fault.text for fault in faults.values()]).count("inequivalent") == 2
