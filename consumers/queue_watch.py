"""Queue watch: reads the queues every two seconds and keeps what it has read, whether a worker runs or not."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

import structlog

from broker.connection import BrokerLost
from broker.queues import QueueCount, QueueProbe
from consumers.left_over import LeftOver
from schemas.partitions import NO_PARTITIONS, Partitions
from schemas.topology import QUEUES
from storage.errors import StorageError

__all__ = ["BrokerReading", "QueueRecord", "QueueWatch"]

log = structlog.get_logger(__name__)

WATCH_SECONDS = 2.0


class BrokerReading(NamedTuple):
    """The last reading of a process: whether the broker answered, and the queues' counts if it did."""

    up: bool
    queues: Mapping[str, QueueCount]


class QueueRecord(Protocol):
    """Store of the readings for other processes."""

    def record(self, counts: Mapping[str, tuple[int, int | None]]) -> None:
        """Record the queues' counts; raises `StorageError`."""

    def record_away(self, names: list[str]) -> None:
        """Record that the broker did not answer; raises `StorageError`."""

    def names(self) -> list[str]:
        """Return the queues that have been read by any process; raises `StorageError`."""

    def forget(self, names: Collection[str]) -> None:
        """Forget queues; raises `StorageError`."""


class QueueWatch:
    """Loop over the readings until `stop` is set; `last` returns the newest reading, None before the first.

    Former partitions are read as long as they exist, whatever the settings of this process are.
    """

    def __init__(
        self, probe: QueueProbe, record: QueueRecord, stop: threading.Event, partitions: Partitions = NO_PARTITIONS
    ) -> None:
        self._partitions = partitions
        self._left_over = LeftOver(record, partitions)
        self._probe = probe
        self._record = record
        self._stop = stop
        self._last: BrokerReading | None = None

    def last(self) -> BrokerReading | None:
        """Return the newest reading."""
        return self._last

    def run(self) -> None:
        """Read until `stop` is set."""
        away = ""
        while not self._stop.is_set():
            try:
                self.step()
                away = ""
            except StorageError as error:
                if str(error) != away:
                    log.warning("the queues' lengths can't be kept: the database is away", error=str(error))
                away = str(error)
            self._stop.wait(WATCH_SECONDS)
        self._probe.close()

    def step(self) -> None:
        """Read once; raises `StorageError` if the reading can't be kept."""
        left = self._left_over()
        further = [*self._partitions.names, *left]
        try:
            counts = self._probe.read(further)
        except BrokerLost:
            # The loops that need the broker log why.
            self._last = BrokerReading(False, {})
            self._record.record_away([*QUEUES, *further])
            return
        if gone := self._probe.missing.intersection(left):
            self._record.forget(gone)
            counts = {name: count for name, count in counts.items() if name not in gone}
        self._last = BrokerReading(True, counts)
        self._record.record(counts)
