"""Settler of full loads: counts and deletes what they have not named, a step at a time, beside the worker."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import structlog

from storage.errors import StorageError
from storage.load_settlement import LoadSettlement

__all__ = ["LoadSettler"]

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class LoadSettler:
    """Settlement until `stop` is set: at once when `wake` is set, else once a second."""

    settlement: LoadSettlement
    stop: threading.Event
    wake: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Take steps while there are any; while the database is away, none are taken."""
        away = False
        while not self.stop.is_set():
            try:
                while not self.stop.is_set() and self.settlement.step():
                    pass
                away = False
            except StorageError as error:
                if not away:
                    log.warning("no full load is settled: the database is away", error=str(error))
                away = True
            self.wake.wait(_IDLE_SECONDS)
            self.wake.clear()
