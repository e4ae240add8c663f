"""Message keys: the key or order id of a refused message, read leniently from whatever can be read of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jiter
import orjson

from schemas.binary import amqp_attributes
from schemas.domains import DOMAINS, ORDERS, RECEIPTS
from schemas.events import MAX_BODY
from schemas.reasons import Refused
from schemas.text import storable
from storage.missed import key_of

__all__ = ["MessageKey", "read_message_key"]

# An index entry of PostgreSQL holds 2,700 bytes; a character takes at most four.
_LONGEST = 500
_OF_ORDERS = frozenset({ORDERS, RECEIPTS})


class MessageKey(NamedTuple):
    """Key of a message, None where it can't be read: an order's id, or a change event's key as JSON text.

    `subject`, `event_id` and `sequence` are the attributes of the event. Of an order that has no id the subject is the
    key.
    """

    key: str | None = None
    subject: str | None = None
    event_id: str | None = None
    sequence: str | None = None


def read_message_key(domain: str, body: bytes, headers: Mapping[str, Any]) -> MessageKey:
    """Read the key of a message that was refused, even if its body is cut off or of the wrong shape."""
    document = _load(body)
    if not isinstance(document, dict):
        document = {}
    attributes = _attributes(headers)
    if attributes is None:
        attributes, data = document, document.get("data")
    else:
        data = document
    fields = data if isinstance(data, dict) else {}
    subject = _text(attributes.get("subject"))
    key = _text(fields.get("order_id")) or subject if domain in _OF_ORDERS else _key_text(domain, fields)
    return MessageKey(key, subject, _text(attributes.get("id")), _text(attributes.get("sequence")))


def _load(body: bytes) -> Any:
    try:
        # The part that was received of a text that is cut off still names its order.
        return jiter.from_json(body[:MAX_BODY], partial_mode="trailing-strings", cache_mode="keys")
    except ValueError:
        return None


def _attributes(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return amqp_attributes(headers)
    except Refused:
        return None


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return storable(str(value))[:_LONGEST] or None


def _key_text(domain: str, fields: Mapping[str, Any]) -> str | None:
    """Return the key as JSON text in the order of the key fields: canonical if it is valid, else as it was sent."""
    names = DOMAINS[domain].key_fields if domain in DOMAINS else ()
    sent = {name: fields[name] for name in names if name in fields}
    try:
        return storable(_stored_text(domain, sent))[:_LONGEST] if sent else None
    except TypeError:
        # orjson writes no integer beyond 64 bits.
        return None


def _stored_text(domain: str, sent: Mapping[str, Any]) -> str:
    try:
        return key_of(domain, sent)
    except Refused:
        return orjson.dumps(sent).decode()
