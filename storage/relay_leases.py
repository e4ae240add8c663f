"""Leases of relays: one worker at a time publishes a kind of notice, and notes how far it has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, or_, select, update
from sqlalchemy.types import TypeEngine

from storage.dialect import database_now, insert_into
from storage.feed_tables import relays
from storage.fence import Fence
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["LEASE", "RelayLease"]

# Longer than a publisher waits for its confirms; another worker goes on this long after one has died.
LEASE = timedelta(seconds=15)


class RelayLease:
    """The right of one worker to publish notices of a kind."""

    def __init__(self, name: str, worker: str, lease: timedelta = LEASE) -> None:
        self._name = name
        self._worker = worker
        self._lease = lease

    def claim(self, fence: Fence) -> bool:
        """Take or renew the lease in a transaction of its own; return False while another worker has it."""
        with fence.shared() as connection:
            return self.take(connection, database_now(connection)) is not None

    def release(self, fence: Fence) -> None:
        """End the lease in a transaction of its own, if this worker has it."""
        with fence.shared() as connection:
            self.give_back(connection)

    def position(self, connection: Connection) -> int:
        """Return how far the notices are published; takes no lock."""
        return connection.scalar(select(relays.c.position).where(relays.c.name == self._name)) or 0

    def take(self, connection: Connection, now: datetime, published: int = 0, first: int = 0) -> int | None:
        """Take or renew the lease and note what is published; return the position, None if another worker has it.

        `first` is the position to begin with when nothing was ever published.
        """
        parameters = {
            "first": first,
            "name": self._name,
            "worker": self._worker,
            "now": now,
            "until": now + self._lease,
            "position": published,
        }
        position: int | None = connection.scalar(_take(connection.dialect.name), parameters)
        return position

    def give_back(self, connection: Connection, published: int = 0) -> None:
        """Note what is published and end the lease, if this worker has it."""
        own = (relays.c.name == self._name, relays.c.worker == self._worker)
        position = _greatest(connection.dialect.name)(relays.c.position, published)
        # The first moment of all: the lease has ended by any clock.
        ended = datetime.fromtimestamp(0, tz=UTC)
        connection.execute(update(relays).where(*own).values(until=ended, position=position))


@cache
def _take(dialect: str) -> Any:
    names: dict[str, TypeEngine[Any]] = {"name": EXACT_TEXT, "worker": Text(), "until": UtcTime()}
    values = {name: bindparam(name, type_=kind) for name, kind in names.items()}
    insert = insert_into(dialect, relays).values(**values, position=bindparam("first", type_=BIGINT))
    free = or_(relays.c.until <= bindparam("now", type_=UtcTime), relays.c.worker == insert.excluded.worker)
    position = _greatest(dialect)(relays.c.position, bindparam("position", type_=BIGINT))
    renewed = {"worker": insert.excluded.worker, "until": insert.excluded.until, "position": position}
    return insert.on_conflict_do_update(index_elements=["name"], set_=renewed, where=free).returning(relays.c.position)


def _greatest(dialect: str) -> Any:
    return func.greatest if dialect == "postgresql" else func.max
