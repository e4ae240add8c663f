"""Since when the database has not answered this process."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock

__all__ = ["away_since", "found_again"]


class _Away:
    def __init__(self) -> None:
        self._lock = Lock()
        self._since: datetime | None = None

    def noticed(self) -> datetime:
        with self._lock:
            self._since = self._since or datetime.now(UTC)
            return self._since

    def over(self) -> None:
        with self._lock:
            self._since = None


# One for the process, as the database is: whatever page notices first, all say the same.
_away = _Away()


def away_since() -> datetime:
    """The first failure in a row; called where the database has failed."""
    return _away.noticed()


def found_again() -> None:
    """Called where the database has answered."""
    _away.over()
