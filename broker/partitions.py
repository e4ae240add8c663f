"""Partition diagnosis: the plugin, the exchanges, and queues that are partitions without being set."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import kombu
from amqp.exceptions import AccessRefused, NotFound

from broker.connection import open_connection, release, translated
from broker.routes import probe_plugin
from schemas.domains import DOMAINS
from schemas.partitions import MOST_PARTITIONS, HashExchange, Partitions, partition_queue

__all__ = ["PartitionFacts", "inspect_partitions"]


class PartitionFacts(NamedTuple):
    """Facts of the partitions: `plugin` is None if this user may not try it; `left_over` has messages by queue."""

    plugin: bool | None
    missing: list[str]
    left_over: dict[str, int]


def inspect_partitions(url: str, partitions: Partitions) -> PartitionFacts:
    """Return the facts that AMQP tells. Raises `BrokerLost`."""
    connection = open_connection(url, name="doctor")
    try:
        plugin, missing = None, []
        if partitions.domains:
            plugin = probe_plugin(connection, f"comporta.doctor.{secrets.token_hex(8)}")
            exchanges = [partitions.exchange(domain) for domain in partitions.domains]
            missing = [exchange.name for exchange in exchanges if not _is_there(connection, exchange)]
        left = {name: count for domain in DOMAINS for name, count in _surplus(connection, partitions, domain)}
        return PartitionFacts(plugin, missing, left)
    finally:
        release(connection)


def _is_there(connection: kombu.Connection, exchange: HashExchange) -> bool:
    try:
        with translated(), connection.channel() as channel:
            # Of a passive declaration the broker reads the name alone; the type might be one that it doesn't know.
            channel.exchange_declare(exchange.name, "topic", passive=True)
    except ConnectionError as error:
        if isinstance(error.__cause__, NotFound):
            return False
        if not isinstance(error.__cause__, AccessRefused):
            raise
    return True


def _surplus(connection: kombu.Connection, partitions: Partitions, domain: str) -> Iterator[tuple[str, int]]:
    for number in range(partitions.count(domain) + 1, MOST_PARTITIONS + 1):
        name = partition_queue(domain, number)
        try:
            with translated(), connection.channel() as channel:
                yield name, int(channel.queue_declare(name, passive=True).message_count)
        except ConnectionError as error:
            if isinstance(error.__cause__, NotFound | AccessRefused):
                return
            raise
