"""Tables of a measurement: rows before it, and the check of the rows after it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache

import psycopg
from psycopg.errors import InsufficientPrivilege

from bench.events import Backlog
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from storage.engine import open_engine
from storage.entities import apply_events
from tests.support.services.postgres import Database

__all__ = ["WrittenWrong", "prefill", "require_written"]

# Prefilled rows are older than every event, and are left out of the comparison.
_BEFORE = 0
_PREFILL = """
INSERT INTO stock (shop, product_code, branch, warehouse, lot, on_hand, unit, as_of,
                   version, event_id, deleted, occurred_at, applied_at)
SELECT 'shop-' || (mod(key, %(shops)s) + 1), 'P' || lpad(key::text, 7, '0'), '1', 'MAIN', '', 0, 'UN', now(),
       %(version)s, 'before', false, now(), now()
FROM generate_series(0, %(keys)s - 1) AS key
"""
_ROWS = "SELECT (to_jsonb(known) - 'applied_at')::text FROM {} AS known WHERE version > %s"

Rows = dict[str, frozenset[str]]


class WrittenWrong(Exception):
    """Error: the tables differ from the newest events, so the measured program is wrong."""


def prefill(url: str, keys: int, shops: int) -> None:
    """Insert a row for each of `keys` stock balances, and leave PostgreSQL no vacuum or checkpoint to catch up with."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_PREFILL, {"keys": keys, "shops": shops, "version": _BEFORE})
        connection.execute("VACUUM (ANALYZE) stock")
        # Not every role may: then writing out the prefilled rows falls into the measurement.
        with suppress(InsufficientPrivilege):
            connection.execute("CHECKPOINT")


def require_written(database: Database, url: str, backlog: Backlog) -> None:
    """Raise `WrittenWrong` unless every table holds, field by field, the newest event of each key."""
    actual = _rows(url)
    for domain, expected in _expected(database, backlog).items():
        if actual[domain] != expected:
            missing, others = expected - actual[domain], actual[domain] - expected
            example = min(missing or others)
            raise WrittenWrong(
                f"{domain}: {len(missing)} rows are missing and {len(others)} should not be there, such as {example}"
            )


@lru_cache(maxsize=4)
def _expected(database: Database, backlog: Backlog) -> Rows:
    """Return the rows that our own statements write from only the newest event of each key."""
    newest: dict[tuple[str, str, tuple[object, ...]], ChangeEvent] = {}
    for message in backlog.events():
        event = parse_event(message.domain, message.shop, message.body)
        known = newest.setdefault((event.domain, event.shop, event.key), event)
        if (event.version, event.event_id) > (known.version, known.event_id):
            newest[event.domain, event.shop, event.key] = event
    url = database.new_database()
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            for domain in DOMAINS:
                events = [newest[key] for key in sorted(newest) if key[0] == domain]
                apply_events(connection, domain, events, datetime.now(UTC))
        return _rows(url)
    finally:
        engine.dispose()
        database.drop_database(url)


def _rows(url: str) -> Rows:
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        return {
            domain: frozenset(row for (row,) in connection.execute(_ROWS.format(domain).encode(), [_BEFORE]))
            for domain in DOMAINS
        }
