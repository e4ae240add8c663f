"""Simulated ERP: its initial load, then endless changes, with the faults of real ERPs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate, count
from random import Random

import orjson

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.invalid import INVALID_EVENTS
from comporta.simulator.messages import Data, ErpMessage, EventWriter
from comporta.simulator.state import CHANGES, SHARES, ErpState, Key

__all__ = ["Clock", "Faults", "SimulatedErp", "ticking"]

Clock = Callable[[], datetime]
_REPEATABLE = 256
_LATE_BY = 1_000


@dataclass(frozen=True)
class Faults:
    """Shares of steps that repeat a message, swap two changes, send an invalid event, delete, or delay a change.

    `retold` is the share that tells an earlier change once more in its version and under a new id, as an ERP answers a
    resync.
    """

    duplicates: float = 0.01
    reordered: float = 0.01
    bad: float = 0.002
    deletes: float = 0.005
    late: float = 0.0
    retold: float = 0.0

    def __post_init__(self) -> None:
        if min(self.shares) < 0:
            raise ValueError("faults are probabilities: none below 0, and no more than 1 together")

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the probability of a plain change, then of each fault in the order of `SimulatedErp._steps`."""
        faults = (self.duplicates, self.reordered, self.bad, self.deletes, self.late, self.retold)
        return (round(1 - sum(faults), 9), *faults)


def ticking(start: datetime = datetime(2026, 1, 1, tzinfo=UTC), step: timedelta = timedelta(milliseconds=1)) -> Clock:
    """Return a clock that advances by one step per reading, so that a seed always gives the same bytes."""
    ticks = count()
    return lambda: start + next(ticks) * step


class SimulatedErp:
    """ERP of one shop; the same seed, catalogue and clock give the same messages.

    An ERP that is started again for a shop with its earlier events needs a `first_sequence` above all that it has
    used; otherwise its events are superseded. A late change comes at most `late_by` steps after a newer one of its
    entity.
    """

    def __init__(
        self,
        seed: int,
        shop: str,
        catalogue: Catalogue,
        *,
        faults: Faults = Faults(),
        clock: Clock | None = None,
        first_sequence: int = 1,
        late_by: int = _LATE_BY,
    ) -> None:
        self._random = Random(seed)
        self._writer = EventWriter(shop, f"/erp/simulator/{seed}", first_sequence)
        self._book = ErpState(catalogue.entities())
        self._clock = clock or ticking()
        self._sent: deque[ErpMessage] = deque(maxlen=_REPEATABLE)
        self._late_by = late_by
        self._held_back: list[tuple[int, ErpMessage]] = []
        self._number = 0
        self._domains = [domain for domain in SHARES if domain in self._book.domains]
        if not self._domains:
            raise ValueError("the catalogue holds nothing that could change")
        self._shares = list(accumulate(SHARES[domain] for domain in self._domains))
        self._invalid_cases = [case for case in INVALID_EVENTS if case.domain in self._book.domains]
        self._steps = (
            self._change,
            self._repeat,
            self._swap,
            self._send_invalid,
            self._delete,
            self._hold_back,
            self._retell,
        )
        self._step_shares = list(accumulate(faults.shares))

    def initial_load(self) -> Iterator[ErpMessage]:
        """Yield every entity once, as an event."""
        for domain, key, _ in self._book.state():
            yield self._tell(domain, key)

    def changes(self) -> Iterator[ErpMessage]:
        """Yield changes without end; one step may give two messages."""
        for number in count():
            while self._held_back and self._held_back[0][0] <= number:
                yield heappop(self._held_back)[1]
            self._number = number
            [step] = self._random.choices(self._steps, cum_weights=self._step_shares)
            yield from step()

    def state(self) -> Iterator[tuple[str, Key, Data | None]]:
        """Yield domain, key and data (None if deleted) of every entity: the shop's data once all events are applied."""
        return self._book.state()

    def _tell(self, domain: str, key: Key) -> ErpMessage:
        if self._book.is_deleted(domain, key):
            return self._writer.write(domain, self._book.key_data(domain, key), self._now(), "deleted")
        return self._writer.write(domain, self._book.data(domain, key), self._now())

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _pick(self) -> tuple[str, Key]:
        [domain] = self._random.choices(self._domains, cum_weights=self._shares)
        return domain, self._book.pick(domain, self._random)

    def _sent_change(self, domain: str, key: Key) -> ErpMessage:
        message = self._new_change(domain, key)
        self._sent.append(message)
        return message

    def _new_change(self, domain: str, key: Key) -> ErpMessage:
        self._book.put(domain, key, CHANGES[domain](self._random, self._book.data(domain, key), self._now()))
        return self._tell(domain, key)

    def _change(self) -> tuple[ErpMessage, ...]:
        return (self._sent_change(*self._pick()),)

    def _repeat(self) -> tuple[ErpMessage, ...]:
        return (self._random.choice(self._sent),) if self._sent else self._change()

    def _retell(self) -> tuple[ErpMessage, ...]:
        if not self._sent:
            return self._change()
        message = self._random.choice(self._sent)
        # Lower or higher than the first id: the version alone says that the change has arrived.
        identity = f"{self._random.choice('0z')}-{message.event_id}"
        body = orjson.dumps({**orjson.loads(message.body), "id": identity})
        return (message._replace(body=body, event_id=identity),)

    def _swap(self) -> tuple[ErpMessage, ...]:
        domain, key = self._pick()
        older, newer = self._sent_change(domain, key), self._sent_change(domain, key)
        return newer, older

    def _send_invalid(self) -> tuple[ErpMessage, ...]:
        domain, _, corrupt = self._random.choice(self._invalid_cases)
        data = self._book.data(domain, self._book.pick(domain, self._random))
        document = self._writer.document(domain, data, self._now())
        return (self._writer.message(domain, document)._replace(body=corrupt(document)),)

    def _hold_back(self) -> tuple[ErpMessage, ...]:
        domain, key = self._pick()
        older, newer = self._new_change(domain, key), self._sent_change(domain, key)
        heappush(self._held_back, (self._number + self._random.randint(1, self._late_by), older))
        return (newer,)

    def _delete(self) -> tuple[ErpMessage, ...]:
        domain, key = self._pick()
        self._book.remove(domain, key)
        message = self._tell(domain, key)
        self._sent.append(message)
        return (message,)
