"""Latency of one event from the publisher to the commit, at a steady rate."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import psycopg

from bench.backlog import CONTENT_TYPE, fill, open_channel
from bench.events import real_events
from bench.loads import LOADED_SHOP, BulkLoad, is_over
from bench.places import Place, Servers
from bench.processes import MeasurementFailed, await_consumers, running
from bench.results import Figures, percentile
from schemas.domains import DOMAINS
from schemas.topology import EVENTS

__all__ = ["publish_to_commit"]

_PER_SECOND = 200
# This long without a notification after the last event: all notifications have come.
_QUIET_SECONDS = 1.0
_CHANNEL = "bench_committed"
_NOTIFY = f"""
CREATE FUNCTION bench_notify() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('{_CHANNEL}', NEW.event_id); RETURN NULL; END $$;
""" + "\n".join(
    f"CREATE TRIGGER bench_notify AFTER INSERT OR UPDATE ON {name} FOR EACH ROW WHEN (NEW.shop <> '{LOADED_SHOP}') "
    "EXECUTE FUNCTION bench_notify();"
    for name in DOMAINS
)


def publish_to_commit(servers: Servers, count: int, load_keys: int = 0) -> Figures:
    """Measure one worker at 200 events a second, from the publish to the commit's notification.

    Beside them it applies a full load of `load_keys` keys, if any, which must outlast them. PostgreSQL sends a
    notification after its transaction has committed, so its way to this process counts too.
    """
    with ExitStack() as stack:
        place = stack.enter_context(servers.place())
        if load_keys:
            fill(place.broker_url, BulkLoad(load_keys))
        database = stack.enter_context(place.query())
        database.execute(_NOTIFY.encode())
        children = stack.enter_context(running(place, "comporta", "worker"))
        database.execute(f"LISTEN {_CHANNEL}".encode())
        await_consumers(place, children, 1)
        committed: dict[str, float] = {}
        published = threading.Event()
        listener = threading.Thread(target=_listen, args=(database, committed, published), daemon=True)
        listener.start()
        sent = _publish(place, count)
        if load_keys:
            with place.query() as other:
                if is_over(other):
                    raise MeasurementFailed("the load was over before the last event")
        published.set()
        listener.join()
    milliseconds = [1000 * (committed[event] - at) for event, at in sent.items() if event in committed]
    # Of two events of a key in one batch only the newer reaches the table.
    if len(milliseconds) < 0.9 * count:
        raise MeasurementFailed(f"only {len(milliseconds)} of {count} events were committed in time")
    return {
        "events": count,
        "measured": len(milliseconds),
        "p50_ms": percentile(milliseconds, 0.50),
        "p99_ms": percentile(milliseconds, 0.99),
        "max_ms": max(milliseconds),
    }


def _publish(place: Place, count: int) -> dict[str, float]:
    sent: dict[str, float] = {}
    with open_channel(place.broker_url) as channel:
        events = list(real_events(count))
        started = time.perf_counter()
        for number, event in enumerate(events):
            message = channel.prepare_message(event.body, content_type=CONTENT_TYPE, properties={"delivery_mode": 2})
            time.sleep(max(0.0, started + number / _PER_SECOND - time.perf_counter()))
            sent[event.event_id] = time.perf_counter()
            channel.basic_publish(message, exchange=EVENTS, routing_key=event.routing_key)
    return sent


def _listen(database: psycopg.Connection, committed: dict[str, float], published: threading.Event) -> None:
    quiet_since = time.perf_counter()
    while not published.is_set() or time.perf_counter() - quiet_since < _QUIET_SECONDS:
        for notification in database.notifies(timeout=0.2):
            committed[notification.payload] = quiet_since = time.perf_counter()
