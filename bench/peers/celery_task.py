"""Celery peer: a task that upserts one event; run as a module, it fills its queue."""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson
from celery import Celery

from bench.events import real_events
from bench.peers.upsert import Upserts

__all__ = ["app", "apply_event"]

app = Celery("bench", broker=os.environ["COMPORTA_BROKER_URL"])
_upserts = Upserts()


# Acknowledged when it is done, as in every other peer: by default Celery would lose the events of a crash.
@app.task(name="apply_event", acks_late=True)  # type: ignore[untyped-decorator]
def apply_event(routing_key: str, document: dict[str, Any]) -> None:
    """Apply one event."""
    _upserts.apply(routing_key, document)


if __name__ == "__main__":
    for event in real_events(int(sys.argv[1])):
        apply_event.delay(event.routing_key, orjson.loads(event.body))
