"""Worker registry: the running worker processes and the last heartbeat of each."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from storage.dialect import insert_into
from storage.fence import Fence
from storage.switches import read_for_batch
from storage.tables import switches, workers
from storage.tail import forget_outcomes

__all__ = ["WorkerRegistry"]

# Long enough to be seen on the next morning; a killed worker can't remove its own row.
_RETENTION = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkerRegistry:
    """The row of one worker: written at every heartbeat, deleted at a clean stop.

    `lags` returns the seconds from event to commit by domain, which other processes show.
    """

    fence: Fence
    worker: str
    domains: Sequence[str]
    lags: Callable[[], Mapping[str, float]] = dict

    def beat(self) -> bool:
        """Record a heartbeat; return whether a pause has to be ended or begun by the clock."""
        lags = {domain: round(seconds, 4) for domain, seconds in self.lags().items()}
        with self.fence.shared() as connection:
            state = read_for_batch(connection).switches
            epoch = connection.scalar(select(func.max(switches.c.epoch))) or 0
            insert = insert_into(connection.dialect.name, workers)
            heartbeat = {"last_seen": state.now, "epoch_seen": epoch, "lags": lags}
            connection.execute(
                insert.on_conflict_do_update(index_elements=["id"], set_=heartbeat),
                {
                    "id": self.worker,
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "domains": list(self.domains),
                    "started_at": state.now,
                    **heartbeat,
                },
            )
            forget_outcomes(connection, state.now)
            connection.execute(workers.delete().where(workers.c.last_seen < state.now - _RETENTION))
            return state.overdue

    def leave(self) -> None:
        """Delete the row of the worker."""
        with self.fence.shared() as connection:
            connection.execute(workers.delete().where(workers.c.id == self.worker))
