"""Cost of the change feed, or of the history: `python -m bench.feed` applies the same batches with and without."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import psutil
import typer
from rich.console import Console

from control.switchboard import Switchboard
from schemas.events import ChangeEvent, parse_event
from storage.changes import ChangeFeed
from storage.engine import open_engine
from storage.event_store import EventStore
from storage.fence import fence_for
from tests.support.event_samples import sample_event
from tests.support.services.postgres import Postgres

_BATCH = 500
console = Console(highlight=False)


class _Cost(NamedTuple):
    """Microseconds an event: by the clock, of this process's CPU, of the server's CPU."""

    clock: float
    process: float
    server: float


def main(
    rounds: Annotated[int, typer.Option(help="Number of pairs.", min=1)] = 15,
    batches: Annotated[int, typer.Option(help="Number of batches of 500 in each turn.", min=1)] = 40,
    keys: Annotated[int, typer.Option(help="Number of keys.", min=_BATCH)] = 20_000,
    history: Annotated[int, typer.Option(help="Measure the history of so many versions instead.", min=0)] = 0,
) -> None:
    """Apply batches to PostgreSQL with the feed (or the history) on and off, in pairs, and print the medians."""
    server = Postgres()
    server.open()
    try:
        costs = _measure(server, rounds, batches, keys, history)
    finally:
        server.close()
    for name, values in costs.items():
        medians = _Cost(*(statistics.median(column) for column in zip(*values, strict=True)))
        cpu = f"CPU of the process {medians.process:.1f}, of the server {medians.server:.1f}"
        console.print(f"{name:4} {medians.clock:.1f} µs/event; {cpu}")
    ratios = [on.clock / off.clock for on, off in zip(costs["on"], costs["off"], strict=True)]
    console.print(f"on / off, median of {rounds} pairs: {statistics.median(ratios):.3f}")


def _measure(server: Postgres, rounds: int, batches: int, keys: int, history: int) -> dict[str, list[_Cost]]:
    engine = open_engine(server.new_database())
    fence = fence_for(engine)
    feed, store = ChangeFeed(fence), EventStore(fence, Switchboard(fence, lambda _: None), "bench")
    kept = EventStore(fence, Switchboard(fence, lambda _: None), "bench", history=history)
    versions = iter(range(1, 1_000_000))
    for batch in _batches(keys // _BATCH, keys, versions, in_order=True):
        store.commit(batch)
    costs: dict[str, list[_Cost]] = {"on": [], "off": []}
    for number in range(rounds):
        # Each goes first every other time.
        for on in (number % 2 == 0, number % 2 == 1):
            if not history:
                feed.switch(on=on)
            work = list(_batches(batches, keys, versions))
            costs["on" if on else "off"].append(_apply(kept if on else store, work, server.pid))
    engine.dispose()
    return costs


def _batches(
    number: int, keys: int, versions: Iterator[int], *, in_order: bool = False
) -> Iterator[Sequence[ChangeEvent]]:
    draw = random.Random(number)
    for place in range(number):
        version = str(next(versions))
        chosen = range(place * _BATCH, (place + 1) * _BATCH) if in_order else draw.sample(range(keys), _BATCH)
        envelope = {"sequence": version, "id": version}
        bodies = (sample_event("stock", envelope=envelope, product_code=f"P{key}", on_hand=version) for key in chosen)
        yield [parse_event("stock", "main", body) for body in bodies]


def _apply(store: EventStore, work: Sequence[Sequence[ChangeEvent]], pid: int | None) -> _Cost:
    clock, process, server = time.perf_counter(), time.process_time(), _server_seconds(pid)
    for batch in work:
        store.commit(batch)
    spent = (time.perf_counter() - clock, time.process_time() - process, _server_seconds(pid) - server)
    events = sum(map(len, work))
    return _Cost(*(seconds / events * 1e6 for seconds in spent))


def _server_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    parent = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in (parent, *parent.children(recursive=True)))


if __name__ == "__main__":
    typer.run(main)
