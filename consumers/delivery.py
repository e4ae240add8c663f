"""Delivery source: the interface behind which the broker client can be replaced; batches, settled up to a tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Delivery", "Source"]


class Delivery(NamedTuple):
    """One message as the broker delivered it; `properties` has AMQP's names (basic class, AMQP 0-9-1)."""

    queue: str
    tag: Any
    body: bytes
    routing_key: str
    redelivered: bool
    properties: Mapping[str, Any]


class Source(Protocol):
    """Source of deliveries."""

    def receive(self, wait: float) -> Sequence[Delivery]:
        """Return a batch in the order of arrival; empty if nothing arrived within `wait` seconds."""

    def settle(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge every delivery up to this batch's last one of each queue."""

    def keep_alive(self, seconds: float) -> None:
        """Wait without losing the connection."""
