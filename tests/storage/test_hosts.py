"""Several hosts in the database URL: a failure goes to another, and one that may only read is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import psycopg
import pytest

from storage.database import Database, open_database
from storage.errors import StorageError, Unavailable
from tests.support.services.postgres import Database as Server
from tests.support.services.proxy import Proxy, through_all
from tests.support.wait import wait_until


@pytest.fixture
def proxies(postgres: Server) -> Iterator[list[Proxy]]:
    """Two ways to one server, as a primary and its standby."""
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(postgres.port)) for _ in range(2)]


def answers(database: Database) -> bool:
    with suppress(StorageError):
        database.gauges.ping()
        return True
    return False


def test_a_host_that_refuses_is_passed_over_and_one_that_goes_is_left(database_url: str, proxies: list[Proxy]) -> None:
    first, second = proxies
    first.refuse()
    database = open_database(through_all(database_url, *proxies))
    database.gauges.ping()
    assert (first.connections, second.connections > 0) == (0, True)
    first.resume()
    second.refuse()
    wait_until(lambda: answers(database), what="the other host to be used")
    assert first.connections > 0
    database.close()


def test_each_host_that_cannot_be_reached_is_named(database_url: str, proxies: list[Proxy]) -> None:
    for proxy in proxies:
        proxy.refuse()
    database = open_database(through_all(database_url, *proxies))
    with pytest.raises(Unavailable) as away:
        database.gauges.ping()
    assert all(str(proxy.port) in str(away.value) for proxy in proxies)
    database.close()


def test_a_host_with_an_ipv6_address(postgres: Server, database_url: str, proxies: list[Proxy]) -> None:
    proxies[0].refuse()
    with Proxy(postgres.port, host="::1") as proxy:
        for url in (through_all(database_url, proxy), through_all(database_url, proxies[0], proxy)):
            database = open_database(url)
            database.gauges.ping()
            assert proxy.connections > 0
            database.close()


def test_a_connection_that_may_only_read_is_replaced(database_url: str, proxies: list[Proxy]) -> None:
    database = open_database(through_all(database_url, *proxies))
    name = database_url.rpartition("/")[2]
    with database.fence.exclusive() as connection:
        connection.exec_driver_sql("UPDATE switches SET reason = reason")
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        read_only = open_database(database_url)
        with pytest.raises(Unavailable, match="25006"), read_only.fence.exclusive() as connection:
            connection.exec_driver_sql("UPDATE switches SET reason = reason")
        server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')
        # The same pool: its connection would still be one that may only read.
        with read_only.fence.exclusive() as connection:
            connection.exec_driver_sql("UPDATE switches SET reason = reason")
    read_only.close()
    database.close()
