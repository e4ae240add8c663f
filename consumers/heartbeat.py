"""The worker's pulse: keeps its row in the register and ends pauses whose time is up, traffic or not."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog

from storage.errors import StorageError
from storage.switches import EndsExpired
from storage.workers import WorkerRegistry

__all__ = ["Heartbeat"]

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Beats once a second until told to stop, then leaves the register."""

    registrar: WorkerRegistry
    switchboard: EndsExpired
    stop: threading.Event

    def run(self) -> None:
        """Returns when told to stop; a database that is away only costs beats."""
        away = False
        while not self.stop.is_set():
            try:
                if self.registrar.beat():
                    self.switchboard.end_expired()
                away = False
            except StorageError as error:
                if not away:
                    log.warning("no heartbeat: the database is away", error=str(error))
                away = True
            self.stop.wait(BEAT_SECONDS)
        if not away:
            self._leave()

    def _leave(self) -> None:
        try:
            self.registrar.leave()
        except StorageError as error:
            log.warning("not removed from the register", error=str(error))
