"""Policies of the queues: what an operator may change later, since the arguments of an existing queue never change."""

from __future__ import annotations

from typing import Any

from schemas.topology import DEAD, DELIVERY_LIMIT

__all__ = ["Release", "policies", "policy_definitions", "policy_for"]

# Of a RabbitMQ, such as (4, 3).
Release = tuple[int, int]

# In a cluster the leaders of queues that are declared from then on spread over the nodes; otherwise all lie on the node
# of the first connection. At-least-once dead letters need reject-publish (RabbitMQ manual, "Quorum Queues").
_EVERY_QUEUE: dict[str, Any] = {"overflow": "reject-publish", "queue-leader-locator": "balanced"}
# By default the broker dead-letters at most once: what dies while `comporta.dead` is away is lost.
_MOST_QUEUES: dict[str, Any] = {"dead-letter-strategy": "at-least-once", "delivery-limit": DELIVERY_LIMIT}

# Brokers of other releases refuse a policy with a key that they don't know.
_SINCE: tuple[tuple[Release, dict[str, Any]], ...] = (
    # The default, half an hour, which a node's configuration may have changed.
    ((3, 12), {"consumer-timeout": 1_800_000}),
    # Until then the messages of a consumer stay with it whose node is gone, since it might come back; a minute by
    # default.
    ((4, 3), {"consumer-disconnected-timeout": 10_000}),
)


def policies(release: Release | None = None) -> tuple[dict[str, Any], ...]:
    """Return the policies for a release of RabbitMQ; without one those that every release takes."""
    newer = {key: value for since, keys in _SINCE if release and release >= since for key, value in keys.items()}
    return (
        _policy("comporta", r"^(comporta\.(?!dead$)|erp\.)", _EVERY_QUEUE | _MOST_QUEUES | newer),
        # Apart: past a delivery limit a dead letter would be lost, and the lower of argument and policy is effective.
        _policy("comporta-dead", r"^comporta\.dead$", _EVERY_QUEUE | newer),
    )


def policy_for(queue: str, release: Release | None = None) -> dict[str, Any]:
    """Return the policy that a queue of the topology should have."""
    most, dead = policies(release)
    return dead if queue == DEAD else most


def policy_definitions(*vhosts: str, release: Release | None = None) -> dict[str, Any]:
    """Return the policies of these virtual hosts as a definitions file, for `rabbitmqctl import_definitions`."""
    return {"policies": [{"vhost": vhost, **policy} for vhost in vhosts for policy in policies(release)]}


def _policy(name: str, pattern: str, definition: dict[str, Any]) -> dict[str, Any]:
    ordered = dict(sorted(definition.items()))
    return {"name": name, "pattern": pattern, "apply-to": "queues", "definition": ordered, "priority": 0}
