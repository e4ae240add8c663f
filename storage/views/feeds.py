"""Feeds of the ERPs, by shop and domain: their recent deliveries by outcome."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from schemas.domains import NO_SHOP
from storage.tables import ledger, shops

__all__ = ["RECENT_MINUTES", "Recent", "read_recent"]

RECENT_MINUTES = 15
Recent = dict[tuple[str, str], dict[str, int]]


def read_recent(connection: Connection, now: datetime) -> Recent:
    """Count the deliveries of the last minutes by shop and domain, and by outcome.

    Messages under a name that is no known shop's, which anyone can make up, are counted together as `?`.
    """
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=RECENT_MINUTES)
    shop = func.coalesce(shops.c.shop, NO_SHOP)
    query = (
        select(shop, ledger.c.domain, ledger.c.outcome, func.sum(ledger.c.count))
        .select_from(ledger.outerjoin(shops, shops.c.shop == ledger.c.shop))
        .where(ledger.c.minute >= since)
        .group_by(shop, ledger.c.domain, ledger.c.outcome)
    )
    recent: Recent = {}
    for shop, domain, outcome, count in connection.execute(query):
        recent.setdefault((shop, domain), {})[outcome] = int(count)
    return recent
