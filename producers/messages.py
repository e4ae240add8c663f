"""What is handed to the broker, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

__all__ = ["CLOUDEVENT", "Fate", "OutgoingMessage", "Publish", "PublishResult"]

CLOUDEVENT = "application/cloudevents+json"


class Fate(StrEnum):
    """What became of one message; only `CONFIRMED` means that the broker has it and keeps it."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    NACKED = "nacked"
    UNKNOWN = "unknown"


class OutgoingMessage(NamedTuple):
    """One persistent message; its `message_id` stays the same however often it has to be sent."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    content_type: str = CLOUDEVENT
    headers: Mapping[str, object] | None = None


class PublishResult(NamedTuple):
    """A message and its fate; `detail` says why it is not confirmed, and is empty if it is."""

    message: OutgoingMessage
    fate: Fate
    detail: str = ""


Publish = Callable[[Sequence[OutgoingMessage]], list[PublishResult]]
