"""Forgotten version measurements: a domain's keys in steps, and the pauses in between."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bench.pauses import open_operator
from bench.places import Servers
from bench.processes import MeasurementFailed, await_consumers, running
from bench.results import Figures, percentile
from bench.written import prefill
from control.actions import OperatorActions
from rules.actions import AuditContext
from storage.database import open_database
from storage.versions import VersionScope

__all__ = ["forgotten"]

# From a resume to the next pause.
_FLOW_SECONDS = 0.1


def forgotten(servers: Servers, keys: int) -> Figures:
    """Measure how fast the versions of so many keys are forgotten, and how long each pause meanwhile waits."""
    with (
        servers.place() as place,
        running(place, "comporta", "worker") as children,
        open_operator(place) as operator,
        ThreadPoolExecutor(1) as forgetting,
    ):
        prefill(place.database_url, keys, 1)
        await_consumers(place, children, 1)
        database = open_database(place.database_url)
        actions = OperatorActions(database, lambda _: [])
        pauses: list[float] = []
        began = time.perf_counter()
        scope = VersionScope("shop-1", "stock")
        result = forgetting.submit(actions.forget_versions, scope, AuditContext("bench", "bench"))
        while not result.done():
            time.sleep(_FLOW_SECONDS)
            pauses.append(1e3 * operator.request("pause"))
            operator.request("resume")
        seconds = time.perf_counter() - began
        database.close()
    if (count := result.result().forgotten) != keys:
        raise MeasurementFailed(f"the versions of {count} of {keys} keys were forgotten")
    return {
        "events": keys,
        "events_per_second": keys / seconds,
        "seconds": seconds,
        "pauses": len(pauses),
        "p50_ms": percentile(pauses, 0.50),
        "p99_ms": percentile(pauses, 0.99),
        "max_ms": max(pauses),
    }
