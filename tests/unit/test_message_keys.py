"""The key of a refused message is read from whatever can be read of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from storage.message_keys import MessageKey, read_message_key

_BINARY = {"ce-specversion": "1.0", "ce-id": "e1", "ce-subject": "S1"}


@pytest.mark.parametrize(
    ("domain", "body", "headers", "expected"),
    [
        ("orders", b'{"id":"e1","subject":"S1","data":{"order_id":"O1"}}', {}, MessageKey("O1", "S1", "e1")),
        ("receipts", b'{"id":"e1","data":{"order_id":"O1"}}', {}, MessageKey("O1", None, "e1")),
        # Cut off in the middle of a text.
        ("orders", b'{"id":"e1","data":{"order_id":"O1","notes":"lea', {}, MessageKey("O1", None, "e1")),
        # An id of another type is still what the shop calls it.
        ("orders", b'{"data":{"order_id":4711}}', {}, MessageKey("4711", None, None)),
        ("orders", b'{"subject":"S1","data":{"order_id":["O1"]}}', {}, MessageKey("S1", "S1", None)),
        ("orders", b'{"subject":"S1","data":"a text"}', {}, MessageKey("S1", "S1", None)),
        ("orders", b'{"order_id":"O1"}', _BINARY, MessageKey("O1", "S1", "e1")),
        # Duplicate keys are refused, and read all the same.
        ("orders", b'{"data":{"order_id":"O1","order_id":"O2"}}', {}, MessageKey("O2", None, None)),
        ("orders", b'{"data":{"order_id":"O\\u0000\\u00e91"}}', {}, MessageKey("O\ufffd\u00e91", None, None)),
        ("orders", b'{"data":{"order_id":"' + b"x" * 900 + b'"}}', {}, MessageKey("x" * 500, None, None)),
        ("orders", b"\x1f\x8b\x00", {}, MessageKey()),
        ("orders", b"[" * 100_000, {}, MessageKey()),
        ("orders", b"", {"ce-specversion": object(), "ce-id": "e1"}, MessageKey()),
        ("products", b'{"id":"e1","data":{"code":"P1","name":""}}', {}, MessageKey('{"code":"P1"}', None, "e1")),
        (
            "stock",
            b'{"data":{"warehouse":"W","branch":"1","product_code":"P1"}}',
            {},
            MessageKey('{"product_code":"P1","branch":"1","warehouse":"W","lot":""}'),
        ),
        ("stock", b'{"id":"e1","sequence":"7","data":7}', {}, MessageKey(None, None, "e1", "7")),
        # Without a part of the key, and with a part of the wrong type.
        ("stock", b'{"subject":"S","data":{"product_code":7}}', {}, MessageKey('{"product_code":7}', "S")),
        ("?", b'{"id":"e1","data":{"code":"P1"}}', {}, MessageKey(None, None, "e1")),
    ],
)
def test_the_key_of_a_refused_message(domain: str, body: bytes, headers: dict[str, Any], expected: MessageKey) -> None:
    assert read_message_key(domain, body, headers) == expected


def test_a_key_with_defaults_is_that_of_a_missed_key() -> None:
    data = {"table_code": "T", "product_code": "P", "min_qty": "1.0"}
    key = read_message_key("prices", orjson.dumps({"data": data}), {}).key
    assert key is not None
    assert orjson.loads(key) == {
        "table_code": "T",
        "product_code": "P",
        "packaging_code": "",
        "min_qty": "1",
        "valid_from": "1970-01-01T00:00:00.000000Z",
    }
