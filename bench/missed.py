"""Missed key measurements: the first page of many, the requests for all of them, and their size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from bench.page import running_page, summary
from bench.places import Place, Servers
from bench.processes import MeasurementFailed
from bench.results import Figures
from broker.connection import open_connection, release
from broker.declare import declare
from control.actions import OperatorActions
from producers.messages import OutgoingMessage, PublishResult
from producers.publisher import Publisher
from rules.actions import AuditContext
from storage.database import open_database
from storage.views import MissedFilter

__all__ = ["first_page", "requests"]

_ASKED = 50
# In batches of 500, in the order in which changes come and not in that of the keys: so the index has the density of
# real discards.
_MISS = """
INSERT INTO missed (domain, shop, key, version, event_id, discarded_at)
SELECT 'stock', 'shop-' || (mod(key, 4) + 1),
       '{"product_code":"P' || lpad(key::text, 7, '0') || '","branch":"1","warehouse":"MAIN","lot":""}',
       key + 1, md5(key::text), now() + (row_number() OVER () / 500) * interval '1 ms'
FROM generate_series(0, %s - 1) AS key ORDER BY md5(key::text || 'order')
"""


def first_page(servers: Servers, keys: int) -> Figures:
    """Measure the first page of the list over HTTP, again and again, and the bytes of a key with its indexes."""
    with _missed(servers, keys) as place, running_page(place) as page, place.query() as database:
        [[size]] = database.execute("SELECT pg_total_relation_size('missed')")
        milliseconds: list[float] = []
        with httpx.Client(base_url=page.address, headers=page.bearer) as client:
            for _ in range(_ASKED):
                began = time.perf_counter()
                answer = client.get("/api/missed").raise_for_status()
                milliseconds.append(1e3 * (time.perf_counter() - began))
                if len(answer.json()) != 100:
                    raise MeasurementFailed(f"the page has {len(answer.json())} rows instead of 100")
        return {**summary(milliseconds), "bytes_per_key": size / keys}


def requests(servers: Servers, keys: int) -> Figures:
    """Measure the requests for all missed keys, confirmed by the broker and remembered."""
    with _missed(servers, keys) as place:
        connection = open_connection(place.broker_url, name="bench")
        declare(connection)
        release(connection)
        database = open_database(place.database_url)
        with Publisher(place.broker_url, name="bench") as publisher:

            def publish(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
                return list(publisher.publish_all(messages))

            began = time.perf_counter()
            result = OperatorActions(database, publish).resync(MissedFilter(), AuditContext("bench", "bench"))
            seconds = time.perf_counter() - began
        database.close()
    if result.requested != keys:
        raise MeasurementFailed(f"the ERP was asked for {result.requested} of {keys} keys")
    return {"events": keys, "events_per_second": keys / seconds, "seconds": seconds}


@contextmanager
def _missed(servers: Servers, keys: int) -> Iterator[Place]:
    """Yield a fresh place with so many missed keys."""
    with servers.place() as place:
        with place.query() as database:
            database.execute(_MISS, [keys])
            database.execute("VACUUM (ANALYZE) missed")
        yield place
