"""Relay: publishes what was committed, at least once and in order within each thing that is told of."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from broker.retry import retry_until
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from storage.errors import RowRefused, Unavailable
from storage.relay_notice import RelayedNotice

__all__ = ["Relay", "RelaySource"]

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.1
# A loop that is not heard of for a while counts as one that hangs.
_LONGEST_REST = 1.0
# What gathers meanwhile costs one transaction instead of many.
_MANY = 500
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0
# The broker has it, or dropped it because no queue is bound: who wants to hear binds one.
_DONE = frozenset({Fate.CONFIRMED, Fate.RETURNED})


class RelaySource(Protocol):
    """Notices of one kind; of each lane one worker at a time gets any.

    `poll_seconds` is the pause before it is asked again when it had none.
    """

    poll_seconds: float

    def exchange(self, confirmed: Collection[Hashable], skip: frozenset[str]) -> Sequence[RelayedNotice]:
        """Note which of the last notices are published, by their tokens; return the next ones of the other lanes."""

    def close(self, confirmed: Collection[Hashable]) -> None:
        """Note which of the last notices are published, and let another worker go on."""


@dataclass
class _Progress:
    """Progress of one source: what the broker has confirmed, and the waits of its lanes after failures."""

    source: RelaySource
    confirmed: set[Hashable] = field(default_factory=set)
    failures: Counter[str] = field(default_factory=Counter)
    waits: dict[str, float] = field(default_factory=dict)
    next_poll: float = 0.0


class Relay:
    """Loop that publishes the notices of its sources until `stop` is set."""

    def __init__(self, sources: Sequence[RelaySource], publisher: Publisher, stop: threading.Event) -> None:
        self._progress = [_Progress(source) for source in sources]
        self._publisher = publisher
        self._stop = stop

    def run(self) -> None:
        """Run until `stop` is set; what is not confirmed by then is published by another worker, or later."""
        while not self._stop.is_set():
            now = time.monotonic()
            taken = sum(self._advance(progress) for progress in self._progress if progress.next_poll <= now)
            if taken < _MANY:
                self._stop.wait(self._rest())
        self._publisher.close()
        for progress in self._progress:
            try:
                progress.source.close(progress.confirmed)
            except (Unavailable, RowRefused) as error:
                log.warning("notices may be published again", error=str(error))

    def _rest(self) -> float:
        """Return the seconds until the next source is to be asked."""
        left = min(progress.next_poll for progress in self._progress) - time.monotonic()
        return min(max(left, _TICK_SECONDS), _LONGEST_REST)

    def step(self) -> int:
        """Publish the next notices of each source; return the number that the broker has taken."""
        return sum(map(self._advance, self._progress))

    def _advance(self, progress: _Progress) -> int:
        now = time.monotonic()
        skip = frozenset(lane for lane, until in progress.waits.items() if until > now)
        retrying = retry_until(self._stop, Unavailable, first=0.2, longest=5)
        try:
            notices: Sequence[RelayedNotice] = retrying(progress.source.exchange, progress.confirmed, skip)
        except (Unavailable, RowRefused) as error:
            # Only when stopped meanwhile: what was published is published again, under the same ids.
            log.warning("notices stay unpublished", error=str(error))
            return 0
        progress.confirmed = set()
        failed: set[str] = set()
        for wave in _waves(notices):
            self._publish([notice for notice in wave if notice.lane not in failed], progress, failed)
        _note_failures(progress, {notice.lane for notice in notices}, failed)
        if not notices:
            progress.next_poll = now + progress.source.poll_seconds
        return len(progress.confirmed)

    def _publish(self, wave: Sequence[RelayedNotice], progress: _Progress, failed: set[str]) -> None:
        """Publish notices of different things; note the tokens of the confirmed ones, and the lanes of the others.

        After a failure the lane's later notices wait for another step, so that none overtakes an earlier one.
        """
        for notice, result in zip(wave, self._publisher.publish_all(map(_message, wave)), strict=True):
            if result.fate in _DONE:
                progress.confirmed.add(notice.token)
            else:
                if notice.lane not in failed:
                    problem = {"fate": result.fate, "detail": result.detail}
                    log.warning("notice not published", exchange=notice.exchange, lane=notice.lane, **problem)
                failed.add(notice.lane)


def _note_failures(progress: _Progress, lanes: set[str], failed: set[str]) -> None:
    for lane in lanes - failed:
        progress.failures.pop(lane, None)
        progress.waits.pop(lane, None)
    for lane in failed:
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(progress.failures[lane], 10))
        progress.failures[lane] += 1
        progress.waits[lane] = time.monotonic() + wait


def _waves(notices: Sequence[RelayedNotice]) -> Iterator[list[RelayedNotice]]:
    """Split notices so that no two of one thing are in flight together: a broker may refuse one and take the next."""
    seen: Counter[Hashable] = Counter()
    waves: defaultdict[int, list[RelayedNotice]] = defaultdict(list)
    for notice in notices:
        number = 0
        if notice.about is not None:
            number = seen[notice.about]
            seen[notice.about] += 1
        waves[number].append(notice)
    yield from waves.values()


def _message(notice: RelayedNotice) -> OutgoingMessage:
    return OutgoingMessage(notice.exchange, notice.routing_key, notice.body, notice.message_id, mandatory=False)
