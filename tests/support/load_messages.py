"""Messages of a full load of products, as an ERP publishes them, and what they leave in the table."""

from __future__ import annotations

import json
from typing import Any

import amqp
from kombu import Connection

from broker.connection import open_connection
from schemas.full_load import BEGUN, CHUNK, COMPLETED
from schemas.topology import EVENTS
from tests.support.event_generator import event_body

__all__ = ["KEYS", "begun", "expected_rows", "first_rows", "publish", "whole_load"]

KEYS, CHUNKS = 2_400, 4


def product_body(number: int, version: int, **attributes: Any) -> bytes:
    """Build an event of a product; of every tenth the ERP has none any more when the load comes."""
    data = {"code": f"{number:05}", "name": str(version), "active": True, "base_unit": "UN"}
    return json.dumps({**json.loads(event_body("products", data, version)), **attributes}).encode()


def message(kind: str, **data: Any) -> bytes:
    """Build a message of the load."""
    said = {"load_id": "night", "domain": "products", **data}
    return json.dumps({"specversion": "1.0", "id": kind, "source": "/test", "type": kind, "data": said}).encode()


def first_rows() -> list[bytes]:
    """Build an event of each product, as the ERP has sent them before the load."""
    return [product_body(number, number + 1) for number in range(KEYS)]


def begun() -> bytes:
    """Build the message that begins the load."""
    return message(BEGUN, version="8000")


def whole_load() -> list[bytes]:
    """Build every message of the load, each chunk announced after its events, and its end before the last chunk."""
    size, messages = KEYS // CHUNKS, []
    for chunk in range(1, CHUNKS + 1):
        numbers = [number for number in range((chunk - 1) * size, chunk * size) if number % 10]
        part = {"loadid": "night", "loadchunk": str(chunk)}
        messages += [product_body(number, 5_000 + number, **part) for number in numbers]
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


def expected_rows() -> list[tuple[str, int, bool]]:
    """Return code, version and deletion of each product after the load: no row of it is deleted, and none is left."""
    return [
        (f"{number:05}", 9_000, True) if number % 10 == 0 else (f"{number:05}", 5_000 + number, False)
        for number in range(KEYS)
    ]
