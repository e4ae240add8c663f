"""Growth table: speed by number of keys and by number of shops; keys are drawn at random, each has its row."""

from __future__ import annotations

from collections.abc import Iterator

from bench import throughput
from bench.events import SHOPS, Backlog
from bench.rows import Row, Scale

__all__ = ["GROWTH_ROWS"]

_KEYS = (10_000, 100_000, 1_000_000, 5_000_000)
_SHOPS = (1, 10, 100, 1_000)
# Number of keys while the number of shops varies.
_KEYS_OF_SHOPS = 100_000


def _rows() -> Iterator[Row]:
    for keys in _KEYS:
        yield from _both(f"keys-{keys}", f"keys in the table, of {SHOPS} shops", f"{keys:,} keys", keys, SHOPS)
    for shops in _SHOPS:
        label = "1 shop" if shops == 1 else f"{shops:,} shops"
        yield from _both(f"shops-{shops}", f"shops, of {_KEYS_OF_SHOPS:,} keys", label, _KEYS_OF_SHOPS, shops)


def _both(name: str, group: str, label: str, keys: int, shops: int) -> Iterator[Row]:
    def backlog(of: Scale) -> Backlog:
        return Backlog(of.backlog // 2, keys, shops)

    # Each row beside the reference: a slowdown of both is the database's.
    yield Row(name, group, f"{label}, one worker process", lambda on, of: throughput.workers(on, backlog(of), 1))
    yield Row(f"{name}-go", group, f"{label}, Go", lambda on, of: throughput.reference(on, backlog(of), 1))


GROWTH_ROWS: tuple[Row, ...] = tuple(_rows())
