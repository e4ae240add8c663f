"""Upsert of one event on PostgreSQL, for the peers that take events one by one."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
import psycopg
from pydantic import BaseModel

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, read_event
from schemas.fields import Column
from storage.database import open_database
from storage.entity_tables import ENTITY_TABLES

__all__ = ["Upserts", "pass_fence", "statement", "values"]

_CASTS = {Column.QUANTITY: "::text::numeric", Column.MONEY: "::text::numeric", Column.JSON: "::text::jsonb"}
_STAMPS = ("version", "event_id", "deleted", "occurred_at")


def pass_fence() -> None:
    """Wait for the fence, once: it is the start of every measurement."""
    with open_database(os.environ["COMPORTA_DATABASE_URL"]).fence.shared():
        return


def values(event: ChangeEvent) -> list[Any]:
    """Return the parameters of the statement."""
    fields = event.data.__dict__
    columns = [_plain(fields.get(name)) for name in DOMAINS[event.domain].columns]
    return [event.shop, *columns, event.version, event.event_id, event.deleted, event.occurred_at]


@cache
def statement(domain: str) -> str:
    """Return the upsert of a table, with numbered parameters."""
    columns = DOMAINS[domain].columns
    names = ("shop", *columns, *_STAMPS)
    keys = [column.name for column in ENTITY_TABLES[domain].primary_key]
    casts = ["", *(_CASTS.get(kind, "") for kind in columns.values()), *("" for _ in _STAMPS)]
    numbered = [f"${number}{kind}" for number, kind in enumerate(casts, 1)]
    changed = _listed(f"{name} = excluded.{name}" for name in (*names, "applied_at") if name not in keys)
    return (
        f"INSERT INTO {domain} AS known ({_listed(names)}, applied_at) "
        f"VALUES ({_listed(numbered)}, clock_timestamp()) "
        f"ON CONFLICT ({_listed(keys)}) DO UPDATE SET {changed} "
        "WHERE (known.version, known.event_id) < (excluded.version, excluded.event_id)"
    )


class Upserts:
    """Upserts for tasks in threads or processes: a connection for each thread, a printed count for each process."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._first = threading.Lock()
        self._started = False
        self._counts = itertools.count(1)

    def apply(self, routing_key: str, document: dict[str, Any]) -> None:
        """Check one event, write it and print the count."""
        self._wait_for_start()
        shop, _, domain = routing_key.partition(".")
        event = read_event(domain, shop, document)
        self._cursor().execute(statement(domain).encode(), values(event))
        # Written to the file descriptor: task queues replace the standard output.
        os.write(1, b"%d %d\n" % (os.getpid(), next(self._counts)))

    def _wait_for_start(self) -> None:
        with self._first:
            if not self._started:
                pass_fence()
                self._started = True

    def _cursor(self) -> psycopg.RawCursor[Any]:
        if not hasattr(self._local, "cursor"):
            connection = psycopg.connect(os.environ["COMPORTA_DATABASE_URL"], autocommit=True)
            self._local.cursor = psycopg.RawCursor(connection)
        cursor: psycopg.RawCursor[Any] = self._local.cursor
        return cursor


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=BaseModel.model_dump).decode()
    return value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
