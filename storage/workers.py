"""Worker registry: the running worker processes and the last heartbeat of each."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam

from storage.dialect import insert_into
from storage.fence import Fence
from storage.migrate import newest_revision
from storage.switches import read_for_batch
from storage.tables import workers
from storage.tail import forget_outcomes

__all__ = ["WorkerRegistry"]

# Long enough to be seen on the next morning; a killed worker can't remove its own row.
_RETENTION = timedelta(days=1)
# What nobody reads any more is not in the way: it need not go at every beat.
_PRUNE_SECONDS = 10.0
_BEAT = ("last_seen", "epoch_seen", "lags", "revision")


class WorkerRegistry:
    """The row of one worker: written at every heartbeat, deleted at a clean stop.

    `lags` returns the seconds from event to commit by domain, which other processes show.
    """

    def __init__(
        self, fence: Fence, worker: str, domains: Sequence[str], lags: Callable[[], Mapping[str, float]] = dict
    ) -> None:
        self._fence = fence
        self._worker = worker
        self._domains = list(domains)
        self._lags = lags
        self._revision = newest_revision()
        self._next_prune = 0.0

    def beat(self) -> bool:
        """Record a heartbeat; return whether a pause has to be ended or begun by the clock."""
        lags = {domain: round(seconds, 4) for domain, seconds in self._lags().items()}
        prune = time.monotonic() >= self._next_prune
        with self._fence.shared() as connection:
            state = read_for_batch(connection).switches
            row = {
                "id": self._worker,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "domains": self._domains,
                "started_at": state.now,
                "last_seen": state.now,
                "epoch_seen": state.epoch,
                "lags": lags,
                "revision": self._revision,
            }
            connection.execute(_upsert(connection.dialect.name), row)
            if prune:
                forget_outcomes(connection, state.now)
                connection.execute(_SILENT, {"before": state.now - _RETENTION})
        if prune:
            self._next_prune = time.monotonic() + _PRUNE_SECONDS
        return state.overdue

    def leave(self) -> None:
        """Delete the row of the worker."""
        with self._fence.shared() as connection:
            connection.execute(workers.delete().where(workers.c.id == self._worker))


@cache
def _upsert(dialect: str) -> Any:
    insert = insert_into(dialect, workers)
    values = insert.values({column.name: bindparam(column.name, type_=column.type) for column in workers.columns})
    return values.on_conflict_do_update(index_elements=["id"], set_={name: values.excluded[name] for name in _BEAT})


_SILENT = workers.delete().where(workers.c.last_seen < bindparam("before", type_=workers.c.last_seen.type))
