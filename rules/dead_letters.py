"""Dead letters: what the broker says of them, and what becomes of each.

Source: RabbitMQ manual, "Dead Letter Exchanges": the header `x-death`, newest death first, with queue, reason and
routing keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.domains import NO_DOMAIN, ORDERS, RECEIPTS
from schemas.partitions import change_domain
from schemas.reasons import Reason, Refusal
from schemas.routing_keys import shop_in
from schemas.topology import ORDERS_QUEUE, QUEUES, RECEIPTS_QUEUE

__all__ = ["ENDED_LIMIT", "Death", "cause_of", "deaths", "domain_of_queue", "history_key", "unread"]

# A message is quarantined unread once so many workers have ended while they processed it alone.
ENDED_LIMIT = 10
_DOMAIN_OF = {ORDERS_QUEUE: ORDERS, RECEIPTS_QUEUE: RECEIPTS}
_CAUSES: dict[str, Refusal] = {
    "expired": Refusal(Reason.EXPIRED, "", "it waited in its queue for longer than its expiration"),
    "maxlen": Refusal(Reason.QUEUE_OVERFLOW, "", "its queue was full, and the broker pushed it out"),
    "rejected": Refusal(Reason.REJECTED, "", "another program rejected it in its queue"),
}


class Death(NamedTuple):
    """One death of a message: the queue it died in, the broker's reason (empty if unknown) and its routing keys."""

    queue: str
    reason: str
    routing_keys: tuple[str, ...]


def deaths(headers: Mapping[Any, Any]) -> list[Death]:
    """Return the deaths of a message, the newest first; empty if its headers name none."""
    listed = headers.get("x-death")
    found = [_death(entry) for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    if found:
        return found
    first = Death(_text(headers.get("x-first-death-queue")), _text(headers.get("x-first-death-reason")), ())
    return [first] if first.queue else []


def cause_of(death: Death) -> Refusal | None:
    """Return the refusal of a message that died by its age, a full queue or a consumer's no.

    None if it exceeded the delivery limit, or if the reason is unknown: it deserves to be processed once more.
    """
    return _CAUSES.get(death.reason)


def domain_of_queue(queue: str) -> str:
    """Return the domain of a queue's messages; for a queue that Comporta does not consume, its name."""
    domain = change_domain(queue) or _DOMAIN_OF.get(queue)
    return domain or (queue.removeprefix("comporta.") if queue in QUEUES else NO_DOMAIN)


def history_key(domain: str, headers: Mapping[Any, Any]) -> str | None:
    """Return the newest routing key in a message's history that is one of the domain's; None if there is none.

    A message that was moved by hand has the name of a queue as its routing key.
    """
    keys = (key for death in deaths(headers) for key in death.routing_keys)
    return next((key for key in keys if shop_in(key, domain)), None)


def unread() -> Refusal:
    """Return the refusal of a message that ends the workers that process it."""
    sentence = f"{ENDED_LIMIT} workers ended while they processed it on its own; it was not read again"
    return Refusal(Reason.DELIVERY_LIMIT, "", sentence)


def _death(entry: Mapping[Any, Any]) -> Death:
    keys = entry.get("routing-keys")
    routing_keys = tuple(key for key in keys if isinstance(key, str)) if isinstance(keys, list) else ()
    return Death(_text(entry.get("queue")), _text(entry.get("reason")), routing_keys)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
