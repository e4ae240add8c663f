"""Order in which the nodes of a cluster are tried: shuffled, those that have failed lately last."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from rules.addresses import Host

__all__ = ["report_failure", "shuffled"]

# Long enough that no session returns to a node that hangs while it tries the others.
_AVOID_SECONDS = 30.0
# Shared by all connections of the process: what one of them finds out about a node saves the others the wait.
_failures: dict[Host, float] = {}


def report_failure(node: Host) -> None:
    """Note that a node could not be reached or lost a connection."""
    _failures[node] = time.monotonic()


def shuffled(nodes: Sequence[Host]) -> list[Host]:
    """Return the nodes in random order; those that failed within the last half minute come last, the latest at the end.

    The order is random so that the clients of a cluster spread over its nodes.
    """
    oldest = time.monotonic() - _AVOID_SECONDS
    order = random.sample(nodes, k=len(nodes))
    return sorted(order, key=lambda node: failed if (failed := _failures.get(node, 0.0)) > oldest else 0.0)
