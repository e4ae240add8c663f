"""Renders metrics for whoever scrapes them."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from comporta.runtime.single_flight import Asked
from control.metrics.state import StateMetrics
from storage.errors import StorageError
from storage.gauges import Reading

__all__ = ["Exposition"]

log = structlog.get_logger(__name__)

# Prometheus gives up after 10 s and then has nothing at all, not even that the database is away.
_PATIENCE = 5.0
# Two who scrape at the same time cost one reading.
_FRESH = 1.0


class Exposition:
    """A worker's own metrics, where there is a worker, and the database's, where it is asked."""

    def __init__(self, work: Collector | None, read: Callable[[], Reading] | None, patience: float = _PATIENCE) -> None:
        self._work = work
        self._reading = Asked("gauges", read, patience=patience, fresh=_FRESH) if read is not None else None
        self._away = False

    async def render(self, accept: str) -> tuple[str, bytes]:
        """Content type and body, in the form that the `Accept` header asks for; never waits for long."""
        registry = CollectorRegistry()
        if self._work is not None:
            registry.register(self._work)
        if self._reading is not None:
            registry.register(StateMetrics(await self._read(self._reading)))
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # A version that is no number: the library compares it with one.
            encode, content_type = choose_encoder("")
        return content_type, encode(registry)

    async def _read(self, reading: Asked[Reading]) -> Reading | None:
        try:
            found = await reading.answer()
        except (StorageError, TimeoutError) as error:
            if not self._away:
                log.warning("no gauges: the database is away", error=str(error) or "no answer in time")
            self._away = True
            return None
        self._away = False
        return found
