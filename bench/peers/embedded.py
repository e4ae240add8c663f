"""Embedded default of Comporta in one process: memory:// and an SQLite file."""

from __future__ import annotations

import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import orjson

from bench.backlog import CONTENT_TYPE
from bench.events import real_events
from broker.connection import open_connection
from broker.sync_publisher import SyncPublisher
from comporta.runtime.logs import configure_logs
from consumers.source import BatchLimits, KombuSource
from consumers.worker import events_worker
from control.switchboard import Switchboard
from schemas.domains import DOMAINS
from schemas.topology import EVENTS
from storage.database import open_database
from storage.event_store import EventStore

__all__ = ["main"]

_URL = "memory://"


def main(backlog: int) -> None:
    """Publish a backlog, work it off in the same process and print the figures as JSON."""
    configure_logs("WARNING", "json")
    with tempfile.TemporaryDirectory(prefix="comporta-bench-") as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'bench.db'}")
        database.migrate()
        publisher = SyncPublisher(_URL, "bench")
        for event in real_events(backlog):
            publisher.publish(event.body, exchange=EVENTS, routing_key=event.routing_key, content_type=CONTENT_TYPE)
        store = EventStore(database.fence, Switchboard(database.fence, lambda _: None), "bench")
        worker = events_worker(_URL, tuple(DOMAINS), BatchLimits(), store, threading.Event())
        source = KombuSource(open_connection(_URL, name="bench"), worker.queues, worker.limits)
        cpu, started, applied = time.process_time(), time.perf_counter(), 0
        while applied < backlog:
            applied += worker.step(source)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        database.close()
    figures = {
        "events": backlog,
        "events_per_second": backlog / seconds,
        "cpu_us_per_event": 1e6 * cpu / backlog,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(orjson.dumps(figures).decode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
