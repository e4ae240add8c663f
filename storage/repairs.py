"""The repair sheets: what was missed when the integration went on again, and how much of it still is.

A sheet belongs to one epoch: a resume, or a pause that ended by itself. It stands for the keys of its scope that were
missed at that moment, whenever they were discarded, in the shops and domains that nothing held back any more.

The starting numbers are exact: they are counted after the change, in a snapshot that was taken inside its fence, so
that no batch lies between. If the process ends before it has counted, a sheet stays without them (`missed` is None).
What is left is counted when asked: the keys still missed whose discard was before the sheet, exact at that moment and
then shown for about a second. A key that a later pause discards again, in a newer version, leaves the sheet and
stands on the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog
from sqlalchemy import Connection, and_, case, func, or_, select, true, update

from rules.switches import Scope, Switch, Switches
from schemas.control import ANY, Command
from schemas.domains import DOMAINS
from storage.audit import EXPIRED_BY, EXPIRED_REASON
from storage.errors import StorageError, translated
from storage.fence import Fence
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
# Counting takes at most this share of one core, however many look and however many keys are missed.
_SHARE = 0.05
_FRESH_SECONDS = 1.0
Left = Mapping[datetime, Mapping[Scope, int]]
log = structlog.get_logger(__name__)


class RepairLine(NamedTuple):
    """One shop and domain of a sheet: how many keys were missed (None: not counted), and how many still are."""

    shop: str
    domain: str
    missed: int | None
    left: int


class Sheet(NamedTuple):
    """What a resume, or the end of a pause (`expire`), has left to be repaired; `scopes` are those switched on."""

    epoch: int
    at: datetime
    action: str
    scopes: tuple[Scope, ...]
    by: str
    reason: str
    missed: int | None
    left: int
    lines: tuple[RepairLine, ...]


class Repairs:
    """Reads the sheets; may be asked by many threads and as often as they like."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._lock = threading.Lock()
        self._fresh_until = 0.0
        self._left: Left = {}

    def sheets(self, limit: int = 20) -> list[Sheet]:
        """The newest sheets first; what is left is at most a second old, or as old as counting is slow."""
        with self._fence.snapshot() as connection:
            heads = connection.execute(select(repairs).order_by(repairs.c.epoch.desc()).limit(limit)).all()
            lines: dict[int, dict[Scope, int]] = {head.epoch: {} for head in heads}
            for line in connection.execute(select(repair_lines).where(repair_lines.c.epoch.in_(lines))):
                lines[line.epoch][line.shop, line.domain] = line.missed
        # A count may take longer than a transaction may wait: it has one of its own.
        left = self._counted([head.at for head in heads])
        return [_sheet(head, lines[head.epoch], left[head.at]) for head in heads]

    def _counted(self, moments: Sequence[datetime]) -> Left:
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
    said = (head.epoch, head.at, head.action, scopes, head.by, head.reason, head.missed)
    return Sheet(*said, total, tuple(sorted(lines, key=lambda line: (line.shop, line.domain))))


def _left(connection: Connection, moments: Sequence[datetime]) -> Left:
    """For each moment, the keys still missed that were discarded before it, by shop and domain: one pass for all."""
    left: dict[datetime, dict[Scope, int]] = {moment: {} for moment in moments}
    if not left:
        return left
    ordered = sorted(left)
    first = case(*((missed.c.discarded_at <= moment, place) for place, moment in enumerate(ordered)))
    query = select(missed.c.shop, missed.c.domain, first.label("place"), func.count())
    query = query.where(missed.c.discarded_at <= ordered[-1]).group_by(missed.c.shop, missed.c.domain, "place")
    for shop, domain, place, count in connection.execute(query):
        for moment in ordered[place:]:
            found = left[moment]
            found[shop, domain] = found.get((shop, domain), 0) + count
    return left


class NewSheet(NamedTuple):
    """A sheet before anything is counted: the epoch and the moment, and what was switched on, by whom and why."""

    epoch: int
    at: datetime
    action: str
    scopes: tuple[Scope, ...]
    by: str
    reason: str


def after_resume(command: Command, changes: Sequence[Switch], after: Switches) -> list[NewSheet]:
    """The sheet that a command begins, if it has switched on anything that can have missed keys."""
    scopes = _resumed_scopes(changes)
    said = (command.by, command.message.reason)
    return [NewSheet(after.epoch, after.now, "resume", scopes, *said)] if scopes else []


def after_expiry(ended: Sequence[Switch], after: Switches) -> list[NewSheet]:
    """The sheet that begins when pauses have ended by themselves."""
    scopes = _resumed_scopes(ended)
    return [NewSheet(after.epoch, after.now, "expire", scopes, EXPIRED_BY, EXPIRED_REASON)] if scopes else []


def in_scopes(scopes: Iterable[Scope], shop: str, domain: str) -> bool:
    """Whether a shop and domain belong to any of the scopes."""
    return any(named in (ANY, shop) and kind in (ANY, domain) for named, kind in scopes)


class RepairSheetWriter:
    """Surrounds one change of the switches; counts in a thread of its own, so that no reply waits for it.

    Where a sheet is `likely`, it connects before the fence is taken: inside it, only a read is left to do.
    """

    def __init__(self, fence: Fence, *, likely: bool) -> None:
        self._fence = fence
        self._likely = likely
        self._stack = ExitStack()
        self._snapshot: Connection | None = None
        self._begun: list[NewSheet] = []
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

    def begin(self, connection: Connection, begun: list[NewSheet], after: Switches) -> None:
        """Writes the sheets, and freezes what is missed now; the caller holds the fence alone."""
        if not begun:
            return
        connection.execute(repairs.insert(), [{**each._asdict(), "scopes": list(each.scopes)} for each in begun])
        snapshot = self._snapshot or self._connect()
        if snapshot is None:
            return
        try:
            with translated():
                snapshot.execute(select(missed.c.key).limit(1))
        except StorageError as error:
            _report(error)
        else:
            self._begun, self._after = begun, after

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
                scopes = [scope for each in self._begun for scope in each.scopes]
                counts = _missed_by_scope(self._snapshot, scopes)
            self._write(counts)
        except StorageError as error:
            _report(error)

    def _write(self, counts: dict[Scope, int]) -> None:
        assert self._after is not None
        flowing = {scope: count for scope, count in counts.items() if not self._after.stops(*scope)}
        with self._fence.shared() as connection:
            for each in self._begun:
                lines = {scope: count for scope, count in flowing.items() if in_scopes(each.scopes, *scope)}
                total = {"missed": sum(lines.values())}
                connection.execute(update(repairs).where(repairs.c.epoch == each.epoch).values(total))
                rows = [
                    {"epoch": each.epoch, "shop": shop, "domain": domain, "missed": count}
                    for (shop, domain), count in lines.items()
                ]
                if rows:
                    connection.execute(repair_lines.insert(), rows)


def _report(error: StorageError) -> None:
    # The change is what counts: it goes on, and the sheet stays without its starting numbers.
    log.warning("what was missed could not be counted", error=str(error))


def _resumed_scopes(changes: Iterable[Switch]) -> tuple[Scope, ...]:
    # An order waits: it is never missed.
    return tuple(switch.scope for switch in changes if not switch.off and switch.domain in (ANY, *DOMAINS))


def _missed_by_scope(connection: Connection, scopes: Iterable[Scope]) -> dict[Scope, int]:
    wanted = (
        and_(
            true() if shop == ANY else missed.c.shop == shop,
            true() if domain == ANY else missed.c.domain == domain,
        )
        for shop, domain in scopes
    )
    query = select(missed.c.shop, missed.c.domain, func.count()).where(or_(*wanted))
    rows = connection.execute(query.group_by(missed.c.shop, missed.c.domain))
    return {(shop, domain): count for shop, domain, count in rows}
