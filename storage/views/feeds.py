"""Feeds of the ERPs, by shop and domain: recent outcomes, quarantine, unknown fields, distances and silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, Select, func, select
from sqlalchemy.types import TypeEngine

# pydantic reads TypedDict from here until Python 3.12.
from typing_extensions import TypedDict

from rules.feeds import Silence, Trouble, is_quiet, judge_silence, past_spans, share, troubles_of
from rules.outcomes import Outcome
from rules.switches import Scope
from schemas.domains import DOMAINS, NO_SHOP
from storage.dialect import database_now, dump_rows, rowset
from storage.errors import translated
from storage.health_tables import feed_activity, feed_hours
from storage.tables import ledger, quarantine, shops, unknown_fields
from storage.types import EXACT_TEXT, UtcTime
from storage.views.health import read_health

__all__ = ["RECENT_MINUTES", "Behind", "FeedRow", "FeedsView", "Recent", "SilenceRow", "read_recent"]

RECENT_MINUTES = 15
Recent = dict[Scope, dict[str, int]]
# The page and the metrics share a reading; the past of a silent feed changes slowly.
_FRESH_SECONDS, _PAST_SECONDS = 5.0, 60.0
_PAST_TYPES: dict[str, TypeEngine[Any]] = {
    "shop": EXACT_TEXT,
    "domain": EXACT_TEXT,
    "start": UtcTime(),
    "until": UtcTime(),
}


class Behind(TypedDict):
    """Seconds from the events' own times to their commit; negative where the ERP's clock is ahead.

    Of a sample of the last minute, `minute`, that had any.
    """

    minute: datetime
    least: float
    mean: float
    most: float


class SilenceRow(TypedDict):
    """Silence of a feed against its past: it had sent at this time of the week in `sent` of the last `weeks` weeks."""

    unusual: bool | None
    sent: int
    weeks: int


class FeedRow(TypedDict):
    """A feed: what came last and when, the outcomes of the last 15 minutes, and what is wrong.

    `event_at` is the newest `time` of its events. `quarantined` counts the messages in the quarantine by reason.
    `silence` is null while the feed sends, and while its messages are not taken from the queue.
    """

    shop: str
    domain: str
    trouble: list[Trouble]
    last_at: datetime
    event_at: datetime | None
    behind: Behind | None
    recent: dict[str, int]
    superseded_share: float | None
    quarantined: dict[str, int]
    unknown_fields: int
    silence: SilenceRow | None


class FeedsView:
    """A reader of the feeds, which several threads share; a reading is at most five seconds old."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._rows: list[FeedRow] = []
        self._read_at = float("-inf")
        self._silences: dict[tuple[Scope, datetime], Silence] = {}
        self._judged_at = float("-inf")

    def rows(self) -> list[FeedRow]:
        """Return every feed of the ERPs that has ever sent, those in trouble first."""
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                with translated(), self._engine.connect() as connection:
                    self._rows = self._read(connection)
                self._read_at = time.monotonic()
            return self._rows

    def _read(self, connection: Connection) -> list[FeedRow]:
        now = database_now(connection)
        activity = connection.execute(select(feed_activity).where(feed_activity.c.domain.in_(DOMAINS))).all()
        recent = read_recent(connection, now)
        refused, unknown = _quarantined(connection), _unknown(connection)
        silences = self._judge(connection, activity, now)
        rows = [_row(row, recent.get(_scope(row), {}), refused, unknown, silences.get(_key(row))) for row in activity]
        return sorted(rows, key=lambda row: (not row["trouble"], row["shop"], row["domain"]))

    def _judge(
        self, connection: Connection, activity: Collection[Row[Any]], now: datetime
    ) -> Mapping[tuple[Scope, datetime], Silence]:
        """Judge the silent feeds whose messages are taken: else the silence may be in the queue."""
        health = read_health(connection, now)
        taken = {name for name, domain in health.domains.items() if domain.state == "ok"}
        quiet = [row for row in activity if row.domain in taken and is_quiet(row.last_at, now)]
        if time.monotonic() - self._judged_at > _PAST_SECONDS:
            self._silences, self._judged_at = {}, time.monotonic()
        new = [row for row in quiet if _key(row) not in self._silences]
        if new:
            self._silences |= _silences(connection, new, now)
        return {_key(row): self._silences[_key(row)] for row in quiet}


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
    for name, domain, outcome, count in connection.execute(query):
        recent.setdefault((name, domain), {})[outcome] = int(count)
    return recent


def _silences(
    connection: Connection, rows: Collection[Row[Any]], now: datetime
) -> dict[tuple[Scope, datetime], Silence]:
    dialect = connection.dialect.name
    spans = [
        {"shop": row.shop, "domain": row.domain, "start": start - timedelta(hours=1), "until": end}
        for row in rows
        for start, end in past_spans(row.last_at, now)
    ]
    hours: dict[Scope, dict[datetime, int]] = {}
    for shop, domain, hour, minutes in connection.execute(_past(dialect), {"rows": dump_rows(dialect, spans)}):
        hours.setdefault((shop, domain), {})[hour] = minutes
    firsts: dict[Scope, datetime] = {
        (shop, domain): first
        for shop, domain, first in connection.execute(_FIRSTS.where(feed_hours.c.shop.in_({row.shop for row in rows})))
    }
    return {
        _key(row): judge_silence(row.last_at, now, firsts.get(_scope(row), now), hours.get(_scope(row), {}))
        for row in rows
    }


@cache
def _past(dialect: str) -> Executable:
    spans = rowset(dialect, _PAST_TYPES)
    column = spans.columns
    within = (
        (feed_hours.c.shop == column["shop"])
        & (feed_hours.c.domain == column["domain"])
        & (feed_hours.c.hour > column["start"])
        & (feed_hours.c.hour <= column["until"])
    )
    return select(feed_hours).select_from(spans.source.join(feed_hours, within))


_FIRST: Any = func.min(feed_hours.c.hour, type_=feed_hours.c.hour.type)
_FIRSTS: Select[Any] = select(feed_hours.c.shop, feed_hours.c.domain, _FIRST).group_by(
    feed_hours.c.shop, feed_hours.c.domain
)


def _quarantined(connection: Connection) -> dict[Scope, dict[str, int]]:
    columns = quarantine.c.shop, quarantine.c.domain, quarantine.c.reason
    found: dict[Scope, dict[str, int]] = {}
    for shop, domain, reason, count in connection.execute(select(*columns, func.count()).group_by(*columns)):
        found.setdefault((shop, domain), {})[reason] = count
    return found


def _unknown(connection: Connection) -> dict[Scope, int]:
    columns = unknown_fields.c.shop, unknown_fields.c.domain
    rows: Iterable[Any] = connection.execute(select(*columns, func.count()).group_by(*columns))
    return {(shop, domain): count for shop, domain, count in rows}


def _row(
    row: Row[Any],
    recent: Mapping[str, int],
    refused: Mapping[Scope, dict[str, int]],
    unknown: Mapping[Scope, int],
    silence: Silence | None,
) -> FeedRow:
    return FeedRow(
        shop=row.shop,
        domain=row.domain,
        trouble=troubles_of(recent, silence),
        last_at=row.last_at,
        event_at=row.event_at,
        behind=_behind(row),
        recent={outcome.value: recent.get(outcome.value, 0) for outcome in Outcome},
        superseded_share=share(recent, Outcome.SUPERSEDED),
        quarantined=dict(sorted(refused.get(_scope(row), {}).items())),
        unknown_fields=unknown.get(_scope(row), 0),
        silence=silence and SilenceRow(unusual=silence.unusual, sent=silence.sent, weeks=silence.weeks),
    )


def _behind(row: Row[Any]) -> Behind | None:
    if not row.measured:
        return None
    mean = row.behind_sum / row.measured
    return Behind(minute=row.minute, least=row.behind_least, mean=mean, most=row.behind_most)


def _scope(row: Row[Any]) -> Scope:
    return row.shop, row.domain


def _key(row: Row[Any]) -> tuple[Scope, datetime]:
    return _scope(row), row.last_at
