"""Bare loop: plain kombu, parse, fence, our upsert once for each batch and table, one acknowledgement."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import kombu

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from schemas.topology import event_queue
from storage.engine import open_engine
from storage.entities import apply_events
from storage.fence import Fence, fence_for

__all__ = ["main"]

_BATCH = 500
_PREFETCH = 1000
_BATCH_SECONDS = 0.02


def main() -> None:
    """Consume until terminated; print the count of applied events after each batch."""
    fence = fence_for(open_engine(os.environ["COMPORTA_DATABASE_URL"]))
    waiting: list[kombu.Message] = []
    applied = 0
    with kombu.Connection(os.environ["COMPORTA_BROKER_URL"]) as connection:
        queues = [kombu.Queue(event_queue(domain), no_declare=True) for domain in DOMAINS]
        with kombu.Consumer(connection, queues, on_message=waiting.append, prefetch_count=_PREFETCH):
            while True:
                try:
                    connection.drain_events(timeout=_BATCH_SECONDS)
                    full = len(waiting) >= _BATCH
                except TimeoutError:
                    full = bool(waiting)
                if full:
                    _apply(fence, [_parse(message) for message in waiting])
                    waiting[-1].ack(multiple=True)
                    applied += len(waiting)
                    waiting.clear()
                    print(applied, flush=True)


def _parse(message: kombu.Message) -> ChangeEvent:
    shop, _, domain = message.delivery_info["routing_key"].partition(".")
    return parse_event(domain, shop, message.body)


def _apply(fence: Fence, events: Sequence[ChangeEvent]) -> None:
    # One statement can't write a row twice: the newest of each key, in key order.
    newest: dict[tuple[str, str, tuple[object, ...]], ChangeEvent] = {}
    for event in events:
        current = newest.setdefault((event.domain, event.shop, event.key), event)
        if event.version > current.version:
            newest[event.domain, event.shop, event.key] = event
    tables: dict[str, list[ChangeEvent]] = {}
    for key in sorted(newest):
        tables.setdefault(key[0], []).append(newest[key])
    with fence.shared() as connection:
        for domain, winners in tables.items():
            apply_events(connection, domain, winners, datetime.now(UTC))


if __name__ == "__main__":
    main()
