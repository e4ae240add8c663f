"""Progress of repair sheets: noted while keys are left, until the moment at which none is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, select, update

from storage.dialect import database_now
from storage.fence import Fence
from storage.repairs import Repairs, Sheet
from storage.tables import repairs

__all__ = ["RepairProgress", "RepairState", "read_repair_state"]

# The keys of a sheet are counted within moments of its beginning, unless the process has ended.
_COUNTED_WITHIN = timedelta(minutes=1)
_AT_ONCE = 50
_IS_OPEN = repairs.c.done_at.is_(None)
_ANY_OPEN = select(exists(1).where(_IS_OPEN))


class RepairState(NamedTuple):
    """The sheets with keys left, the keys left on them, and the seconds since the slowest of them made progress."""

    sheets: int
    left: int
    stalled_seconds: float


class RepairProgress:
    """Notes of what is left of the open sheets; `Repairs` bounds the share of time that counting takes."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._repairs = Repairs(fence)

    @property
    def is_open(self) -> bool:
        """Return whether a sheet is not noted as done."""
        with self._fence.glance() as connection:
            return bool(connection.scalar(_ANY_OPEN))

    def note(self) -> int:
        """Note what is left of each open sheet, and which are done; return the number of the latter."""
        sheets = self._repairs.open_sheets(_AT_ONCE)
        if not sheets:
            return 0
        done = 0
        with self._fence.shared() as connection:
            now = database_now(connection)
            for sheet in sheets:
                if sheet.missed is None and sheet.at > now - _COUNTED_WITHIN:
                    continue
                done += _note(connection, sheet, now)
        return done


def _note(connection: Connection, sheet: Sheet, now: datetime) -> bool:
    """Write the progress of a sheet, if it has made any; return whether it is done."""
    same = repairs.c.epoch == sheet.epoch
    before = connection.scalar(select(repairs.c.remaining).where(same))
    if before is not None and sheet.left >= before:
        return False
    values: dict[str, Any] = {"remaining": sheet.left, "progress_at": now}
    if sheet.left == 0:
        # One that began without a missed key was done at once.
        values["done_at"] = sheet.at if sheet.missed == 0 else now
    connection.execute(update(repairs).where(same, _IS_OPEN).values(values))
    return sheet.left == 0


def read_repair_state(connection: Connection, now: datetime) -> RepairState:
    """Return the state of the open sheets, as last noted."""
    progress: Any = func.min(repairs.c.progress_at, type_=repairs.c.progress_at.type)
    number, left, oldest = connection.execute(
        select(func.count(), func.coalesce(func.sum(repairs.c.remaining), 0), progress).where(
            _IS_OPEN, repairs.c.remaining > 0
        )
    ).one()
    return RepairState(number, int(left), max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
