"""Order relay: publishes the outbox of order notices to `comporta.orders`, at least once and in order per order."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from broker.retry import retry_until
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.order_notices import notice_event, notice_id
from schemas.topology import ORDER_NOTICES
from storage.errors import RowRefused, Unavailable
from storage.outbox import Outbox, OutboxRow

__all__ = ["OrderRelay"]

log = structlog.get_logger(__name__)

# Notices have time: what gathers meanwhile costs one transaction instead of many.
_POLL_SECONDS = 0.1
_MANY = 500
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0


@dataclass
class OrderRelay:
    """Loop that publishes notices until `stop` is set; a notice is removed once the broker has confirmed it.

    A notice without a queue is confirmed too: a shop binds a queue if it listens.
    """

    outbox: Outbox
    publisher: Publisher
    stop: threading.Event
    _published: list[int] = field(default_factory=list)
    _failures: Counter[str] = field(default_factory=Counter)
    _waits: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """Run until `stop` is set; what is not confirmed by then stays in the outbox."""
        while not self.stop.is_set():
            if self.step() < _MANY:
                self.stop.wait(_POLL_SECONDS)
        self.publisher.close()
        try:
            self.outbox.close(self._published)
        except Unavailable as error:
            log.warning("notices may be published again", error=str(error))

    def step(self) -> int:
        """Publish the next notices; return the number of those that the broker has confirmed."""
        try:
            rows = self._next_rows()
        except (Unavailable, RowRefused) as error:
            # Only when stopped meanwhile: what was published is published again, under the same ids.
            log.warning("notices stay in the outbox", error=str(error))
            return 0
        before = len(self._published)
        failed: set[str] = set()
        for wave in _waves(rows):
            self._publish([row for row in wave if row.shop not in failed], failed)
        self._note_failures({row.shop for row in rows}, failed)
        return len(self._published) - before

    def _next_rows(self) -> list[OutboxRow]:
        now = time.monotonic()
        skip = frozenset(shop for shop, until in self._waits.items() if until > now)
        retrying = retry_until(self.stop, Unavailable, first=0.2, longest=5)
        if not self._published and retrying(self.outbox.is_empty):
            return []
        rows: list[OutboxRow] = retrying(self.outbox.exchange, self._published, skip)
        self._published.clear()
        return rows

    def _publish(self, rows: Sequence[OutboxRow], failed: set[str]) -> None:
        """Publish notices of different orders; note the positions of the confirmed ones, and the shops of the others.

        After a failure the shop's later notices wait for the next step, so that none overtakes an earlier one.
        """
        for row, result in zip(rows, self.publisher.publish_all(map(_message, rows)), strict=True):
            if result.fate in (Fate.CONFIRMED, Fate.RETURNED):
                self._published.append(row.position)
            else:
                if row.shop not in failed:
                    log.warning("order notice not published", shop=row.shop, fate=result.fate, detail=result.detail)
                failed.add(row.shop)

    def _note_failures(self, shops: set[str], failed: set[str]) -> None:
        for shop in shops - failed:
            self._failures.pop(shop, None)
            self._waits.pop(shop, None)
        for shop in failed:
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures[shop], 10))
            self._failures[shop] += 1
            self._waits[shop] = time.monotonic() + wait


def _waves(rows: Sequence[OutboxRow]) -> Iterator[list[OutboxRow]]:
    """Split notices so that no two of one order are in flight together: a broker may refuse one and take the next."""
    seen: Counter[tuple[str, str]] = Counter()
    waves: defaultdict[int, list[OutboxRow]] = defaultdict(list)
    for row in rows:
        number = 0
        if row.order_id is not None:
            number = seen[row.shop, row.order_id]
            seen[row.shop, row.order_id] += 1
        waves[number].append(row)
    yield from waves.values()


def _message(row: OutboxRow) -> OutgoingMessage:
    identity = notice_id(row.position, row.at)
    event = notice_event(identity, row.position, row.order_id, row.kind, row.data, row.at)
    return OutgoingMessage(ORDER_NOTICES, row.shop, event, identity, mandatory=False)
