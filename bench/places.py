"""Servers of the measurements, and a fresh virtual host and database for each measurement."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from sqlalchemy import create_engine

from bench.backlog import delete_queues, fill
from bench.events import Backlog
from bench.written import prefill
from schemas.partitions import NO_PARTITIONS, Partitions
from schemas.topology import QUEUES
from storage.engine import read_url
from storage.fence import PostgresFence
from tests.support.services.broker import Broker, SharedRabbitMQ
from tests.support.services.postgres import Database, Postgres, SharedPostgres
from tests.support.services.rabbitmq import RabbitMQ

__all__ = ["Place", "Servers", "accounted", "held_back", "open_servers"]


@dataclass(frozen=True, slots=True)
class Place:
    """Virtual host of RabbitMQ and migrated database of PostgreSQL, with the pids of private servers."""

    broker_url: str
    database_url: str
    server_pids: tuple[int, ...]

    @contextmanager
    def query(self) -> Iterator[psycopg.Connection]:
        """Yield a connection to the database; every statement is a transaction of its own."""
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class Servers:
    """RabbitMQ and PostgreSQL, on this machine unless settings name others."""

    broker: Broker
    database: Database

    def place(self, count: int = 0) -> AbstractContextManager[Place]:
        """Return a fresh place with `count` real events in its queues; emptied afterwards."""
        return self.loaded(Backlog(count))

    @contextmanager
    def loaded(self, backlog: Backlog, partitions: Partitions = NO_PARTITIONS) -> Iterator[Place]:
        """Yield a fresh place with a backlog and, if its keys are drawn at random, a row for each key."""
        place = Place(self.broker.new_vhost(), self.database.new_database(), self._pids())
        try:
            if backlog.keys:
                prefill(place.database_url, backlog.keys, backlog.shops)
            fill(place.broker_url, backlog, partitions)
            yield place
        finally:
            delete_queues(place.broker_url, [*QUEUES, *partitions.names])
            self.database.drop_database(place.database_url)

    def _pids(self) -> tuple[int, ...]:
        ours = [server for server in (self.broker, self.database) if isinstance(server, RabbitMQ | Postgres)]
        return tuple(server.pid for server in ours if server.pid is not None)


@contextmanager
def open_servers() -> Iterator[Servers]:
    """Yield the tests' private servers, started for this run, or the servers that the tests' settings name."""
    broker_url, database_url = (os.environ.get(f"COMPORTA_TEST_{name}_URL") for name in ("BROKER", "DATABASE"))
    with ExitStack() as closing:
        broker: Broker = SharedRabbitMQ(broker_url) if broker_url else RabbitMQ()
        closing.callback(broker.close)
        broker.open()
        database: Database = SharedPostgres(database_url) if database_url else Postgres()
        closing.callback(database.close)
        database.open()
        yield Servers(broker, database)


@contextmanager
def held_back(place: Place) -> Iterator[None]:
    """Hold the fence exclusively, so that a consumer that starts meanwhile waits with its first batch."""
    # An engine of its own: Comporta's engine ends a transaction that is idle for this long.
    engine = create_engine(read_url(place.database_url))
    try:
        with PostgresFence(engine).exclusive():
            yield
    finally:
        engine.dispose()


def accounted(database: psycopg.Connection, shop: str | None = None) -> int:
    """Return the number of events in the ledger, of all shops or of one."""
    query = "SELECT coalesce(sum(count), 0)::bigint FROM ledger WHERE %(shop)s::text IS NULL OR shop = %(shop)s"
    [[count]] = database.execute(query, {"shop": shop})
    return int(count)
