"""Batch collection time: the fuller the last batch was, the longer."""

from __future__ import annotations

__all__ = ["waiting_seconds"]


def waiting_seconds(last: int, batch_size: int, batch_ms: int) -> float:
    """Return the seconds to wait for more deliveries, from the size of the last batch.

    After a full batch it is all of `batch_ms`: there is a backlog, and a transaction costs the same for few deliveries
    as for many. After a batch of one it is close to zero, so that a single event is not delayed. In between it is
    proportional, and so follows the load without a threshold to oscillate around.
    """
    return min(last / batch_size, 1.0) * batch_ms / 1000
