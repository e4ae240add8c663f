"""Latency of a pause beside a worker that hangs: from the request to its reply, as the command line asks."""

from __future__ import annotations

import json
import signal
import time

from bench.places import Servers
from bench.processes import MeasurementFailed, await_consumers, running
from bench.results import Figures, percentile
from control.client import request
from producers.errors import NoReply
from schemas.control import Reply
from schemas.topology import CONTROL

__all__ = ["pause_beside_a_hung_worker"]

_CHANGES = 20
_REPLY_SECONDS = 60.0
_BODY = json.dumps({"reason": "measuring the wait for the reply"}).encode()


def pause_beside_a_hung_worker(servers: Servers) -> Figures:
    """Pause and resume again and again, with one of two workers stopped by SIGSTOP from before the first request."""
    waits: list[float] = []
    with servers.place() as place, running(place, "comporta", "worker", copies=2) as children:
        await_consumers(place, children, 2, CONTROL)
        hung = children[0].process
        hung.send_signal(signal.SIGSTOP)
        try:
            for number in range(2 * _CHANGES):
                waits.append(_ask(place.broker_url, "resume" if number % 2 else "pause"))
        finally:
            hung.send_signal(signal.SIGCONT)
    return {"changes": len(waits), "p50_ms": percentile(waits, 0.50), "p99_ms": percentile(waits, 0.99)}


def _ask(url: str, action: str) -> float:
    """Return the milliseconds until the reply came, connecting included."""
    started = time.perf_counter()
    try:
        reply = Reply.model_validate_json(request(url, action, _BODY, timeout=_REPLY_SECONDS))
    except NoReply as error:
        raise MeasurementFailed(f"a {action}: {error}") from None
    if reply.result == "refused":
        raise MeasurementFailed(f"the reply to a {action} was refused ({reply.error})")
    return 1000 * (time.perf_counter() - started)
