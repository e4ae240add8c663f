"""Heartbeat of a worker: its row in the registry, the feeds' activity, and the end of pauses without traffic."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog

from consumers.feed_pulse import FeedPulse
from storage.errors import StorageError
from storage.switches import EndsExpired
from storage.workers import WorkerRegistry

__all__ = ["Heartbeat"]

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Heartbeat once a second until `stop` is set; the worker then leaves the registry."""

    registry: WorkerRegistry
    switchboard: EndsExpired
    stop: threading.Event
    feeds: FeedPulse

    def run(self) -> None:
        """Beat until `stop` is set; while the database is away, beats are skipped."""
        away = ""
        while not self.stop.is_set():
            try:
                if self.registry.beat():
                    self.switchboard.end_expired()
                self.feeds.flush()
                away = ""
            except StorageError as error:
                # Once for each cause: what keeps it away may change.
                if str(error) != away:
                    log.warning("no heartbeat: the database is away", error=str(error))
                away = str(error)
            self.stop.wait(BEAT_SECONDS)
        if not away:
            self._leave()

    def _leave(self) -> None:
        try:
            self.feeds.flush(now=True)
            self.registry.leave()
        except StorageError as error:
            log.warning("not removed from the register", error=str(error))
