"""Full load measurements: distinct keys as a load in chunks, the same events without it, live events beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
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
from schemas.topology import BULK

__all__ = ["LOADED_SHOP", "BulkLoad", "full_load", "is_over", "live", "plain"]

LOADED_SHOP = "loaded"

_SHOP, _DOMAIN, _LOAD = "main", "stock", "bench"
_LIVE_SHOP = "live"
_CHUNK_ROWS = 10_000
_MOMENT = "2026-01-02T03:04:05Z"


@dataclass(frozen=True, slots=True)
class LoadBacklog:
    """So many stock balances of distinct keys in key order, and the messages of their load if `is_load` is set."""

    keys: int
    is_load: bool
    shop: str = _SHOP
    domain: str = _DOMAIN

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return self.keys + (2 + -(-self.keys // _CHUNK_ROWS) if self.is_load else 0)

    def events(self) -> Iterator[ErpMessage]:
        """Yield the same messages every time."""
        if self.is_load:
            yield self._message(BEGUN, "begun", {"version": "1"})
        for start in range(0, self.keys, _CHUNK_ROWS):
            end = min(start + _CHUNK_ROWS, self.keys)
            chunk = start // _CHUNK_ROWS + 1
            if self.is_load:
                bounds = {
                    "from": [_code(start)] if start else None,
                    "to": [_code(end)] if end < self.keys else None,
                }
                data = {"chunk": chunk, "version": "1", "count": end - start, **bounds}
                yield self._message(CHUNK, f"chunk-{chunk}", data)
            attributes = {"loadid": _LOAD, "loadchunk": str(chunk)} if self.is_load else {}
            for key in range(start, end):
                yield self._balance(key, attributes)
        if self.is_load:
            yield self._message(COMPLETED, "completed", {"chunks": -(-self.keys // _CHUNK_ROWS), "count": self.keys})

    def _balance(self, key: int, attributes: dict[str, str]) -> ErpMessage:
        data = {
            "product_code": _code(key),
            "branch": "1",
            "warehouse": "MAIN",
            "on_hand": f"{key % 1000}.000",
            "unit": "UN",
            "as_of": _MOMENT,
        }
        return self._event("erp.stock.changed.v1", f"{self.shop}-e{key}", {"sequence": "2", **attributes}, data)

    def _message(self, kind: str, name: str, data: dict[str, Any]) -> ErpMessage:
        return self._event(kind, name, {}, {"load_id": _LOAD, "domain": _DOMAIN, **data})

    def _event(self, kind: str, name: str, attributes: dict[str, str], data: dict[str, Any]) -> ErpMessage:
        envelope = {"specversion": "1.0", "id": name, "source": "/erp/bench", "type": kind, "time": _MOMENT}
        body = orjson.dumps({**envelope, **attributes, "data": data})
        return ErpMessage(self.shop, self.domain, body, name)


class BulkLoad(LoadBacklog):
    """A load in the queue that is served after the live ones."""

    def __init__(self, keys: int) -> None:
        super().__init__(keys, is_load=True, shop=LOADED_SHOP, domain=f"{_DOMAIN}.{BULK}")


@dataclass(frozen=True, slots=True)
class _Together:
    """Several backlogs in one broker."""

    parts: tuple[LoadBacklog, ...]

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return sum(part.count for part in self.parts)

    def events(self) -> Iterator[ErpMessage]:
        """Yield the messages of one after another."""
        return chain.from_iterable(part.events() for part in self.parts)


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


def live(servers: Servers, keys: int, *, beside_load: bool) -> Figures:
    """Measure one worker process on a backlog of live events, beside a load of as many keys or without one."""
    backlog = LoadBacklog(keys, is_load=False, shop=_LIVE_SHOP)
    waiting = _Together((BulkLoad(keys), backlog) if beside_load else (backlog,))
    with servers.place() as place:
        fill(place.broker_url, waiting)
        return run_worker(place, backlog, 1, done=lambda database: accounted(database, _LIVE_SHOP))


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
    return number if is_over(database) else count - 1


def is_over(database: psycopg.Connection) -> bool:
    """Return whether the load is complete."""
    return database.execute("SELECT state FROM loads").fetchone() == ("completed",)


def _code(key: int) -> str:
    return f"P{key:07}"
