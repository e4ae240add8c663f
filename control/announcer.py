"""Announcements of every switch change, published to `comporta.status` without delaying the change."""

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
    """A queue of announcements, and the loop that publishes them in order."""

    url: str
    stop: threading.Event
    _queue: queue.SimpleQueue[Announcement] = field(default_factory=queue.SimpleQueue)

    def announce(self, announcement: Announcement) -> None:
        """Log a change and queue it for publishing; never blocks."""
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
        self._queue.put(announcement)

    def run(self) -> None:
        """Publish until the stop event is set and the queue is empty."""
        publisher = SyncPublisher(self.url, "status")
        while True:
            try:
                announcement = self._queue.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                if self.stop.is_set():
                    break
                continue
            self._publish(publisher, announcement)
        publisher.close()

    def _publish(self, publisher: SyncPublisher, announcement: Announcement) -> None:
        retry = retry_until(self.stop, BrokerLost, limit=_GIVE_UP_SECONDS)
        try:
            retry(publisher.publish, announcement.model_dump_json().encode(), exchange=STATUS, routing_key="")
        except BrokerLost as error:
            log.warning("change not published", epoch=announcement.epoch, error=str(error))
