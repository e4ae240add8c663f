"""Topology of the contract: exchanges, queues and bindings, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.domains import DOMAINS

__all__ = [
    "BULK",
    "CHANGES",
    "CONTROL",
    "DEAD",
    "EVENTS",
    "EXCHANGES",
    "ORDERS_IN",
    "ORDERS_OUT",
    "ORDERS_QUEUE",
    "ORDER_NOTICES",
    "OUTCOMES",
    "POLICY",
    "QUEUES",
    "RECEIPTS_QUEUE",
    "RESYNC",
    "STATUS",
    "Queue",
    "bulk_queue",
    "event_queue",
    "orders_queue",
    "policy",
    "policy_definitions",
]

EVENTS, ORDERS_IN, ORDERS_OUT = "erp.events", "shop.orders", "erp.orders"
RESYNC, CONTROL, STATUS, DEAD = "erp.resync", "comporta.control", "comporta.status", "comporta.dead"
# Shops bind queues of their own to it; the queue of the same name takes the orders that they place.
ORDER_NOTICES = "comporta.orders"
CHANGES, OUTCOMES = "comporta.changes", "comporta.outcomes"
ORDERS_QUEUE, RECEIPTS_QUEUE = "comporta.orders", "comporta.receipts"
# The last word of the routing keys for the events of a full load.
BULK = "bulk"
DELIVERY_LIMIT = 20

# By default the broker dead-letters at most once: what dies while `comporta.dead` is away is lost. The arguments of an
# existing queue can't be changed, so a policy sets it; only an administrator of the broker can. At least once needs
# reject-publish (RabbitMQ manual, "Quorum Queues: at-least-once dead lettering"). In a cluster the leaders of queues
# that are declared from then on spread over the nodes; otherwise all lie on the node of the first connection.
POLICY: dict[str, Any] = {
    "name": "comporta",
    "pattern": r"^(comporta|erp)\.",
    "apply-to": "queues",
    "definition": {
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "queue-leader-locator": "balanced",
    },
    "priority": 0,
}

# Until then the messages of a consumer stay with it whose node is gone, since it might come back; the default is a
# minute. Brokers of other releases refuse a policy with a key that they don't know.
_DISCONNECTED, _DISCONNECTED_SINCE, _DISCONNECTED_MS = "consumer-disconnected-timeout", (4, 3), 10_000

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
        """Return the x-arguments that the queue is declared with."""
        arguments: dict[str, object] = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
        if self.name == DEAD:
            # A dead letter has no further queue: past the limit it would be lost, and RabbitMQ 4 defaults to 20.
            arguments["x-delivery-limit"] = 1_000_000
        else:
            arguments["x-dead-letter-exchange"] = DEAD
        return arguments

    @property
    def former(self) -> dict[str, object] | None:
        """Return the x-arguments of a former release, None if they were the same."""
        return {**self.arguments, **dict(self.former_arguments)} if self.former_arguments else None


def policy(release: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the policy for a release of RabbitMQ, such as (4, 3); without one that which every release takes."""
    if release is None or release < _DISCONNECTED_SINCE:
        return POLICY
    return {**POLICY, "definition": {_DISCONNECTED: _DISCONNECTED_MS, **POLICY["definition"]}}


def policy_definitions(*vhosts: str, release: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the policy for these virtual hosts as a definitions file, which `rabbitmqctl import_definitions` reads."""
    return {"policies": [{"vhost": vhost, **policy(release)} for vhost in vhosts]}


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
