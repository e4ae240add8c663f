"""Publishes every change of the switches to `comporta.status`, without holding up whoever made it."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field

import structlog

from broker.connection import BrokerLost
from broker.retry import retry_until
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
        retrying = retry_until(self.stop, BrokerLost, limit=_GIVE_UP_SECONDS)
        try:
            retrying(publisher.publish, announcement.model_dump_json().encode(), exchange=STATUS, routing_key="")
        except BrokerLost as error:
            log.warning("change not published", epoch=announcement.epoch, error=str(error))
