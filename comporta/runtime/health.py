"""Whether broker and database can be reached, or which can't and since when; never asked for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from broker.connection import is_memory, open_connection, release
from comporta.runtime.metrics import Exposition
from comporta.runtime.single_flight import SingleFlight
from storage.database import Database

__all__ = ["Monitor", "Reach", "ReadinessProbe", "monitor_for"]


_PATIENCE = 3.0


# Several who ask at once, and one who asks every second, cost one connection.
_FRESH = 2.0


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a part was reached, and if not, since which look it has not been."""

    reachable: bool
    since: datetime | None = None


class ReadinessProbe:
    """Looks at each part by its name; a look that raises, or takes longer than 3 s, did not reach it."""

    def __init__(
        self, looks: Mapping[str, Callable[[], object]], patience: float = _PATIENCE, fresh: float = _FRESH
    ) -> None:
        self._looks = {
            name: SingleFlight(f"reach {name}", look, patience=patience, fresh=fresh) for name, look in looks.items()
        }
        self._away: dict[str, datetime] = {}

    async def look(self) -> dict[str, Reach]:
        """Each part as it is now."""
        reached = await asyncio.gather(*(self._reaches(look) for look in self._looks.values()))
        return {name: self._noted(name, there) for name, there in zip(self._looks, reached, strict=True)}

    @staticmethod
    async def _reaches(look: SingleFlight[object]) -> bool:
        try:
            await look.answer()
        except Exception:
            # Whatever it was: why is in the log of whoever needs that part, and this answer is open to all.
            return False
        return True

    def _noted(self, name: str, reachable: bool) -> Reach:
        if reachable:
            self._away.pop(name, None)
            return Reach(True)
        return Reach(False, self._away.setdefault(name, datetime.now(UTC)))


@dataclass(frozen=True, slots=True)
class Monitor:
    """`unhealthy` names the loops that don't turn, each with what is wrong."""

    unhealthy: Callable[[], Mapping[str, str]]
    readiness: ReadinessProbe
    exposition: Exposition


def monitor_for(
    broker_url: str,
    database: Database,
    unhealthy: Callable[[], Mapping[str, str]],
    work: CollectorRegistry | None,
    *,
    with_gauges: bool,
) -> Monitor:
    """The monitor of a process: `work` has the metrics of its worker, the database's come `with_gauges`."""
    looks = {"broker": lambda: _reach_broker(broker_url), "database": database.gauges.ping}
    return Monitor(unhealthy, ReadinessProbe(looks), Exposition(work, database.gauges.read if with_gauges else None))


def _reach_broker(url: str) -> None:
    # The embedded one is always there.
    if not is_memory(url):
        release(open_connection(url, name="readiness"))
