"""A full load through two workers, of which one is killed in the middle: what it deletes is exact all the same."""

from __future__ import annotations

import json
import signal
from typing import Any

import amqp
from kombu import Connection

from broker.connection import open_connection
from schemas.full_load import BEGUN, CHUNK, COMPLETED
from schemas.topology import EVENTS
from tests.support.database_queries import DatabaseQueries
from tests.support.event_generator import event_body
from tests.support.wait import wait_until
from tests.support.worker_deployment import SharedWorkerDeployment

SHOP, KEYS, CHUNKS = "full-load", 2_400, 4


def product(number: int, version: int, **attributes: Any) -> bytes:
    """Build an event of a product; of every tenth the ERP has none any more when the load comes."""
    data = {"code": f"{number:05}", "name": str(version), "active": True, "base_unit": "UN"}
    return json.dumps({**json.loads(event_body("products", data, version)), **attributes}).encode()


def message(kind: str, **data: Any) -> bytes:
    """Build a message of the load."""
    said = {"load_id": "night", "domain": "products", **data}
    return json.dumps({"specversion": "1.0", "id": kind, "source": "/test", "type": kind, "data": said}).encode()


def whole_load() -> list[bytes]:
    """Build every message of the load, each chunk announced after its events, and its end before the last chunk."""
    size, messages = KEYS // CHUNKS, []
    for chunk in range(1, CHUNKS + 1):
        numbers = [number for number in range((chunk - 1) * size, chunk * size) if number % 10]
        part = {"loadid": "night", "loadchunk": str(chunk)}
        messages += [product(number, 5_000 + number, **part) for number in numbers]
        start = None if chunk == 1 else [f"{(chunk - 1) * size:05}"]
        end = None if chunk == CHUNKS else [f"{chunk * size:05}"]
        bounds = {"from": start, "to": end}
        messages.append(message(CHUNK, chunk=chunk, version="9000", count=len(numbers), **bounds))
    end_of_load = message(COMPLETED, chunks=CHUNKS, count=KEYS * 9 // 10)
    messages.insert(len(messages) // 2, end_of_load)
    return messages


def publish(url: str, bodies: list[bytes], key: str) -> None:
    """Publish bodies to a routing key."""
    connection: Connection
    with open_connection(url, name="test ERP") as connection, connection.channel() as channel:
        for body in bodies:
            message = amqp.Message(body, content_type="application/cloudevents+json", delivery_mode=2)
            channel.basic_publish(message, exchange=EVENTS, routing_key=key)
        # The broker answers in order: all of it has arrived.
        channel.queue_declare("comporta.products", passive=True)


def test_a_load_is_exact_though_one_of_two_workers_is_killed_in_its_middle(
    shared_deployment: SharedWorkerDeployment,
) -> None:
    queries = shared_deployment.queries
    publish(shared_deployment.broker_url, [product(number, number + 1) for number in range(KEYS)], f"{SHOP}.products")
    queries.wait_accounted(SHOP, KEYS)
    victim = shared_deployment.worker()
    publish(shared_deployment.broker_url, [message(BEGUN, version="8000")], f"{SHOP}.products")
    publish(shared_deployment.broker_url, whole_load(), f"{SHOP}.products.bulk")
    wait_until(lambda: told(queries, "sum(seen)") > KEYS // 4, what="a quarter of the load to come")
    victim.send(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    wait_until(lambda: told(queries, "min(state)") == "completed", what="the load to be completed")
    rows = queries.rows("SELECT code, version, deleted FROM products WHERE shop = %s ORDER BY code", SHOP)
    # No row of the load was deleted, and of the others none was left.
    expected = ((9_000, True) if number % 10 == 0 else (5_000 + number, False) for number in range(KEYS))
    assert rows == [(f"{number:05}", *expectation) for number, expectation in enumerate(expected)]
    assert queries.missed(SHOP) == {}
    keys = "SELECT count(*) FROM load_keys"
    wait_until(lambda: queries.rows(keys) == [(0,)], what="the keys of the load to be forgotten")


def told(queries: DatabaseQueries, column: str) -> Any:
    """Return a value of the load."""
    return queries.rows(f"SELECT {column} FROM loads WHERE shop = %s", SHOP)[0][0] or 0
