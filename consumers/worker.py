"""The worker's loop: receive, decode, commit, settle."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import kombu
import structlog
from tenacity import RetryCallState

from broker.retry import failure, retry_until
from consumers.commit import Commits, Item, commit
from consumers.decode import decode, decode_order
from consumers.delivery import Delivery, Source
from consumers.observer import BatchStats, OnBatch, ignore_batch, lags_of
from consumers.reconnect import keep_session
from consumers.source import BatchLimits, KombuSource
from rules.outcomes import RejectedDelivery
from schemas.events import ChangeEvent
from schemas.topology import DEAD, ORDERS_QUEUE, RECEIPTS_QUEUE, event_queue
from storage.errors import Unavailable
from storage.event_store import Committed, EventStore
from storage.order_store import OrderStore

__all__ = ["Worker", "events_worker"]


log = structlog.get_logger(__name__)


_IDLE_SECONDS = 0.25


_LONGEST_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Takes the messages of some queues until told to stop; `decode` and `store` are of one kind.

    `observe` is told of every batch once it is committed.
    """

    url: str
    name: str
    queues: Sequence[str]
    intake: BatchLimits
    decode: Callable[[Delivery], Any]
    store: Commits
    stop: threading.Event
    observe: OnBatch = ignore_batch

    def run(self) -> None:
        """Returns when told to stop, with the batch in hand finished if the database allows."""
        keep_session(self.url, self.name, self.queues, self.stop, self._consume)

    def _consume(self, connection: kombu.Connection) -> None:
        source = KombuSource(connection, self.queues, self.intake)
        while not self.stop.is_set():
            self.step(source)

    def step(self, source: Source) -> int:
        """Takes one batch all the way; returns how many deliveries were settled."""
        deliveries = source.receive(_IDLE_SECONDS)
        if not deliveries:
            return 0
        started = time.perf_counter()
        items = [(delivery, self.decode(delivery)) for delivery in deliveries]
        committed = self._commit(source, items)
        if committed is None:
            return 0
        seconds = time.perf_counter() - started
        # Before settling, which may fail: what is committed is counted, as the ledger counts it.
        self.observe(BatchStats(committed.tally, seconds, lags_of(items, time.time())))
        source.settle(deliveries)
        _report(items, committed, seconds)
        return len(deliveries)

    def _commit(self, source: Source, items: Sequence[Item]) -> Committed | None:
        retrying = retry_until(
            self.stop,
            Unavailable,
            first=0.2,
            longest=_LONGEST_WAIT,
            sleep=lambda seconds: self._wait(source, seconds),
            report=_report_wait,
        )
        try:
            return retrying(commit, self.store, items)
        except Unavailable as error:
            log.warning("stopped with the database away; the batch stays with the broker", error=str(error))
            return None

    def _wait(self, source: Source, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.stop.is_set() and (left := deadline - time.monotonic()) > 0:
            source.keep_alive(min(left, _IDLE_SECONDS))


def _report_wait(state: RetryCallState) -> None:
    error, wait = failure(state)
    log.warning("database away", error=error, next_try_seconds=wait)


def _report(items: Sequence[Item], committed: Committed, seconds: float) -> None:
    for rejected in committed.rejected:
        _report_rejected(rejected)
    # To add it all up for nobody would cost as much as the ledger does.
    if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        unknown = sum(decoded.unknown for _, decoded in items if isinstance(decoded, ChangeEvent))
        outcomes: Counter[str] = Counter()
        for (_, _, outcome), count in committed.tally.items():
            outcomes[outcome.value] += count
        log.debug("batch", **+outcomes, epoch=committed.epoch, unknown_fields=unknown, seconds=round(seconds, 4))


def _report_rejected(rejected: RejectedDelivery) -> None:
    log.warning(
        "quarantined",
        shop=rejected.shop,
        domain=rejected.domain,
        reason=rejected.refusal.reason.value,
        size=len(rejected.body),
    )


def events_worker(
    url: str,
    domains: Sequence[str],
    intake: BatchLimits,
    store: EventStore,
    stop: threading.Event,
    observe: OnBatch = ignore_batch,
) -> Worker:
    """Applies the change events of some domains; moves dead letters, which any worker may, to the quarantine."""
    queues = [*(event_queue(domain) for domain in domains), DEAD]
    return Worker(url, "events", queues, intake, decode, store, stop, observe)


def orders_worker(
    url: str, intake: BatchLimits, store: OrderStore, stop: threading.Event, observe: OnBatch = ignore_batch
) -> Worker:
    """Accepts orders and receipts; a session of its own, so that no backlog of events holds them up."""
    return Worker(url, "orders", [ORDERS_QUEUE, RECEIPTS_QUEUE], intake, decode_order, store, stop, observe)
