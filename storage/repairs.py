"""Repair sheets: the keys missed when a switch was turned on again, and the number still missed.

A sheet belongs to one epoch: a resume, or a pause that expired. It covers the keys of its scope that were missed at
that moment, whenever they were discarded, in the shops and domains that no other switch held off.

The starting numbers are exact: they are counted after the change, in a snapshot that was taken inside its fence, so
that no batch lies between. If the process ends before it has counted, a sheet stays without them (`missed` is None).
The number left is counted on demand: the keys still missed whose discard was before the sheet, exact at that moment
and then reused for about a second. A key that a later pause discards again, in a newer version, leaves the sheet and
belongs to the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, Select, and_, case, func, or_, select, true, update

from rules.switches import Scope, Switch, Switches
from schemas.control import ANY, Command
from schemas.domains import DOMAINS
from storage.audit import EXPIRED_BY, EXPIRED_REASON
from storage.errors import StorageError, translated
from storage.fence import Fence
from storage.log import logger
from storage.pause_costs import PauseSpan, ScopeCost, count_cost, write_costs
from storage.tables import missed, repair_lines, repairs

__all__ = [
    "NewSheet",
    "RepairLine",
    "RepairSheetWriter",
    "Repairs",
    "Sheet",
    "after_expiry",
    "after_resume",
    "in_scopes",
]
# Counting takes at most this share of one core, however many readers and missed keys there are.
_SHARE = 0.05
_FRESH_SECONDS = 1.0
Left = Mapping[datetime, Mapping[Scope, int]]
log = logger(__name__)


class RepairLine(NamedTuple):
    """One shop and domain of a sheet: the keys missed at its start (None: not counted), and those still missed."""

    shop: str
    domain: str
    missed: int | None
    left: int


class Sheet(NamedTuple):
    """The repair sheet of a resume, or of the end of a pause (`expire`); `scopes` are those switched on.

    `done_at` is the time at which it was noted that no key is left.
    """

    epoch: int
    at: datetime
    action: str
    scopes: tuple[Scope, ...]
    by: str
    reason: str
    missed: int | None
    left: int
    lines: tuple[RepairLine, ...]
    done_at: datetime | None = None

    @property
    def seconds(self) -> float | None:
        """Return how long it took to make all keys good, None while some are left."""
        return None if self.done_at is None else max(0.0, (self.done_at - self.at).total_seconds())


class Repairs:
    """A reader of the sheets, for any number of threads; frequent reads share one count."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._lock = threading.Lock()
        self._fresh_until = 0.0
        self._left: Left = {}

    def sheets(self, limit: int = 10) -> list[Sheet]:
        """Return the newest sheets first; the numbers left are a second old at most, or older if counting is slow."""
        return self._sheets(select(repairs).order_by(repairs.c.epoch.desc()).limit(limit))

    def open_sheets(self, limit: int) -> list[Sheet]:
        """Return the oldest sheets of which it is not noted that they are done."""
        return self._sheets(select(repairs).where(repairs.c.done_at.is_(None)).order_by(repairs.c.epoch).limit(limit))

    def _sheets(self, query: Select[Any]) -> list[Sheet]:
        with self._fence.snapshot() as connection:
            heads = connection.execute(query).all()
            lines: dict[int, dict[Scope, int]] = {head.epoch: {} for head in heads}
            for line in connection.execute(select(repair_lines).where(repair_lines.c.epoch.in_(lines))):
                lines[line.epoch][line.shop, line.domain] = line.missed
        if not heads:
            return []
        # A count may take longer than a transaction may stay idle: it has a transaction of its own.
        left = self._cached_left([head.at for head in heads])
        return [_sheet(head, lines[head.epoch], left[head.at]) for head in heads]

    def _cached_left(self, moments: Sequence[datetime]) -> Left:
        with self._lock:
            began = time.monotonic()
            if began > self._fresh_until or not self._left.keys() >= set(moments):
                with self._fence.snapshot() as connection:
                    self._left = _left(connection, moments)
                now = time.monotonic()
                self._fresh_until = now + max(_FRESH_SECONDS, (now - began) / _SHARE)
            return self._left


def _sheet(head: Any, counted: Mapping[Scope, int], left: Mapping[Scope, int]) -> Sheet:
    scopes = tuple((shop, domain) for shop, domain in head.scopes)
    if head.missed is None:
        lines = [RepairLine(*scope, None, count) for scope, count in left.items() if in_scopes(scopes, *scope)]
    else:
        lines = [RepairLine(*scope, count, left.get(scope, 0)) for scope, count in counted.items()]
    total = sum(line.left for line in lines)
    header = (head.epoch, head.at, head.action, scopes, head.by, head.reason, head.missed)
    lines.sort(key=lambda line: (line.shop, line.domain))
    return Sheet(*header, total, tuple(lines), None if total else head.done_at)


def _left(connection: Connection, moments: Sequence[datetime]) -> Left:
    """Count, for each moment, the still missed keys discarded before it, by shop and domain, in one pass."""
    left: dict[datetime, dict[Scope, int]] = {moment: {} for moment in moments}
    if not left:
        return left
    ordered = sorted(left)
    first = case(*((missed.c.discarded_at <= moment, index) for index, moment in enumerate(ordered)))
    query = select(missed.c.shop, missed.c.domain, first.label("first_sheet"), func.count())
    query = query.where(missed.c.discarded_at <= ordered[-1]).group_by(missed.c.shop, missed.c.domain, "first_sheet")
    for shop, domain, index, count in connection.execute(query):
        for moment in ordered[index:]:
            counts = left[moment]
            counts[shop, domain] = counts.get((shop, domain), 0) + count
    return left


class NewSheet(NamedTuple):
    """A sheet before the count: epoch, time, and the scopes switched on, with operator and reason."""

    epoch: int
    at: datetime
    action: str
    scopes: tuple[Scope, ...]
    by: str
    reason: str


def after_resume(command: Command, changes: Sequence[Switch], after: Switches) -> list[NewSheet]:
    """Return the sheet that a command begins, if it has switched on a scope that can have missed keys."""
    scopes = _resumed_scopes(changes)
    by, reason = command.by, command.message.reason
    return [NewSheet(after.epoch, after.now, "resume", scopes, by, reason)] if scopes else []


def after_expiry(ended: Sequence[Switch], after: Switches) -> list[NewSheet]:
    """Return the sheet that begins when pauses have expired."""
    scopes = _resumed_scopes(ended)
    return [NewSheet(after.epoch, after.now, "expire", scopes, EXPIRED_BY, EXPIRED_REASON)] if scopes else []


def in_scopes(scopes: Iterable[Scope], shop: str, domain: str) -> bool:
    """Return whether a shop and domain belong to any of the scopes."""
    return any(scope_shop in (ANY, shop) and scope_domain in (ANY, domain) for scope_shop, scope_domain in scopes)


class RepairSheetWriter:
    """The writer of the sheets of one switch change; it counts in a thread of its own, so that no reply waits.

    Where a sheet is `likely`, it connects before the fence is taken, so that inside the fence only a read remains.
    """

    def __init__(self, fence: Fence, *, likely: bool) -> None:
        self._fence = fence
        self._likely = likely
        self._stack = ExitStack()
        self._snapshot: Connection | None = None
        self._sheets: list[NewSheet] = []
        self._ended: list[PauseSpan] = []
        self._after: Switches | None = None

    def __enter__(self) -> Self:
        if self._likely:
            self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._after is None or error is not None:
            self._stack.close()
        else:
            threading.Thread(target=self._count, name="repair-sheet", daemon=True).start()

    def begin(
        self, connection: Connection, sheets: list[NewSheet], after: Switches, ended: Sequence[PauseSpan] = ()
    ) -> None:
        """Insert the sheets, and open the snapshot for their counts; the caller holds the fence alone.

        In the same snapshot the cost of the ended pauses is counted.
        """
        if not (sheets or ended):
            return
        rows = [{**sheet._asdict(), "scopes": list(sheet.scopes)} for sheet in sheets]
        if rows:
            connection.execute(repairs.insert(), rows)
        snapshot = self._snapshot or self._connect()
        if snapshot is None:
            return
        try:
            with translated():
                snapshot.execute(select(missed.c.key).limit(1))
        except StorageError as error:
            _report(error)
        else:
            self._sheets, self._after, self._ended = sheets, after, list(ended)

    def _connect(self) -> Connection | None:
        try:
            self._snapshot = self._stack.enter_context(self._fence.snapshot())
        except StorageError as error:
            _report(error)
        return self._snapshot

    def _count(self) -> None:
        assert self._snapshot is not None
        try:
            with self._stack:
                scopes = [scope for sheet in self._sheets for scope in sheet.scopes]
                counts = _missed_by_scope(self._snapshot, scopes) if scopes else {}
                costs = [count_cost(self._snapshot, span) for span in self._ended]
            self._write(counts, costs)
        except StorageError as error:
            _report(error)

    def _write(self, counts: dict[Scope, int], costs: Sequence[ScopeCost]) -> None:
        assert self._after is not None
        still_on = {scope: count for scope, count in counts.items() if not self._after.stops(*scope)}
        with self._fence.shared() as connection:
            write_costs(connection, costs)
            for sheet in self._sheets:
                lines = {scope: count for scope, count in still_on.items() if in_scopes(sheet.scopes, *scope)}
                total = {"missed": sum(lines.values())}
                connection.execute(update(repairs).where(repairs.c.epoch == sheet.epoch).values(total))
                rows = [
                    {"epoch": sheet.epoch, "shop": shop, "domain": domain, "missed": count}
                    for (shop, domain), count in lines.items()
                ]
                if rows:
                    connection.execute(repair_lines.insert(), rows)


def _report(error: StorageError) -> None:
    # The change itself must not fail: it goes on, and the sheet stays without its starting numbers.
    log.warning("missed keys of a repair sheet not counted", error=str(error))


def _resumed_scopes(changes: Iterable[Switch]) -> tuple[Scope, ...]:
    # Orders wait during a pause: they are never missed.
    return tuple(switch.scope for switch in changes if not switch.off and switch.domain in (ANY, *DOMAINS))


def _missed_by_scope(connection: Connection, scopes: Iterable[Scope]) -> dict[Scope, int]:
    conditions = (
        and_(
            true() if shop == ANY else missed.c.shop == shop,
            true() if domain == ANY else missed.c.domain == domain,
        )
        for shop, domain in scopes
    )
    query = select(missed.c.shop, missed.c.domain, func.count()).where(or_(*conditions))
    rows = connection.execute(query.group_by(missed.c.shop, missed.c.domain))
    return {(shop, domain): count for shop, domain, count in rows}
