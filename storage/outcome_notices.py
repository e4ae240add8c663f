"""Outcomes for the ERP: quarantined events as an outbox, and the counts of the other outcomes from the ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, delete, func, select

from rules.outcomes import Outcome, RejectedDelivery
from schemas.domains import DOMAINS, ORDERS
from storage.dialect import dump_rows, rowset
from storage.feed_tables import outcome_notices
from storage.message_keys import MessageKey
from storage.tables import ledger
from storage.types import EXACT_TEXT

__all__ = [
    "NOTICES_AT_ONCE",
    "Notice",
    "OutcomeCount",
    "StoredRefusal",
    "add_notices",
    "counts_of",
    "next_minute",
    "remove_notices",
    "waiting_notices",
]

NOTICES_AT_ONCE = 1_000
# A batch counts in the minute in which it has read the clock: by then those of the minute have committed.
_SETTLED = timedelta(seconds=80)
_OLDEST = timedelta(days=1)
_COUNTED = [Outcome.APPLIED.value, Outcome.SUPERSEDED.value, Outcome.DISCARDED.value]


class Notice(NamedTuple):
    """A quarantined event to tell of; `data` is JSON text."""

    id: str
    at: datetime
    shop: str
    domain: str
    data: str


class OutcomeCount(NamedTuple):
    """Number of deliveries with an outcome in a minute."""

    shop: str
    domain: str
    outcome: str
    number: int


class StoredRefusal(NamedTuple):
    """A quarantined message with its id in the quarantine, and what could be read of its key."""

    id: str
    item: RejectedDelivery
    key: MessageKey


def add_notices(connection: Connection, refused: Sequence[StoredRefusal], now: datetime) -> None:
    """Note quarantined messages in the transaction that stores them.

    Orders are left out: they come from the shop, and hold what the ERP's programs need not see.
    """
    rows = [
        {"id": one.id, "at": now, "shop": one.item.shop, "domain": one.item.domain, "data": _data(one)}
        for one in refused
        if one.item.domain != ORDERS
    ]
    if rows:
        connection.execute(outcome_notices.insert(), rows)


def waiting_notices(connection: Connection, skip: Collection[str] = ()) -> list[Notice]:
    """Return the oldest notices, but for the shops in `skip`."""
    query = select(*(outcome_notices.c[name] for name in Notice._fields)).order_by(outcome_notices.c.id)
    if skip:
        query = query.where(outcome_notices.c.shop.not_in(sorted(skip)))
    return [Notice(*row) for row in connection.execute(query.limit(NOTICES_AT_ONCE))]


def remove_notices(connection: Connection, ids: Collection[str]) -> None:
    """Delete notices that were published."""
    if ids:
        dialect = connection.dialect.name
        rows = rowset(dialect, {"id": EXACT_TEXT})
        statement = delete(outcome_notices).where(outcome_notices.c.id.in_(select(rows.columns["id"])))
        connection.execute(statement, {"rows": dump_rows(dialect, ({"id": identity} for identity in ids))})


def next_minute(connection: Connection, after: int, now: datetime) -> datetime | None:
    """Return the first minute with outcomes after this one (in seconds since 1970) that is over, None if there is none.

    Minutes of more than a day ago are left out.
    """
    earliest = max(datetime.fromtimestamp(after, UTC), now - _OLDEST)
    query = select(func.min(ledger.c.minute)).where(
        ledger.c.minute > earliest, ledger.c.minute <= now - _SETTLED, ledger.c.outcome.in_(_COUNTED)
    )
    minute: datetime | None = connection.scalar(query)
    return minute


def counts_of(connection: Connection, minute: datetime) -> list[OutcomeCount]:
    """Return the counts of a minute, over all workers."""
    columns = [ledger.c.shop, ledger.c.domain, ledger.c.outcome]
    query = select(*columns, func.sum(ledger.c["count"])).where(
        ledger.c.minute == minute, ledger.c.outcome.in_(_COUNTED), ledger.c.domain != ORDERS
    )
    rows = connection.execute(query.group_by(*columns).order_by(*columns))
    return [OutcomeCount(row[0], row[1], row[2], int(row[3])) for row in rows]


def _data(refused: StoredRefusal) -> str:
    item, key = refused.item, refused.key
    reason = {
        "code": item.refusal.reason.value,
        "pointer": item.refusal.pointer,
        "sentence": item.refusal.sentence,
    }
    data = {
        "shop": item.shop,
        "domain": item.domain,
        "id": key.event_id,
        "sequence": key.sequence,
        "key": _fields(item.domain, key.key),
        "reasons": [reason],
        "quarantine_id": refused.id,
    }
    return orjson.dumps(data).decode()


def _fields(domain: str, key: str | None) -> dict[str, Any] | None:
    """Return the key's fields, None where they can't be read; a receipt has the order's id."""
    if key is None:
        return None
    if domain not in DOMAINS:
        return {"order_id": key}
    try:
        fields: dict[str, Any] = orjson.loads(key)
    except ValueError:
        # A key far longer than any of the contract is cut off.
        return None
    return fields
