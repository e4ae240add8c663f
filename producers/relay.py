"""Relay: publishes what was committed, at least once and in order within a routing key."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from broker.retry import retry_until
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from storage.errors import RowRefused, Unavailable
from storage.relay_sources import RelayedNotice

__all__ = ["Relay", "RelaySource"]

log = structlog.get_logger(__name__)

# What gathers meanwhile costs one transaction instead of many.
_POLL_SECONDS = 0.5
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
# The broker has it, or dropped it because no queue is bound: who wants to hear binds one.
_DONE = frozenset({Fate.CONFIRMED, Fate.RETURNED})


class RelaySource(Protocol):
    """Notices of one kind, of which one worker at a time gets any."""

    def exchange(self, confirmed: Collection[str]) -> Sequence[RelayedNotice]:
        """Note which of the last notices are published, by their tokens, and return the next ones."""

    def close(self, confirmed: Collection[str]) -> None:
        """Note which of the last notices are published, and let another worker go on."""


@dataclass
class _Progress:
    """How far one source is: what the broker has confirmed, and the wait after failures."""

    source: RelaySource
    confirmed: set[str] = field(default_factory=set)
    failures: int = 0
    until: float = 0.0


class Relay:
    """Loop that publishes the notices of its sources until `stop` is set."""

    def __init__(self, sources: Sequence[RelaySource], publisher: Publisher, stop: threading.Event) -> None:
        self._progress = [_Progress(source) for source in sources]
        self._publisher = publisher
        self._stop = stop

    def run(self) -> None:
        """Run until `stop` is set; what is not confirmed by then is published by another worker, or later."""
        while not self._stop.is_set():
            if not self.step():
                self._stop.wait(_POLL_SECONDS)
        self._publisher.close()
        for progress in self._progress:
            try:
                progress.source.close(progress.confirmed)
            except (Unavailable, RowRefused) as error:
                log.warning("notices may be published again", error=str(error))

    def step(self) -> int:
        """Publish the next notices of each source; return the number that the broker has taken."""
        return sum(map(self._advance, self._progress))

    def _advance(self, progress: _Progress) -> int:
        if progress.until > time.monotonic():
            return 0
        retrying = retry_until(self._stop, Unavailable, first=0.2, longest=5)
        try:
            notices: Sequence[RelayedNotice] = retrying(progress.source.exchange, progress.confirmed)
        except (Unavailable, RowRefused) as error:
            # Only when stopped meanwhile: what was published is published again, under the same ids.
            log.warning("notices stay unpublished", error=str(error))
            return 0
        progress.confirmed = set()
        for wave in _waves(notices):
            if not self._publish(wave, progress):
                self._back_off(progress)
                break
        else:
            progress.failures = 0
        return len(progress.confirmed)

    def _publish(self, wave: Sequence[RelayedNotice], progress: _Progress) -> bool:
        """Publish notices of different routing keys; return whether the broker has taken all of them."""
        messages = [OutgoingMessage(row.exchange, row.routing_key, row.body, row.token) for row in wave]
        failed = 0
        for row, result in zip(wave, self._publisher.publish_all(messages), strict=True):
            if result.fate in _DONE:
                progress.confirmed.add(row.token)
            elif not failed:
                failed += 1
                log.warning("notice not published", exchange=row.exchange, fate=result.fate, detail=result.detail)
        return not failed

    def _back_off(self, progress: _Progress) -> None:
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(progress.failures, 10))
        progress.failures += 1
        progress.until = time.monotonic() + wait


def _waves(notices: Sequence[RelayedNotice]) -> Iterator[list[RelayedNotice]]:
    """Split notices so that no two of one routing key are in flight: a broker may refuse one and take the next."""
    seen: Counter[str] = Counter()
    waves: defaultdict[int, list[RelayedNotice]] = defaultdict(list)
    for notice in notices:
        waves[seen[notice.routing_key]].append(notice)
        seen[notice.routing_key] += 1
    yield from waves.values()
