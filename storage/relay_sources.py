"""Sources of the relay: what of the change feed and of the outcomes is to be published next, and what was."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import exists, select

from schemas.feeds import (
    MOST_CHANGES,
    changes_event,
    changes_id,
    counted_event,
    counted_id,
    quarantined_event,
)
from schemas.topology import CHANGES, OUTCOMES
from storage.changes import FEED, Change, ChangeFeed, read_changes
from storage.dialect import database_now
from storage.feed_tables import change_feed, outcome_notices
from storage.fence import Connection, Fence
from storage.outcome_notices import Notice, counts_of, next_minute, remove_notices, waiting_notices
from storage.relay_leases import LEASE, RelayLease

__all__ = ["ChangeSource", "OutcomeSource", "RelayedNotice"]

_CHANGES_AT_ONCE = 5_000
_STEPS_AT_ONCE = 8
_PRUNE_SECONDS = 30.0
_COUNT_SECONDS = 5.0
_LOOK_SECONDS = 5.0


class RelayedNotice(NamedTuple):
    """A message to publish; the messages of one routing key go out one after the other."""

    token: str
    exchange: str
    routing_key: str
    body: bytes


class ChangeSource:
    """The change feed as one relay sees it: in the order of positions, from the last one that was published."""

    def __init__(self, fence: Fence, worker: str, keep: timedelta, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._feed = ChangeFeed(fence)
        self._keep = keep
        self._lease = RelayLease(FEED, worker, lease)
        # The last position of each message that was handed out, in their order.
        self._sent: list[tuple[str, int]] = []
        self._newest = 0
        self._next_prune = self._next_look = 0.0

    def exchange(self, confirmed: Collection[str]) -> list[RelayedNotice]:
        """Note the confirmed messages and return the next ones; none if another worker publishes."""
        published = self._published(confirmed)
        waits = self._waits()
        prune = self._newest > 0 and time.monotonic() >= self._next_prune
        if not published and not prune and not waits:
            return []
        with self._fence.shared() as connection:
            now = database_now(connection)
            position = self._lease.take(connection, now, published)
            if position is None:
                return []
            rows = list(read_changes(connection, position, _CHANGES_AT_ONCE))
        if prune:
            self._prune(now - self._keep, position)
        notices = list(_messages(rows))
        self._sent = [(notice.token, last) for notice, last in notices]
        return [notice for notice, _ in notices]

    def close(self, confirmed: Collection[str]) -> None:
        """Note the confirmed messages and give the lease back."""
        published = self._published(confirmed)
        with self._fence.shared() as connection:
            self._lease.give_back(connection, published)

    def _published(self, confirmed: Collection[str]) -> int:
        """Return the position up to which every message is confirmed, 0 if the first is not."""
        published = 0
        for token, last in self._sent:
            if token not in confirmed:
                break
            published = last
        self._sent = []
        return published

    def _waits(self) -> bool:
        if not self._newest and time.monotonic() < self._next_look:
            # The feed was never on: that need not be asked every time.
            return False
        self._next_look = time.monotonic() + _LOOK_SECONDS
        with self._fence.snapshot() as connection:
            self._newest = connection.scalar(select(change_feed.c.position).where(change_feed.c.name == FEED)) or 0
            return self._newest > self._lease.position(connection)

    def _prune(self, before: datetime, published: int) -> None:
        for _ in range(_STEPS_AT_ONCE):
            if not self._feed.prune(before, published):
                self._next_prune = time.monotonic() + _PRUNE_SECONDS
                return


def _messages(rows: list[Change]) -> Iterator[tuple[RelayedNotice, int]]:
    """Yield a message for each run of changes of one shop and domain, and the position of its last change."""
    for (shop, domain), run in groupby(rows, key=lambda row: (row.shop, row.domain)):
        changes = list(run)
        for start in range(0, len(changes), MOST_CHANGES):
            part = changes[start : start + MOST_CHANGES]
            first, last = part[0].position, part[-1].position
            values = [(row.position, row.key, row.version, row.deleted) for row in part]
            body = changes_event(shop, domain, values, part[-1].at)
            yield RelayedNotice(changes_id(first, last), CHANGES, f"{shop}.{domain}", body), last


class OutcomeSource:
    """The outcomes as one relay sees them: quarantined events at once, the counts of the others once a minute."""

    def __init__(self, fence: Fence, worker: str, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._lease = RelayLease("outcomes", worker, lease)
        self._notices: set[str] = set()
        self._counts: set[str] = set()
        self._minute = 0
        self._next_count = 0.0

    def exchange(self, confirmed: Collection[str]) -> list[RelayedNotice]:
        """Remove the confirmed notices and return the next ones; none if another worker publishes."""
        told, published = self._settle(confirmed)
        count = time.monotonic() >= self._next_count
        if not told and not published and not count and not self._waits():
            return []
        with self._fence.shared() as connection:
            now = database_now(connection)
            remove_notices(connection, told)
            # What was counted before Comporta first told of it stays untold.
            position = self._lease.take(connection, now, published, first=int(now.timestamp()) // 60 * 60 - 60)
            if position is None:
                return []
            notices = [
                RelayedNotice(row.id, OUTCOMES, f"{row.shop}.{row.domain}.quarantined", _quarantined(row))
                for row in waiting_notices(connection)
            ]
            counts = self._counted(connection, position, now) if count else []
        self._notices = {notice.token for notice in notices}
        return notices + counts

    def close(self, confirmed: Collection[str]) -> None:
        """Remove the confirmed notices and give the lease back."""
        told, published = self._settle(confirmed)
        with self._fence.shared() as connection:
            remove_notices(connection, told)
            self._lease.give_back(connection, published)

    def _settle(self, confirmed: Collection[str]) -> tuple[set[str], int]:
        """Return the notices that were published, and the minute if all its counts were (else 0)."""
        told = self._notices.intersection(confirmed)
        published = self._minute if self._counts and self._counts.issubset(confirmed) else 0
        if self._counts and not published:
            # The rest of its counts: at once, not with the next minute.
            self._next_count = 0.0
        self._notices, self._counts = set(), set()
        return told, published

    def _waits(self) -> bool:
        with self._fence.snapshot() as connection:
            return bool(connection.scalar(select(exists(outcome_notices.select()))))

    def _counted(self, connection: Connection, after: int, now: datetime) -> list[RelayedNotice]:
        minute = next_minute(connection, after, now)
        if minute is None:
            self._next_count = time.monotonic() + _COUNT_SECONDS
            return []
        self._minute = int(minute.timestamp())
        notices = [
            RelayedNotice(
                counted_id(row.shop, row.domain, row.outcome, minute),
                OUTCOMES,
                f"{row.shop}.{row.domain}.{row.outcome}",
                counted_event(row.shop, row.domain, row.outcome, minute, row.number),
            )
            for row in counts_of(connection, minute)
        ]
        self._counts = {notice.token for notice in notices}
        return notices


def _quarantined(row: Notice) -> bytes:
    return quarantined_event(row.id, row.shop, row.domain, row.data, row.at)
