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
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from rules.switches import Scope
from storage.fence import Fence
from storage.sheets import within
from storage.tables import missed, repair_lines, repairs

__all__ = ["Line", "Repairs", "Sheet"]

# Counting takes at most this share of one core, however many look and however many keys are missed.
_SHARE = 0.05
_FRESH_SECONDS = 1.0


Left = Mapping[datetime, Mapping[Scope, int]]


class Line(NamedTuple):
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
    lines: tuple[Line, ...]


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
        lines = [Line(*scope, None, count) for scope, count in left.items() if within(scopes, *scope)]
    else:
        lines = [Line(*scope, count, left.get(scope, 0)) for scope, count in counted.items()]
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
