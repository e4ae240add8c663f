"""Feeds a publisher from numbered lines, and accounts for every one of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from producers.events import Judged
from producers.lines import NumberedLine
from producers.messages import Fate, Outgoing, Result
from schemas.reasons import Reason, Refusal

__all__ = ["REFUSED", "Feed", "Publishes"]

REFUSED = "refused"


class _Interrupted(BaseException):
    """Raised into the reading of a line by whoever wants no more of them."""


class Publishes(Protocol):
    """What a feed needs of a publisher."""

    def publish_all(self, messages: Iterable[Outgoing]) -> Iterator[Result]:
        """Publishes messages as they come; gives their results in the same order."""


@dataclass
class Feed:
    """Judges each line, publishes it and counts what became of it; `reject` is told of every line that failed.

    It stops reading when it is interrupted, or when a message is not answered for: the broker is then away.
    """

    judge: Callable[[NumberedLine], Judged]
    reject: Callable[[NumberedLine, Refusal], None]
    counts: Counter[str] = field(default_factory=Counter)
    last_line: int = 0
    first_lost: int | None = None
    stopped: bool = False
    _reading: bool = False
    _sent: deque[NumberedLine] = field(default_factory=deque)

    @property
    def read(self) -> int:
        """How many lines were read, blank ones left out."""
        return self.counts.total()

    @property
    def complete(self) -> bool:
        """Whether every line was read and confirmed."""
        return not self.stopped and self.counts[Fate.CONFIRMED] == self.read

    @property
    def skip_next_time(self) -> int | None:
        """How many lines another run may leave out; None if this one read them all."""
        if not self.stopped:
            return None
        return self.last_line if self.first_lost is None else self.first_lost - 1

    def interrupt(self) -> None:
        """Ends the reading; for a signal handler of the thread that runs the feed."""
        self.stopped = True
        if self._reading:
            raise _Interrupted

    def run(self, publisher: Publishes, lines: Iterator[NumberedLine]) -> Iterator[Result]:
        """Feeds the publisher; gives each result once it is counted."""
        for result in publisher.publish_all(self._messages(lines)):
            self._count(self._sent.popleft(), result)
            yield result

    def _messages(self, lines: Iterator[NumberedLine]) -> Iterator[Outgoing]:
        while not self.stopped and (line := self._next(lines)) is not None:
            self.last_line = line.number
            judged = self.judge(line)
            if judged.outgoing is not None:
                self._sent.append(line)
                yield judged.outgoing
            elif judged.refusal is not None:
                self.counts[REFUSED] += 1
                self.reject(line, judged.refusal)

    def _next(self, lines: Iterator[NumberedLine]) -> NumberedLine | None:
        try:
            self._reading = True
            return next(lines, None)
        except _Interrupted:
            return None
        finally:
            self._reading = False

    def _count(self, line: NumberedLine, result: Result) -> None:
        self.counts[result.fate] += 1
        if result.fate is Fate.CONFIRMED:
            return
        reason = Reason.UNROUTABLE if result.fate is Fate.RETURNED else Reason.UNCONFIRMED
        self.reject(line, Refusal(reason, "", result.detail))
        if result.fate is Fate.UNKNOWN:
            self.stopped = True
            self.first_lost = self.first_lost or line.number
