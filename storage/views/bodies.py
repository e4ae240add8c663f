"""Bodies of quarantined messages, read in pieces: one may hold a hundred megabytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, literal_column, select

from storage.errors import Unavailable, translated
from storage.tables import quarantine

__all__ = ["PIECE", "BodyGone", "StoredBody", "body_pieces", "read_body"]

# PostgreSQL unpacks a compressed body from its beginning for each piece: smaller ones would cost more of that.
PIECE = 1024 * 1024


class StoredBody(NamedTuple):
    """The body of a message of a shop and domain, in pieces that are read one by one."""

    shop: str
    domain: str
    size: int
    pieces: Iterator[bytes]


class BodyGone(Exception):
    """The message was replayed or dropped while its body was read."""


def read_body(engine: Engine, identity: str, start: int, length: int) -> bytes | None:
    """Return a part of a message's body; None if no message has this id."""
    with translated(), engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return _read_sqlite(connection, identity, start, length)
        part = func.substring(quarantine.c.body, start + 1, length)
        row = connection.execute(select(part).where(quarantine.c.id == identity)).first()
        return None if row is None else bytes(row[0])


def body_pieces(engine: Engine, identity: str, size: int) -> Iterator[bytes]:
    """Yield the body of a message in pieces, each read by a statement of its own; raises `BodyGone`."""
    for start in range(0, size, PIECE):
        piece = read_body(engine, identity, start, PIECE)
        if piece is None:
            raise BodyGone(identity)
        yield piece


def _read_sqlite(connection: Connection, identity: str, start: int, length: int) -> bytes | None:
    # `substr` would load the whole body; SQLite's incremental I/O does not.
    row: Any = connection.execute(select(literal_column("rowid")).where(quarantine.c.id == identity)).first()
    if row is None:
        return None
    driver: Any = connection.connection.driver_connection
    try:
        with driver.blobopen(quarantine.name, quarantine.c.body.name, row[0], readonly=True) as blob:
            blob.seek(min(start, len(blob)))
            return bytes(blob.read(length))
    except sqlite3.Error as error:
        raise Unavailable(f"the database can't be reached: {error}") from error
