"""Topology of the contract: exchanges, queues and bindings, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.domains import DOMAINS

__all__ = [
    "BULK",
    "CHANGES",
    "CONTROL",
    "DEAD",
    "DELIVERY_LIMIT",
    "EVENTS",
    "EXCHANGES",
    "ORDERS_IN",
    "ORDERS_OUT",
    "ORDERS_QUEUE",
    "ORDER_NOTICES",
    "OUTCOMES",
    "QUEUES",
    "RECEIPTS_QUEUE",
    "RESYNC",
    "STATUS",
    "Queue",
    "bulk_queue",
    "event_queue",
    "orders_queue",
]

EVENTS, ORDERS_IN, ORDERS_OUT = "erp.events", "shop.orders", "erp.orders"
RESYNC, CONTROL, STATUS, DEAD = "erp.resync", "comporta.control", "comporta.status", "comporta.dead"
# Shops bind queues of their own to it; the queue of the same name takes the orders that they place.
ORDER_NOTICES = "comporta.orders"
CHANGES, OUTCOMES = "comporta.changes", "comporta.outcomes"
ORDERS_QUEUE, RECEIPTS_QUEUE = "comporta.orders", "comporta.receipts"
# The last word of the routing keys for the events of a full load.
BULK = "bulk"
# Deliveries of a message before it is dead-lettered; the policy can change it (`schemas.queue_policies`).
DELIVERY_LIMIT = 20
# From this release on a queue has such a limit of its own: no argument has to set it.
_LIMITED_SINCE = (4, 0)

EXCHANGES: dict[str, str] = {
    EVENTS: "topic",
    ORDERS_IN: "topic",
    ORDERS_OUT: "topic",
    RESYNC: "topic",
    CONTROL: "direct",
    STATUS: "fanout",
    ORDER_NOTICES: "topic",
    CHANGES: "topic",
    OUTCOMES: "topic",
    DEAD: "fanout",
}


@dataclass(frozen=True)
class Queue:
    """A durable quorum queue, the exchange it is bound to and the routing keys it takes."""

    name: str
    exchange: str
    routing_keys: tuple[str, ...]
    # Arguments of a former release, which an existing queue keeps until it is declared anew.
    former_arguments: tuple[tuple[str, object], ...] = ()

    @property
    def arguments(self) -> dict[str, object]:
        """Return the x-arguments that no policy may stand for, since they must hold where none is set.

        Without a dead-letter exchange a message that dies is lost.
        """
        if self.name == DEAD:
            # A dead letter has no further queue: past the limit it would be lost, and RabbitMQ 4 defaults to 20.
            return {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
        return {"x-queue-type": "quorum", "x-dead-letter-exchange": DEAD}

    def forms(self, release: tuple[int, int] | None) -> tuple[dict[str, object], ...]:
        """Return the x-arguments to declare it with on a release of RabbitMQ, first; then those it may have already.

        The delivery limit is the policy's. Where no limit would hold without a policy, and on an unknown release, it is
        an argument, as it always was in former releases of Comporta.
        """
        plain, limited = self.arguments, {"x-delivery-limit": DELIVERY_LIMIT, **self.arguments}
        if plain == limited:
            return (plain,)
        return (plain, limited) if release is not None and release >= _LIMITED_SINCE else (limited, plain)

    def former_forms(self, release: tuple[int, int] | None) -> tuple[dict[str, object], ...]:
        """Return the x-arguments of a former release that are worth to be replaced; none if they were the same."""
        former = dict(self.former_arguments)
        return tuple({**form, **former} for form in self.forms(release)) if former else ()


def event_queue(domain: str) -> str:
    """Return the name of the queue for a domain's change events."""
    return f"comporta.{domain}"


def bulk_queue(domain: str) -> str:
    """Return the name of the queue for the events of a domain's full loads, which is served after the live one."""
    return f"comporta.{domain}.bulk"


def orders_queue(shop: str) -> Queue:
    """Return the queue for the orders of one shop, which the default exchange reaches by its name."""
    return Queue(f"{ORDERS_OUT}.{shop}", "", ())


QUEUES: dict[str, Queue] = {
    queue.name: queue
    for queue in (
        *(Queue(event_queue(domain), EVENTS, (f"*.{domain}",)) for domain in DOMAINS),
        *(Queue(bulk_queue(domain), EVENTS, (f"*.{domain}.{BULK}",)) for domain in DOMAINS),
        Queue(RECEIPTS_QUEUE, EVENTS, ("*.receipts",)),
        Queue(ORDERS_QUEUE, ORDERS_IN, ("#",)),
        Queue("erp.orders", ORDERS_OUT, ("#",)),
        Queue("erp.resync", RESYNC, ("#",)),
        # With one active consumer a worker that hangs would hold up every pause, with healthy workers beside it.
        Queue(CONTROL, CONTROL, ("pause", "resume", "status"), (("x-single-active-consumer", True),)),
        Queue(DEAD, DEAD, ("",)),
    )
}
