"""Change events: from their queues, and the dead letters', into the tables."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from consumers.decode import decode
from consumers.observer import Observe, unobserved
from consumers.source import Intake
from consumers.worker import Worker
from schemas.topology import DEAD, event_queue
from storage.event_store import Store

__all__ = ["events_worker"]


def events_worker(
    url: str,
    domains: Sequence[str],
    intake: Intake,
    store: Store,
    stop: threading.Event,
    observe: Observe = unobserved,
) -> Worker:
    """Applies the change events of some domains; moves dead letters, which any worker may, to the quarantine."""
    queues = [*(event_queue(domain) for domain in domains), DEAD]
    return Worker(url, "events", queues, intake, decode, store, stop, observe)
