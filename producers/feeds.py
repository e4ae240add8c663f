"""Relay of a worker: switches the change feed as the settings say, then publishes notices of what was committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from broker.retry import retry_until
from producers.publisher import Publisher
from producers.relay import Relay, RelaySource
from storage.changes import ChangeFeed
from storage.errors import Unavailable
from storage.fence import Fence
from storage.relay_sources import ChangeSource, OutcomeSource

__all__ = ["relay_loop"]

log = structlog.get_logger(__name__)

# An unconfirmed notice is published again: a long deadline would only hold back the end of the process.
_DEADLINE = 5.0


def relay_loop(
    broker_url: str,
    fence: Fence,
    worker: str,
    stop: threading.Event,
    *,
    changes: bool,
    keep: timedelta,
    more: Sequence[RelaySource] = (),
) -> Callable[[], None]:
    """Return the loop of a worker's relay for changes, outcomes and `more`.

    With `changes`, changes are recorded and kept for `keep`.
    """

    def run() -> None:
        feed = ChangeFeed(fence)
        try:
            if retry_until(stop, Unavailable)(feed.switch, on=changes):
                log.info("change feed on" if changes else "change feed off")
        except Unavailable:
            return
        publisher = Publisher(broker_url, name="notices", deadline=_DEADLINE)
        # The changes also when they are off: what was recorded before is still to be published and pruned.
        sources = (*more, ChangeSource(fence, worker, keep), OutcomeSource(fence, worker))
        Relay(sources, publisher, stop).run()

    return run
