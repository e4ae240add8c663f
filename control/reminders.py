"""Reminder loop: what needs a person is told by webhook and e-mail, by one process at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from producers.errors import DeliveryFailed
from storage.errors import StorageError
from storage.reminders import Delivery, ReminderStore

__all__ = ["Channel", "ReminderLoop"]

log = structlog.get_logger(__name__)

_TICK_SECONDS, _LOOK_SECONDS = 1.0, 10.0


class Channel(Protocol):
    """Way on which reminders are delivered."""

    @property
    def name(self) -> str:
        """Return `webhook` or `mail`."""

    def send(self, delivery_id: str, document: str) -> None:
        """Deliver a reminder; raises `DeliveryFailed`."""

    def close(self) -> None:
        """Close the connections."""


class ReminderLoop:
    """Loop of every process until `stop` is set; only the one with the lease looks and delivers."""

    def __init__(self, store: ReminderStore, channels: Sequence[Channel], stop: threading.Event) -> None:
        self._store = store
        self._channels = {channel.name: channel for channel in channels}
        self._stop = stop

    def run(self) -> None:
        """Look every ten seconds; while the database is away, wait."""
        look, reported = time.monotonic(), ""
        while not self._stop.wait(_TICK_SECONDS):
            if time.monotonic() < look:
                continue
            try:
                self.step()
                reported = ""
            except StorageError as error:
                if str(error) != reported:
                    log.warning("no reminders: the database is away", error=str(error))
                reported = str(error)
            look = time.monotonic() + _LOOK_SECONDS
        for channel in self._channels.values():
            channel.close()

    def step(self) -> int:
        """Write what there is to tell, and deliver what is due; return the number of attempts."""
        if not self._store.claim():
            return 0
        attempts = 0
        try:
            self._store.note()
            # The lease is longer than one attempt, and is renewed before the next.
            while not self._stop.is_set() and self._store.claim() and (delivery := self._store.begin_next()):
                self._deliver(delivery)
                attempts += 1
        finally:
            self._store.release()
        return attempts

    def _deliver(self, delivery: Delivery) -> None:
        error = None
        try:
            self._channels[delivery.channel].send(delivery.id, delivery.document)
        except DeliveryFailed as failure:
            error = str(failure)
        given_up = self._store.settle(delivery, error)
        about = {"channel": delivery.channel, "kind": delivery.kind, "id": delivery.id, "attempt": delivery.attempts}
        if given_up:
            log.error("reminder given up", **about, error=error)
        elif error is not None:
            log.warning("reminder not delivered", **about, error=error)
        else:
            log.info("reminder delivered", **about)
