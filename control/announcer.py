"""Publishes every change of the switches to `comporta.status`, without holding up whoever made it."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

import structlog
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.nap import sleep_using_event

from broker.connection import BrokerLost
from broker.sync_publisher import SyncPublisher
from schemas.control import Announcement
from schemas.topology import STATUS

__all__ = ["Announcer"]

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 0.25
_GIVE_UP_SECONDS = 300


@dataclass
class Announcer:
    """A queue of announcements and the loop that publishes them in order."""

    url: str
    stop: threading.Event
    _waiting: queue.SimpleQueue[Announcement] = field(default_factory=queue.SimpleQueue)

    def announce(self, announcement: Announcement) -> None:
        """Logs a change and has it published; never blocks."""
        log.info(
            "switch changed",
            action=announcement.action,
            shop=announcement.shop,
            domains=announcement.domains,
            by=announcement.by,
            reason=announcement.reason,
            until=announcement.until and announcement.until.isoformat(),
            result=announcement.result,
            epoch=announcement.epoch,
        )
        self._waiting.put(announcement)

    def run(self) -> None:
        """Returns when told to stop and nothing waits any more."""
        publisher = SyncPublisher(self.url, "status")
        while True:
            try:
                announcement = self._waiting.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                if self.stop.is_set():
                    break
                continue
            self._publish(publisher, announcement)
        publisher.close()

    def _publish(self, publisher: SyncPublisher, announcement: Announcement) -> None:
        retrying = Retrying(
            retry=retry_if_exception_type(BrokerLost),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            stop=stop_any(stop_after_delay(_GIVE_UP_SECONDS), stop_when_event_set(self.stop)),
            sleep=sleep_using_event(self.stop),
            reraise=True,
        )
        try:
            retrying(publisher.publish, announcement.model_dump_json().encode(), exchange=STATUS, routing_key="")
        except BrokerLost as error:
            log.warning("change not published", epoch=announcement.epoch, error=str(error))
