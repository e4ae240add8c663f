"""Dead letters in hand: how many processes have begun to process each, counted before the attempt."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from rules.outcomes import RejectedDelivery
from storage.dialect import database_now, insert_into
from storage.fence import Fence
from storage.quarantine import digest_of
from storage.tables import dead_letters

__all__ = ["DeadLetterAttempts"]

# A count without its message, which somebody has removed from the queue, is of no use.
_KEPT = timedelta(days=30)


class DeadLetterAttempts:
    """The attempts of one process at dead letters; of each message it counts one, however often it repeats it.

    So the count is the number of processes that ended with the message in hand, and one more. A database or a broker
    that is away adds nothing to it.
    """

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._begun: dict[str, int] = {}

    def begin(self, message: RejectedDelivery) -> int:
        """Count an attempt at a message, and return the number of processes that began one before. Durable."""
        digest = digest_of(message)
        if digest not in self._begun:
            with self._fence.shared() as connection:
                now = database_now(connection)
                connection.execute(delete(dead_letters).where(dead_letters.c.at < now - _KEPT))
                insert = insert_into(connection.dialect.name, dead_letters).values(digest=digest, attempts=1, at=now)
                counted = insert.on_conflict_do_update(
                    index_elements=["digest"], set_={"attempts": dead_letters.c.attempts + 1, "at": now}
                )
                attempts: int = connection.execute(counted.returning(dead_letters.c.attempts)).scalar_one()
            self._begun[digest] = attempts - 1
        return self._begun[digest]

    def end(self, message: RejectedDelivery) -> None:
        """Forget the attempts at a message whose outcome is committed."""
        digest = digest_of(message)
        with self._fence.shared() as connection:
            connection.execute(delete(dead_letters).where(dead_letters.c.digest == digest))
        self._begun.pop(digest, None)
