"""Dead letters: one message in hand, processed once more on its own by the ordinary path.

Workers may have ended for other reasons while they held it. Only a message that ends ten workers while each processes
it alone is quarantined unread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import structlog

from consumers.commit import BatchStore
from consumers.decode import decode, decode_order, reject
from consumers.delivery import Delivery
from consumers.observer import OnBatch, ignore_batch
from consumers.source import BatchLimits
from consumers.worker import Worker
from rules.dead_letters import ENDED_LIMIT, Death, cause_of, deaths, domain_of_queue, history_key, unread
from rules.outcomes import RejectedDelivery
from rules.unknown_fields import FieldCounts, merged_counts
from schemas.domains import DOMAINS, NO_DOMAIN, ORDERS, RECEIPTS
from schemas.partitions import change_domain
from schemas.reasons import Reason, Refusal
from schemas.routing_keys import shop_in
from schemas.topology import CONTROL, DEAD, QUEUES, event_queue
from storage.event_store import Committed, Reject

__all__ = ["DeadLetter", "DeadLetterStore", "ExpiredControl", "dead_letters_worker", "decode_dead"]

log = structlog.get_logger(__name__)

_ONE_IN_HAND = BatchLimits(batch_size=1, batch_ms=0, prefetch=1)


class DeadLetter(NamedTuple):
    """A dead letter that deserves another attempt: its delivery as if from its own queue, and its rejection unread."""

    domain: str
    delivery: Delivery
    unread: RejectedDelivery


class ExpiredControl(NamedTuple):
    """A control message that expired: its sender has been told so by the missing reply."""

    domain: str = CONTROL


class Attempts(Protocol):
    """Durable count of the processes that began to process a message alone."""

    def begin(self, message: RejectedDelivery) -> int:
        """Count an attempt; return the number of processes that began one before."""

    def end(self, message: RejectedDelivery) -> None:
        """Forget the attempts at a message."""


def decode_dead(delivery: Delivery) -> DeadLetter | RejectedDelivery | ExpiredControl:
    """Return what is to become of a dead letter by the broker's account of it; its body is not read."""
    headers = delivery.properties.get("application_headers") or {}
    history = deaths(headers)
    death = history[0] if history else Death("", "", ())
    cause = cause_of(death)
    if cause is not None:
        return ExpiredControl() if _is_expired_control(death, cause) else reject(delivery, cause)
    domain = domain_of_queue(death.queue) if death.queue else _domain_in(delivery.routing_key)
    if domain not in (*DOMAINS, RECEIPTS, ORDERS):
        return reject(delivery, _unplaced(death))
    key = _original_key(delivery, domain)
    again = delivery._replace(queue=event_queue(domain), routing_key=key)
    return DeadLetter(domain, again, reject(again, unread()))


def _is_expired_control(death: Death, cause: Refusal) -> bool:
    return death.queue == CONTROL and cause.reason is Reason.EXPIRED


def _unplaced(death: Death) -> Refusal:
    if death.queue:
        return Refusal(
            Reason.DELIVERY_LIMIT, "", "it was delivered too often in a queue that Comporta does not consume"
        )
    return Refusal(Reason.ROUTING_KEY, "", f"it came to {DEAD} without a history, and its routing key names no domain")


def _domain_in(routing_key: str) -> str:
    return next((domain for domain in (*DOMAINS, RECEIPTS) if shop_in(routing_key, domain)), NO_DOMAIN)


def _original_key(delivery: Delivery, domain: str) -> str:
    """Return the routing key that a message was published with.

    The broker keeps it, unless a policy sets another. What was published to the queue itself, by its name, may claim
    any history: an operator has to replay it.
    """
    if shop_in(delivery.routing_key, domain) or delivery.routing_key in QUEUES or change_domain(delivery.routing_key):
        return delivery.routing_key
    headers = delivery.properties.get("application_headers") or {}
    return history_key(domain, headers) or delivery.routing_key


@dataclass(frozen=True, slots=True)
class DeadLetterStore:
    """Store of dead letters, one at a time: counts the attempt, and then decodes and commits as for any delivery."""

    events: BatchStore
    orders: BatchStore
    attempts: Attempts

    def commit(self, batch: Sequence[Any], reject: Reject) -> Committed:
        """Process each dead letter in a transaction of its own. Raises `RowRefused` or `Unavailable`."""
        results = [self._commit(item, partial(reject, position)) for position, item in enumerate(batch)]
        tally: Counter[Any] = Counter()
        unknown: FieldCounts = {}
        for result in results:
            tally.update(result.tally)
            unknown = merged_counts(unknown, result.unknown)
        rejected = [item for result in results for item in result.rejected]
        return Committed(tally, results[-1].epoch, rejected, unknown)

    def _commit(
        self, item: DeadLetter | RejectedDelivery | ExpiredControl, reject: Callable[[Refusal], RejectedDelivery]
    ) -> Committed:
        match item:
            case ExpiredControl():
                log.warning("control message expired before a worker read it; nothing was switched")
                return Committed(Counter(), 0)
            case RejectedDelivery():
                committed = self.events.commit([item], lambda _position, refusal: reject(refusal))
                self.attempts.end(item)
                return committed
            case DeadLetter():
                return self._process(item)

    def _process(self, letter: DeadLetter) -> Committed:
        def reject_it(_position: int, refusal: Refusal) -> RejectedDelivery:
            return reject(letter.delivery, refusal)

        ended = self.attempts.begin(letter.unread)
        if ended >= ENDED_LIMIT:
            committed = self.events.commit([letter.unread], reject_it)
        elif letter.domain in DOMAINS:
            committed = self.events.commit([decode(letter.delivery)], reject_it)
        else:
            committed = self.orders.commit([decode_order(letter.delivery)], reject_it)
        self.attempts.end(letter.unread)
        return committed


def dead_letters_worker(
    url: str, store: DeadLetterStore, stop: threading.Event, on_batch: OnBatch = ignore_batch
) -> Worker:
    """Return the worker for dead letters of every domain; its own session, so that no neighbour is in hand with one."""
    decode_one: Callable[[Delivery], Any] = decode_dead
    return Worker(url, "dead letters", [DEAD], _ONE_IN_HAND, decode_one, store, stop, on_batch)
