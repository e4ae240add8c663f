"""Outgoing messages and the results of publishing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import NamedTuple

__all__ = ["CLOUDEVENT", "Fate", "OpenPublish", "OutgoingMessage", "Publish", "PublishResult"]

CLOUDEVENT = "application/cloudevents+json"


class Fate(StrEnum):
    """Result of publishing one message; only `CONFIRMED` means that the broker has stored it."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    NACKED = "nacked"
    UNKNOWN = "unknown"


class OutgoingMessage(NamedTuple):
    """Persistent message; its `message_id` stays the same however often it is sent.

    A broker returns a `mandatory` message that no queue takes, and confirms any other.
    """

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    content_type: str = CLOUDEVENT
    headers: Mapping[str, object] | None = None
    mandatory: bool = True


class PublishResult(NamedTuple):
    """Message and its fate; `detail` is the reason if it is not confirmed, else empty."""

    message: OutgoingMessage
    fate: Fate
    detail: str = ""


Publish = Callable[[Sequence[OutgoingMessage]], list[PublishResult]]
# Connects to the broker for as long as the block lasts.
OpenPublish = Callable[[], AbstractContextManager[Publish]]
