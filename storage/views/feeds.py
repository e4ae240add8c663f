"""Feeds of the ERPs, by shop and domain: their recent deliveries by outcome."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from storage.tables import ledger, shops

__all__ = ["RECENT_MINUTES", "Recent", "read_recent"]

RECENT_MINUTES = 15
Recent = dict[tuple[str, str], dict[str, int]]


def read_recent(connection: Connection, now: datetime) -> Recent:
    """Count the deliveries of the last minutes by shop and domain, and by outcome; only shops that are known."""
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=RECENT_MINUTES)
    query = (
        select(ledger.c.shop, ledger.c.domain, ledger.c.outcome, func.sum(ledger.c.count))
        .where(ledger.c.minute >= since, ledger.c.shop.in_(select(shops.c.shop)))
        .group_by(ledger.c.shop, ledger.c.domain, ledger.c.outcome)
    )
    recent: Recent = {}
    for shop, domain, outcome, count in connection.execute(query):
        recent.setdefault((shop, domain), {})[outcome] = int(count)
    return recent
