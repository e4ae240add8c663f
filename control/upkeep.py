"""Upkeep loop: rolls up, deletes what is past its retention, notes what has been made good, and ends an upgrade."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass

import structlog

from storage.errors import StorageError
from storage.fence import Fence
from storage.narrow_index import Narrowing, narrow_missed
from storage.pause_costs import has_unrepaired, note_repaired
from storage.repair_progress import RepairProgress
from storage.upkeep import LEASE, Upkeep

__all__ = ["UpkeepLoop", "run_upkeep"]

log = structlog.get_logger(__name__)

# A loop that is not heard of for a while counts as one that hangs.
_TICK_SECONDS, _LOOK_SECONDS = 1.0, 5.0
_EVERY_SECONDS = 600.0
# Between two steps others get the fence; of the time, upkeep takes at most a fifth.
_REST = 4.0


@dataclass(frozen=True, slots=True)
class UpkeepLoop:
    """Loop of every process until `stop` is set; only the one with the lease does the upkeep."""

    fence: Fence
    upkeep: Upkeep
    stop: threading.Event

    def run(self) -> None:
        """Do the upkeep every ten minutes; while the database is away, wait."""
        due = time.monotonic()
        look = due + _LOOK_SECONDS
        away = False
        progress = RepairProgress(self.fence)
        while not self.stop.wait(_TICK_SECONDS):
            if time.monotonic() < look:
                continue
            look = time.monotonic() + _LOOK_SECONDS
            is_due = time.monotonic() >= due
            try:
                if is_due or has_unrepaired(self.fence) or progress.is_open:
                    self._turn(progress, with_retention=is_due)
                away = False
            except StorageError as error:
                if not away:
                    log.warning("no upkeep: the database is away", error=str(error))
                away = True
                continue
            if is_due:
                due = time.monotonic() + _EVERY_SECONDS

    def _turn(self, progress: RepairProgress, *, with_retention: bool) -> None:
        """Do what is due under the lease; another process that has it does the same."""
        if not self.upkeep.claim():
            return
        try:
            note_repaired(self.fence)
            progress.note()
            if with_retention:
                _report(run_upkeep(self.upkeep, self.stop))
                self._narrow()
        finally:
            self.upkeep.release()

    def _narrow(self) -> None:
        """End the upgrade of the missed keys, once no worker of a former release needs their primary key."""
        if self.stop.is_set():
            return
        try:
            if narrow_missed(self.fence) is Narrowing.NARROWED:
                log.info("missed keys have the narrow index instead of their primary key")
        except StorageError as error:
            log.info("missed keys keep their primary key for now", error=str(error))


def run_upkeep(upkeep: Upkeep, stop: threading.Event) -> Counter[str]:
    """Do all upkeep that is due, until `stop` is set or the lease is lost; return the rows that went, by kind."""
    gone: Counter[str] = Counter()
    renew = time.monotonic() + LEASE.total_seconds() / 3
    for step in upkeep.steps():
        gone[step.kind] += step.rows
        if stop.wait(min(1.0, step.seconds * _REST)):
            break
        if time.monotonic() >= renew:
            if not upkeep.claim():
                break
            renew = time.monotonic() + LEASE.total_seconds() / 3
    return gone


def _report(gone: Counter[str]) -> None:
    if gone.total():
        log.info("upkeep done", **gone)
