"""Ledger measurement: the roll-up of a month of a hundred shops, and what ten thousand of them take."""

from __future__ import annotations

import time

from bench.places import Servers
from bench.processes import MeasurementFailed
from bench.results import Figures, percentile
from rules.retention import Retention
from storage.database import open_database
from storage.upkeep import Upkeep

__all__ = ["roll_up"]

_SHOPS, _DAYS, _ALL_SHOPS = 100, 30, 10_000
# Of a shop's minutes, a tenth change its stock, a hundredth its prices and a five-hundredth anything else; in half of
# them an event is superseded, too. The balance of what was received is kept for all shops together.
# The sum with both series is there to have chance asked for each row, not for each pair of the short lists.
_FILL = """
INSERT INTO ledger (minute, worker, shop, domain, outcome, count)
SELECT date_trunc('minute', now()) - minute * interval '1 minute', 'w' || mod(minute, 2), 'shop-' || shop, domain,
       outcome, 1 + mod(minute, 9)
FROM generate_series(0, %(minutes)s - 1) AS minute, generate_series(1, %(shops)s) AS shop,
     (VALUES ('stock', 0.1), ('prices', 0.01), ('products', 0.002), ('images', 0.002), ('packagings', 0.002),
             ('price_tables', 0.002), ('customers', 0.002)) AS domains (domain, share),
     (VALUES ('applied', 1.0), ('superseded', 0.5)) AS outcomes (outcome, part)
WHERE random() + 0 * (minute + shop) < share * part
"""
_RECEIVED = """
INSERT INTO received (minute, worker, domain, count)
SELECT minute, worker, domain, sum(count) FROM ledger GROUP BY minute, worker, domain
"""


def roll_up(servers: Servers) -> Figures:
    """Measure the rows that go into hours, how long each step holds the fence, and what all shops' month takes."""
    with servers.place() as place, place.query() as database:
        database.execute(_FILL, {"minutes": _DAYS * 24 * 60, "shops": _SHOPS})
        database.execute(_RECEIVED)
        database.execute("VACUUM (ANALYZE) ledger")
        [[rows, events]] = database.execute("SELECT count(*), sum(count) FROM ledger")
        opened = open_database(place.database_url)
        upkeep = Upkeep(opened.fence, Retention(), "bench")
        began = time.perf_counter()
        # Without the rests that a process takes between two steps.
        held = [1e3 * step.seconds for step in upkeep.steps()]
        seconds = time.perf_counter() - began
        opened.close()
        # In production rows come and go day by day, and autovacuum gives their room to the next ones.
        database.execute("VACUUM (FULL, ANALYZE) ledger")
        [[left, kept, size]] = database.execute(
            "SELECT count(*), sum(count), pg_total_relation_size('ledger') FROM ledger"
        )
    if kept != events:
        raise MeasurementFailed(f"the ledger counts {kept} events instead of {events}")
    return {
        "events": rows,
        "events_per_second": (rows - left) / seconds,
        "seconds": seconds,
        "rows_left": left,
        "p50_ms": percentile(held, 0.50),
        "p99_ms": percentile(held, 0.99),
        "gb_of_all_shops": size / _SHOPS * _ALL_SHOPS / 1e9,
    }
