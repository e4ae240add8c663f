"""dramatiq peer: an actor that upserts one event; run as a module, it fills its queue."""

from __future__ import annotations

import os
import sys
from typing import Any

import dramatiq
import orjson
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.events import real_events
from bench.peers.upsert import Upserts

__all__ = ["apply_event"]

dramatiq.set_broker(RabbitmqBroker(url=os.environ["COMPORTA_BROKER_URL"]))
_upserts = Upserts()


@dramatiq.actor
def apply_event(routing_key: str, document: dict[str, Any]) -> None:
    """Apply one event."""
    _upserts.apply(routing_key, document)


if __name__ == "__main__":
    for event in real_events(int(sys.argv[1])):
        apply_event.send(event.routing_key, orjson.loads(event.body))
