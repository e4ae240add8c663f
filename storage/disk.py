"""Disk of the database: free space of SQLite's folder, and what the database says of its disk."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from storage.errors import DISK_FULL, Unavailable

__all__ = ["DiskFull", "DiskWatch"]

# Seconds for which a database counts as full after a statement has failed for it: heartbeats write every second.
_FULL_SECONDS = 15.0


class DiskFull(Unavailable):
    """The database's disk is full, or nearly."""


class DiskWatch:
    """Watch over the disk of an engine's database, of which at least `minimum` bytes are to stay free."""

    def __init__(self, engine: Engine, minimum: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._minimum = minimum
        self._clock = clock
        self._full_at = float("-inf")
        name = engine.url.database
        self._folder = Path(name).absolute().parent if engine.dialect.name == "sqlite" and name else None
        event.listen(engine, "handle_error", self._notice)

    def check(self) -> None:
        """Raise `DiskFull` if the database has said so lately, or if too little is free."""
        if self._clock() - self._full_at < _FULL_SECONDS:
            raise DiskFull("the disk of the database is full")
        if self._folder is None:
            return
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            # A folder that is away is the database's own fault, which its check tells.
            return
        if free < self._minimum:
            raise DiskFull(f"the disk of the database has {free // 1_000_000} MB left")

    def _notice(self, context: Any) -> None:
        if _is_full(context.original_exception):
            self._full_at = self._clock()


def _is_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    return getattr(error, "sqlstate", None) == DISK_FULL
