"""Full load measurements: distinct keys as a load in chunks, and the same events without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg

from bench.backlog import fill
from bench.places import Place, Servers, accounted
from bench.processes import MeasurementFailed
from bench.results import Figures
from bench.throughput import run_worker
from comporta.simulator.messages import ErpMessage
from schemas.full_load import BEGUN, CHUNK, COMPLETED

__all__ = ["full_load", "plain"]

_SHOP, _DOMAIN, _LOAD = "main", "stock", "bench"
_CHUNK_ROWS = 10_000
_MOMENT = "2026-01-02T03:04:05Z"


@dataclass(frozen=True, slots=True)
class LoadBacklog:
    """So many stock balances of distinct keys in key order, and the messages of their load if `is_load` is set."""

    keys: int
    is_load: bool

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return self.keys + (2 + -(-self.keys // _CHUNK_ROWS) if self.is_load else 0)

    def events(self) -> Iterator[ErpMessage]:
        """Yield the same messages every time."""
        if self.is_load:
            yield _message(BEGUN, "begun", {"version": "1"})
        for start in range(0, self.keys, _CHUNK_ROWS):
            end = min(start + _CHUNK_ROWS, self.keys)
            chunk = start // _CHUNK_ROWS + 1
            if self.is_load:
                bounds = {
                    "from": [_code(start)] if start else None,
                    "to": [_code(end)] if end < self.keys else None,
                }
                data = {"chunk": chunk, "version": "1", "count": end - start, **bounds}
                yield _message(CHUNK, f"chunk-{chunk}", data)
            attributes = {"loadid": _LOAD, "loadchunk": str(chunk)} if self.is_load else {}
            for key in range(start, end):
                yield _balance(key, attributes)
        if self.is_load:
            yield _message(COMPLETED, "completed", {"chunks": -(-self.keys // _CHUNK_ROWS), "count": self.keys})


def full_load(servers: Servers, keys: int) -> Figures:
    """Measure one worker process from the first event of a load to its completion."""
    backlog = LoadBacklog(keys, is_load=True)
    with _loaded(servers, backlog) as place:
        return run_worker(place, backlog, 1, done=lambda database: _settled(database, backlog.count))


def plain(servers: Servers, keys: int) -> Figures:
    """Measure one worker process on the same events without the load."""
    backlog = LoadBacklog(keys, is_load=False)
    with _loaded(servers, backlog) as place:
        return run_worker(place, backlog, 1)


@contextmanager
def _loaded(servers: Servers, backlog: LoadBacklog) -> Iterator[Place]:
    with servers.place() as place:
        fill(place.broker_url, backlog)
        yield place
        with place.query() as database:
            [[number]] = database.execute("SELECT count(*) FROM stock WHERE NOT deleted")
        if number != backlog.keys:
            raise MeasurementFailed(f"the table holds {number} of {backlog.keys} balances")


def _settled(database: psycopg.Connection, count: int) -> int:
    """Return the number of events that are accounted for, less one until the load is complete."""
    number = accounted(database)
    if number < count:
        return number
    row = database.execute("SELECT state FROM loads").fetchone()
    return number if row == ("completed",) else count - 1


def _code(key: int) -> str:
    return f"P{key:07}"


def _balance(key: int, attributes: dict[str, str]) -> ErpMessage:
    data = {
        "product_code": _code(key),
        "branch": "1",
        "warehouse": "MAIN",
        "on_hand": f"{key % 1000}.000",
        "unit": "UN",
        "as_of": _MOMENT,
    }
    return _event("erp.stock.changed.v1", f"e{key}", {"sequence": "2", **attributes}, data)


def _message(kind: str, name: str, data: dict[str, Any]) -> ErpMessage:
    return _event(kind, name, {}, {"load_id": _LOAD, "domain": _DOMAIN, **data})


def _event(kind: str, name: str, attributes: dict[str, str], data: dict[str, Any]) -> ErpMessage:
    envelope = {"specversion": "1.0", "id": name, "source": "/erp/bench", "type": kind, "time": _MOMENT}
    return ErpMessage(_SHOP, _DOMAIN, orjson.dumps({**envelope, **attributes, "data": data}), name)
