"""Missing search texts: of messages refused before revision 0034, or by a worker of a release before it.

Such workers go on during an upgrade, so that new rows without a text come at any time. An index of these rows alone
leads to them; it is empty once all have one, but for messages that are too large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, LargeBinary, Text, and_, func, select, update

from schemas.events import MAX_BODY
from storage.body_batches import fitting
from storage.dialect import dump_rows, rowset
from storage.fence import Fence
from storage.search_texts import search_text
from storage.tables import quarantine

__all__ = ["add_texts", "count_missing", "is_missing", "missing_texts"]

# Larger messages stay without a text: to write it, SQLite takes the whole row into memory, three times over.
_LARGEST = 8 * 1024 * 1024
_IS_MISSING = and_(quarantine.c.search_text.is_(None), func.length(quarantine.c.body) <= _LARGEST)


def count_missing(connection: Connection) -> int:
    """Count the messages without a text."""
    return connection.scalar(select(func.count()).select_from(quarantine).where(_IS_MISSING)) or 0


def is_missing(connection: Connection) -> bool:
    """Return whether a message has no text."""
    # In the order of the index, so that it leads: the statistics may know of many such rows after the last has gone.
    query = select(quarantine.c.id).where(_IS_MISSING).order_by(quarantine.c.id)
    return connection.scalar(query.limit(1)) is not None


def missing_texts(fence: Fence, after: str, limit: int) -> dict[str, str]:
    """Return the texts of some messages that have none, by id and in its order, from the one after an id on."""
    # No more of it is searched.
    body = func.substr(quarantine.c.body, 1, MAX_BODY, type_=LargeBinary()).label("body")
    ordered = select(quarantine.c.id, func.length(quarantine.c.body)).where(_IS_MISSING, quarantine.c.id > after)
    with fence.snapshot() as connection:
        sizes = connection.execute(ordered.order_by(quarantine.c.id).limit(limit))
        ids = fitting((identity, size) for identity, size in sizes)
        query = select(quarantine.c.id, body, quarantine.c.headers).where(quarantine.c.id.in_(ids))
        rows = connection.execute(query.order_by(quarantine.c.id)).all()
    return {row.id: search_text(row.body, row.headers) for row in rows}


def add_texts(connection: Connection, texts: Mapping[str, str]) -> int:
    """Add the texts to the messages that still have none; return their number.

    A message that is being replayed, dropped or edited is left for the next time. One from which a person has been
    erased meanwhile has its text already, without the person.
    """
    dialect = connection.dialect.name
    rows = rowset(dialect, {"id": Text(), "search_text": Text()})
    lacking = select(quarantine.c.id).where(quarantine.c.id.in_(list(texts)), _IS_MISSING).order_by(quarantine.c.id)
    free: Sequence[str] = connection.scalars(lacking.with_for_update(skip_locked=True)).all()
    if free:
        # They are locked: asked again whether they have a text, PostgreSQL might read all that have none.
        statement = update(quarantine).where(quarantine.c.id == rows.columns["id"])
        written = [{"id": identity, "search_text": texts[identity]} for identity in free]
        connection.execute(
            statement.values(search_text=rows.columns["search_text"]), {"rows": dump_rows(dialect, written)}
        )
    return len(free)
