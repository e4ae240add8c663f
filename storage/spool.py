"""Spool of a file's entities: a temporary SQLite file with the newest event of each key, so that memory stays flat."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import orjson

from rules.comparison import MissedToFile, There
from storage.errors import StorageError

__all__ = ["Spool", "Spooled"]

_CACHE_KIB = 16 * 1024
_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{_CACHE_KIB};
CREATE TABLE entities (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
    event_id TEXT NOT NULL, content BLOB);
CREATE TABLE to_file (key TEXT NOT NULL, version INTEGER NOT NULL, event_id TEXT NOT NULL, row_version INTEGER,
    row_event_id TEXT, reopen INTEGER NOT NULL);
"""
_ADD = """
INSERT INTO entities (key, version, event_id, content) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET version = excluded.version, event_id = excluded.event_id, content = excluded.content
WHERE (version, event_id) < (excluded.version, excluded.event_id)
"""
_FIND = "SELECT number, key, version, event_id, content FROM entities WHERE key IN (SELECT value FROM json_each(?))"
_PAGE = "SELECT number, key, version, event_id, content FROM entities WHERE number > ? ORDER BY number LIMIT ?"
_FILED = "SELECT key, version, event_id, row_version, row_event_id, reopen FROM to_file ORDER BY key"


class Spooled(NamedTuple):
    """The newest event of a key; its content is the canonical JSON, None if the event deletes the key."""

    key: str
    there: There


class Spool:
    """The file's entities by key, with a mark for each that was found, and the missed keys that are to be filed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="comporta-")
        self._connection = sqlite3.connect(Path(self._folder.name) / "spool.db", isolation_level=None)
        self._found = bytearray()

    def __enter__(self) -> Self:
        with _disk_errors():
            self._connection.executescript(_SCHEMA)
            self._connection.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._folder.cleanup()

    def add(self, entities: Iterable[Spooled]) -> None:
        """Add events; of one key the newest remains."""
        with _disk_errors():
            self._connection.executemany(_ADD, ((key, *there.stamp, there.content) for key, there in entities))

    @property
    def horizon(self) -> int | None:
        """Return the highest version of the file; None if it has no event."""
        highest: int | None = self._connection.execute("SELECT max(version) FROM entities").fetchone()[0]
        return highest

    def take(self, keys: Sequence[str]) -> dict[str, There]:
        """Return those of these keys that the file has, and mark them as found."""
        taken = {}
        with _disk_errors():
            for number, key, version, event_id, content in self._connection.execute(
                _FIND, (orjson.dumps(keys).decode(),)
            ):
                self._mark(number)
                taken[key] = There((version, event_id), content)
        return taken

    def rest(self, page: int = 1_000) -> Iterator[Spooled]:
        """Yield the entities that were not found, in the order of the file."""
        after = 0
        while True:
            with _disk_errors():
                rows = self._connection.execute(_PAGE, (after, page)).fetchall()
            if not rows:
                return
            for number, key, version, event_id, content in rows:
                if not self._is_marked(number):
                    yield Spooled(key, There((version, event_id), content))
            after = rows[-1][0]

    def remember(self, missed: MissedToFile) -> None:
        """Keep a missed key for filing."""
        row = missed.row or (None, None)
        with _disk_errors():
            self._connection.execute(
                "INSERT INTO to_file VALUES (?, ?, ?, ?, ?, ?)", (missed.key, *missed.stamp, *row, missed.reopen)
            )

    @property
    def remembered(self) -> int:
        """Return the number of missed keys to file."""
        number: int = self._connection.execute("SELECT count(*) FROM to_file").fetchone()[0]
        return number

    def to_file(self, size: int) -> Iterator[list[MissedToFile]]:
        """Yield the missed keys to file, at most `size` at a time."""
        rows = self._connection.execute(_FILED)
        while batch := rows.fetchmany(size):
            yield [
                MissedToFile(key, (version, event_id), None if row is None else (row, row_id), bool(reopen))
                for key, version, event_id, row, row_id, reopen in batch
            ]

    def _mark(self, number: int) -> None:
        byte, bit = divmod(number, 8)
        if byte >= len(self._found):
            self._found.extend(bytes(max(1024, byte + 1 - len(self._found))))
        self._found[byte] |= 1 << bit

    def _is_marked(self, number: int) -> bool:
        byte, bit = divmod(number, 8)
        return byte < len(self._found) and bool(self._found[byte] & (1 << bit))


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(
            f"the temporary file in {tempfile.gettempdir()} can't be used ({error}): the comparison needs about the "
            "size of the unpacked file there; TMPDIR names another folder"
        ) from None
