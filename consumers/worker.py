"""Worker loop: receive, decode, commit, settle."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from tenacity import RetryCallState

from broker.retry import failure, retry_until
from consumers.commit import BatchStore, Item, commit
from consumers.decode import decode, decode_order
from consumers.delivery import Delivery, Source
from consumers.observer import BatchStats, OnBatch, distances_of, ignore_batch, lags_of
from consumers.reconnect import Session, keep_session
from consumers.source import BatchLimits, KombuSource
from rules.outcomes import RejectedDelivery
from schemas.events import ChangeEvent
from schemas.partitions import NO_PARTITIONS, Partitions
from schemas.topology import ORDERS_QUEUE, RECEIPTS_QUEUE, Queue, bulk_queue, event_queue
from storage.errors import Unavailable
from storage.event_store import Committed, EventStore
from storage.order_store import OrderStore

__all__ = ["Worker", "events_worker", "orders_worker"]

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 0.25
_LONGEST_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Worker for the messages of some queues until `stop` is set; `decode` and `store` handle the same kind.

    `on_batch` is called for every batch after its commit. The queues in `last` are served after the others;
    those of `further` are only declared. The worker with `partitions` routes the change events; the queues of
    `left_over`, former partitions, are consumed beside its own.
    """

    url: str
    name: str
    queues: Sequence[str]
    limits: BatchLimits
    decode: Callable[[Delivery], Any]
    store: BatchStore
    stop: threading.Event
    on_batch: OnBatch = ignore_batch
    last: Sequence[str] = ()
    further: Callable[[], Sequence[Queue]] = tuple
    partitions: Partitions | None = None
    left_over: Callable[[], Sequence[str]] = tuple

    def run(self) -> None:
        """Process batches until `stop` is set; the current batch is finished unless the database is away."""
        keep_session(
            self.url,
            self.name,
            self.queues,
            self.stop,
            self._consume,
            further=self.further,
            partitions=self.partitions,
            left_over=self.left_over,
        )

    def _consume(self, session: Session) -> None:
        source = KombuSource(session.connection, session.queues, self.limits, self.last)
        session.refuse(source.refused)
        while not self.stop.is_set() and not session.is_over():
            self.step(source)

    def step(self, source: Source) -> int:
        """Process one batch from receipt to settlement; return the number of settled deliveries."""
        deliveries = source.receive(_IDLE_SECONDS)
        if not deliveries:
            return 0
        started = time.perf_counter()
        items = [(delivery, self.decode(delivery)) for delivery in deliveries]
        committed = self._commit(source, items)
        if committed is None:
            return 0
        seconds = time.perf_counter() - started
        # Before the settlement, which may fail: a committed batch counts, as it does in the ledger.
        now = time.time()
        lags, distances = lags_of(items, now), distances_of(items, now)
        self.on_batch(BatchStats(committed.tally, seconds, lags, committed.unknown, distances))
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
            committed: Committed = retrying(commit, self.store, items)
        except Unavailable as error:
            log.warning("stopped with the database away; the batch stays with the broker", error=str(error))
            return None
        if retrying.statistics["attempt_number"] > 1:
            log.info("database answers again")
        return committed

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
    # Without the debug log this sum would be wasted, and it costs as much as the ledger.
    if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        unknown = sum(len(decoded.unknown) for _, decoded in items if isinstance(decoded, ChangeEvent))
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
    limits: BatchLimits,
    store: EventStore,
    stop: threading.Event,
    on_batch: OnBatch = ignore_batch,
    partitions: Partitions = NO_PARTITIONS,
    left_over: Callable[[], Sequence[str]] = tuple,
) -> Worker:
    """Return the worker for the change events of some domains; those of full loads come after the live ones.

    A domain with partitions keeps its one queue, in which messages may wait from before.
    """
    bulk = [bulk_queue(domain) for domain in domains]
    spread = [name for domain in domains for name in partitions.consumed(domain)]
    queues = [*(event_queue(domain) for domain in domains), *spread, *bulk]
    return Worker(
        url, "events", queues, limits, decode, store, stop, on_batch, bulk, partitions=partitions, left_over=left_over
    )


def orders_worker(
    url: str,
    limits: BatchLimits,
    store: OrderStore,
    stop: threading.Event,
    on_batch: OnBatch = ignore_batch,
    further: Callable[[], Sequence[Queue]] = tuple,
) -> Worker:
    """Return the worker for orders and receipts; its own session, so that no backlog of events delays them.

    It declares the queues of `further`, which the ERPs read.
    """
    queues = [ORDERS_QUEUE, RECEIPTS_QUEUE]
    return Worker(url, "orders", queues, limits, decode_order, store, stop, on_batch, further=further)
