"""Statements that are sent to a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

__all__ = ["sent_statements"]


@contextmanager
def sent_statements(engine: Engine, *, counts: Callable[[], bool] = lambda: True) -> Iterator[list[str]]:
    """Collect the statements that are sent inside the block, those alone that count at that moment."""
    sent: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if counts():
            sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)
