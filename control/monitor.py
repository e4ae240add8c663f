"""What a process answers to those who watch over it: is it well, is it ready, and its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from broker.connection import is_memory, open_connection, release
from comporta.runtime.health import Readiness
from control.metrics.exposition import Exposition
from storage.database import Database

__all__ = ["Monitor", "monitor_for"]


@dataclass(frozen=True, slots=True)
class Monitor:
    """`unwell` names the loops that don't turn, each with what is wrong."""

    unwell: Callable[[], Mapping[str, str]]
    readiness: Readiness
    exposition: Exposition


def monitor_for(
    broker_url: str,
    database: Database,
    unwell: Callable[[], Mapping[str, str]],
    work: CollectorRegistry | None,
    *,
    with_gauges: bool,
) -> Monitor:
    """The monitor of a process: `work` has the metrics of its worker, the database's come `with_gauges`."""
    looks = {"broker": lambda: _reach_broker(broker_url), "database": database.gauges.ping}
    return Monitor(unwell, Readiness(looks), Exposition(work, database.gauges.read if with_gauges else None))


def _reach_broker(url: str) -> None:
    # The embedded one is always there.
    if not is_memory(url):
        release(open_connection(url, name="readiness"))
