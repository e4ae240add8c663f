"""Sources of the relay: what of the change feed and of the outcomes is to be published next, and what was."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

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
from storage.outcome_notices import Notice, OutcomeCount, counts_of, next_minute, remove_notices, waiting_notices
from storage.relay_leases import LEASE, RelayLease
from storage.relay_notice import RelayedNotice

__all__ = ["ChangeSource", "OutcomeSource"]

_CHANGES_AT_ONCE = 5_000
_STEPS_AT_ONCE = 8
_PRUNE_SECONDS = 30.0
_COUNT_SECONDS = 5.0
_LOOK_SECONDS = 5.0
_ANY_NOTICE = select(exists(outcome_notices.select()))
# A lane that no shop is called.
_COUNTS = "*counts"


class ChangeSource:
    """The change feed as one relay sees it: in the order of positions, from the last one that was published.

    It is one lane: after a failure everything from there on is published again.
    """

    poll_seconds = 0.5

    def __init__(self, fence: Fence, worker: str, keep: timedelta, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._feed = ChangeFeed(fence)
        self._keep = keep
        self._lease = RelayLease(FEED, worker, lease)
        # The last position of each message that was handed out, in their order.
        self._sent: list[tuple[str, int]] = []
        self._newest = 0
        self._next_prune = self._next_look = 0.0

    def exchange(self, confirmed: Collection[Hashable], skip: frozenset[str] = frozenset()) -> list[RelayedNotice]:
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
            rows = [] if FEED in skip else list(read_changes(connection, position, _CHANGES_AT_ONCE))
        if prune:
            self._prune(now - self._keep, position)
        notices = list(_messages(rows))
        self._sent = [(notice.message_id, last) for notice, last in notices]
        return [notice for notice, _ in notices]

    def close(self, confirmed: Collection[Hashable]) -> None:
        """Note the confirmed messages and give the lease back."""
        published = self._published(confirmed)
        with self._fence.shared() as connection:
            self._lease.give_back(connection, published)

    def _published(self, confirmed: Collection[Hashable]) -> int:
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
            identity, routing_key = changes_id(first, last), f"{shop}.{domain}"
            body = changes_event(shop, domain, values, part[-1].at)
            yield RelayedNotice(identity, FEED, routing_key, CHANGES, routing_key, identity, body), last


class OutcomeSource:
    """The outcomes as one relay sees them: quarantined events at once, the counts of the others once a minute.

    The refusals of each shop are a lane, and so are the counts of all: a count is published again until the broker has
    every one of its minute.
    """

    # An ERP hears within 5 s.
    poll_seconds = 2.0

    def __init__(self, fence: Fence, worker: str, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._lease = RelayLease("outcomes", worker, lease)
        self._notices: set[str] = set()
        self._minute: datetime | None = None
        self._counted: set[str] = set()
        self._next_count = 0.0

    def exchange(self, confirmed: Collection[Hashable], skip: frozenset[str] = frozenset()) -> list[RelayedNotice]:
        """Remove the confirmed notices and return the next ones; none if another worker publishes."""
        told = self._notices.intersection(confirmed)
        self._counted.update(str(token) for token in confirmed)
        count = _COUNTS not in skip and (self._minute is not None or time.monotonic() >= self._next_count)
        if not told and not count and not self._waits():
            return []
        with self._fence.shared() as connection:
            now = database_now(connection)
            remove_notices(connection, told)
            # What was counted before Comporta first told of it stays untold.
            position = self._lease.take(connection, now, first=int(now.timestamp()) // 60 * 60 - 60)
            if position is None:
                self._notices, self._minute = set(), None
                return []
            notices = [_quarantined(row) for row in waiting_notices(connection, skip)]
            counts = self._counts(connection, position, now) if count else []
        self._notices = {notice.message_id for notice in notices}
        return notices + counts

    def close(self, confirmed: Collection[Hashable]) -> None:
        """Remove the confirmed notices and give the lease back."""
        with self._fence.shared() as connection:
            remove_notices(connection, self._notices.intersection(confirmed))
            self._lease.give_back(connection)

    def _waits(self) -> bool:
        with self._fence.glance() as connection:
            return bool(connection.scalar(_ANY_NOTICE))

    def _counts(self, connection: Connection, position: int, now: datetime) -> list[RelayedNotice]:
        """Return the counts of a minute that are not published yet; note a minute when all of them are."""
        if self._minute is None:
            self._minute, self._counted = next_minute(connection, position, now), set()
            if self._minute is None:
                self._next_count = time.monotonic() + _COUNT_SECONDS
                return []
        counts = [_count(row, self._minute) for row in counts_of(connection, self._minute)]
        left = [notice for notice in counts if notice.token not in self._counted]
        if not left:
            self._lease.take(connection, now, int(self._minute.timestamp()))
            self._minute = None
        return left


def _quarantined(row: Notice) -> RelayedNotice:
    body = quarantined_event(row.id, row.shop, row.domain, row.data, row.at)
    return RelayedNotice(row.id, row.shop, None, OUTCOMES, f"{row.shop}.{row.domain}.quarantined", row.id, body)


def _count(row: OutcomeCount, minute: datetime) -> RelayedNotice:
    identity = counted_id(row.shop, row.domain, row.outcome, minute)
    body = counted_event(row.shop, row.domain, row.outcome, minute, row.number)
    routing_key = f"{row.shop}.{row.domain}.{row.outcome}"
    return RelayedNotice(identity, _COUNTS, routing_key, OUTCOMES, routing_key, identity, body)
