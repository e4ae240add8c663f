"""How long a batch is held open: the fuller the last one was, the longer."""

from __future__ import annotations

__all__ = ["waiting_seconds"]


def waiting_seconds(last: int, batch_size: int, batch_ms: int) -> float:
    """For how many seconds more deliveries are waited for, by how many the last batch had.

    After a full batch it is all of `batch_ms`: there is a backlog, and a transaction costs the same for few as for
    many. After one that had a single delivery it is next to nothing, so that whoever comes alone is not kept waiting.
    In between it is in proportion, and so follows the load up and down without a threshold to swing about.
    """
    return min(last / batch_size, 1.0) * batch_ms / 1000
