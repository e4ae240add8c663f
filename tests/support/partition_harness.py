"""Partition harness: routes, depths of the partitions, and workers that consume them."""

from __future__ import annotations

from broker.connection import open_connection
from broker.declare import declare
from consumers.source import BatchLimits
from consumers.worker import Worker, events_worker
from schemas.partitions import Partitions, parse_partitions, partition_queue
from storage.event_store import EventStore
from tests.support.pipeline import Pipeline

__all__ = ["FOUR", "FOUR_BY_KEY", "STOCK", "TWO", "route", "spread", "worker"]

FOUR, TWO = parse_partitions("stock=4"), parse_partitions("stock=2")
FOUR_BY_KEY = parse_partitions("stock=4", "key")
STOCK = "comporta.stock"


def route(url: str, partitions: Partitions, *former: str) -> None:
    with open_connection(url, name="test") as connection:
        assert declare(connection, partitions, former) == {}


def spread(pipeline: Pipeline) -> list[int]:
    """Count the messages in the one queue of stock, and in each of four partitions that is there."""
    names = [STOCK, *(partition_queue("stock", number) for number in range(1, 5))]
    depths = []
    with open_connection(pipeline.url, name="test") as connection:
        for name in names:
            with connection.channel() as channel:
                depths.append(int(channel.queue_declare(name, passive=True).message_count))
    return depths


def worker(pipeline: Pipeline, partitions: Partitions, *left: str, name: str = "w1") -> Worker:
    store = EventStore(pipeline.database.fence, pipeline.switchboard, name)
    limits = BatchLimits(50, 20, 100)
    return events_worker(
        pipeline.url, ["stock"], limits, store, pipeline.stop, partitions=partitions, left_over=lambda: left
    )
