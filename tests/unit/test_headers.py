"""In structured mode headers decide nothing; in binary mode only the attributes that Comporta reads do."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.properties import UNREADABLE_HEADERS, UNREADABLE_REST
from consumers.decode import decode, decode_order
from consumers.delivery import Delivery
from rules.outcomes import RejectedDelivery
from schemas.events import ChangeEvent
from tests.support.order_events import placed
from tests.support.pipeline import stock_event

EVENT = stock_event(7)
DATA = json.dumps(json.loads(EVENT)["data"]).encode()
ATTRIBUTES: dict[Any, Any] = {
    "ce-specversion": "1.0",
    "ce-id": "b1",
    "ce-source": "/erp",
    "ce-type": "erp.stock.changed.v1",
    "ce-sequence": "7",
}
MILLISECONDS = b"T" + struct.pack(">Q", 1_795_000_000_000)
HARMLESS: dict[str, dict[Any, Any]] = {
    "a time in milliseconds": {UNREADABLE_HEADERS: {"sent": MILLISECONDS}},
    "an attribute that nobody reads, in milliseconds": {UNREADABLE_HEADERS: {"ce-timestamp": MILLISECONDS}},
    "a value of an unknown type": {UNREADABLE_REST: b"\x03odd?"},
    "an attribute that nobody reads, of an unknown type": {UNREADABLE_REST: b"\x09ce-dataset?"},
    "a name that is not UTF-8": {b"\xff": "x"},
    "text that is not UTF-8": {"tenant": b"\xff"},
    "an attribute that nobody reads, as a list": {"ce-traceparent": [1, {}]},
    "an attribute that is not set": {"ce-subject": None, "ce-time": None},
    "a compression": {"compression": "application/x-gzip"},
}
HARMFUL: dict[str, tuple[dict[Any, Any], str]] = {
    "a time in milliseconds": ({UNREADABLE_HEADERS: {"ce-time": MILLISECONDS}}, "/time"),
    "a mode in milliseconds": ({UNREADABLE_HEADERS: {"cloudEvents:specversion": MILLISECONDS}}, "/specversion"),
    "an id of an unknown type": ({UNREADABLE_REST: b"\x05ce-id?\x00"}, "/id"),
    "a sequence behind a value of an unknown type": (
        {UNREADABLE_REST: b"\x01a?\x0bce-sequenceS\0\0\0\x011"},
        "/sequence",
    ),
    "a source that is not UTF-8": ({"ce-source": b"\xff"}, "/source"),
    "a source that is a list": ({"ce-source": [1]}, "/source"),
    "a sequence with a point": ({"ce-sequence": 7.5}, "/sequence"),
}


def delivery(body: bytes, headers: dict[Any, Any], content_type: str, queue: str = "stock") -> Delivery:
    properties = {"content_type": content_type, "application_headers": headers}
    key = "main" if queue == "orders" else f"main.{queue}"
    return Delivery(f"comporta.{queue}", 1, body, key, False, properties)


@pytest.mark.parametrize("headers", [*HARMLESS.values(), *(headers for headers, _ in HARMFUL.values())])
def test_in_structured_mode_no_header_decides_anything(headers: dict[Any, Any]) -> None:
    found = decode(delivery(EVENT, {**ATTRIBUTES, **headers}, "application/cloudevents+json"))
    assert isinstance(found, ChangeEvent)
    assert found.event_id == "e7"
    order = delivery(placed("o1"), {**ATTRIBUTES, **headers}, "application/cloudevents+json; charset=utf-8", "orders")
    assert not isinstance(decode_order(order), RejectedDelivery)


@pytest.mark.parametrize("name", HARMLESS)
def test_in_binary_mode_a_header_that_nobody_reads_decides_nothing(name: str) -> None:
    found = decode(delivery(DATA, {**ATTRIBUTES, **HARMLESS[name]}, "application/json"))
    assert isinstance(found, ChangeEvent)
    assert (found.event_id, found.version) == ("b1", 7)


@pytest.mark.parametrize("name", HARMFUL)
def test_in_binary_mode_an_attribute_that_can_not_be_read_is_refused_by_name(name: str) -> None:
    headers, pointer = HARMFUL[name]
    found = decode(delivery(DATA, {**ATTRIBUTES, **headers}, "application/json"))
    assert isinstance(found, RejectedDelivery)
    assert (found.refusal.reason, found.refusal.pointer) == ("binary_attribute", pointer)


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"ce-sequence": 8}, 8),
        ({"ce-sequence": b"9"}, 9),
        ({"ce-sequence": None, "ce-time": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)}, 1_000_000),
        ({"ce-sequence": None, "ce-time": datetime(1970, 1, 1, 0, 0, 1)}, 1_000_000),
        ({"ce-subject": True}, 7),
    ],
)
def test_an_attribute_may_be_text_a_boolean_a_whole_number_or_a_time(headers: dict[Any, Any], version: int) -> None:
    found = decode(delivery(DATA, {**ATTRIBUTES, **headers}, "application/json"))
    assert isinstance(found, ChangeEvent)
    assert found.version == version


def test_a_mode_that_is_not_set_is_the_structured_one() -> None:
    found = decode(delivery(EVENT, {**ATTRIBUTES, "ce-specversion": None}, "application/json"))
    assert isinstance(found, ChangeEvent)
    assert found.event_id == "e7"
