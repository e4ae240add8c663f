"""Feeds a publisher from numbered lines, and accounts for every one of them."""

from __future__ import annotations

import gzip
import lzma
import sys
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self, cast

from producers.events import CheckedEvent
from producers.messages import Fate, OutgoingMessage, PublishResult
from schemas.events import MAX_BODY
from schemas.reasons import Reason, Refusal

__all__ = ["REFUSED", "Feed", "LinesUnreadable", "NumberedLine", "Publishes", "Source"]


REFUSED = "refused"


class _Interrupted(BaseException):
    """Raised into the reading of a line by whoever wants no more of them."""


class Publishes(Protocol):
    """What a feed needs of a publisher."""

    def publish_all(self, messages: Iterable[OutgoingMessage]) -> Iterator[PublishResult]:
        """Publishes messages as they come; gives their results in the same order."""


@dataclass
class Feed:
    """Judges each line, publishes it and counts what became of it; `reject` is told of every line that failed.

    It stops reading when it is interrupted, or when a message is not answered for: the broker is then away.
    """

    judge: Callable[[NumberedLine], CheckedEvent]
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

    def run(self, publisher: Publishes, lines: Iterator[NumberedLine]) -> Iterator[PublishResult]:
        """Feeds the publisher; gives each result once it is counted."""
        for result in publisher.publish_all(self._messages(lines)):
            self._count(self._sent.popleft(), result)
            yield result

    def _messages(self, lines: Iterator[NumberedLine]) -> Iterator[OutgoingMessage]:
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

    def _count(self, line: NumberedLine, result: PublishResult) -> None:
        self.counts[result.fate] += 1
        if result.fate is Fate.CONFIRMED:
            return
        reason = Reason.UNROUTABLE if result.fate is Fate.RETURNED else Reason.UNCONFIRMED
        self.reject(line, Refusal(reason, "", result.detail))
        if result.fate is Fate.UNKNOWN:
            self.stopped = True
            self.first_lost = self.first_lost or line.number


class LinesUnreadable(Exception):
    """The file can't be opened, or can't be read on from some line; the text says which."""


class NumberedLine(NamedTuple):
    """One line without its end, counted from 1; `size` is its whole length where the text was cut at the limit."""

    number: int
    text: bytes
    size: int


@dataclass
class Source:
    """A file, or standard input for `-`; what ends with .gz or .xz is decompressed on the way."""

    name: str
    _raw: BinaryIO | None = None
    _stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self._raw = _standard_input() if self.name == "-" else Path(self.name).open("rb")
        except OSError as error:
            raise LinesUnreadable(f"{self.name} can't be opened: {error.strerror}") from None
        self._stream = _inflated(self.name, self._raw)
        return self

    def __exit__(self, *_: object) -> None:
        if self._raw is not None and self.name != "-":
            self._raw.close()

    @property
    def size(self) -> int | None:
        """How many bytes the file has, as it lies there; None where nobody knows."""
        return Path(self.name).stat().st_size if Path(self.name).is_file() else None

    @property
    def position(self) -> int:
        """How many of these bytes are read."""
        return self._raw.tell() if self._raw is not None and self.size is not None else 0

    def lines(self, skip: int = 0) -> Iterator[NumberedLine]:
        """Every line that is not blank, after the first `skip`; no line takes more memory than an event may."""
        assert self._stream is not None
        number = 0
        try:
            while text := self._stream.readline(MAX_BODY + 2):
                size = len(text)
                number += 1
                rest = text
                while not rest.endswith(b"\n") and (rest := self._stream.readline(MAX_BODY)):
                    size += len(rest)
                if number > skip and (text := text.strip(b" \t\r\n")):
                    yield NumberedLine(number, text, size)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise LinesUnreadable(
                f"{self.name} can't be read after line {number}: {error or 'it is cut off'}"
            ) from None


def _standard_input() -> BinaryIO:
    # Python has no `stdin` where the process was started without one.
    if sys.stdin is None:
        raise LinesUnreadable("standard input is closed: give a file, or pipe events in")
    return sys.stdin.buffer


def _inflated(name: str, raw: BinaryIO) -> BinaryIO:
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if name.endswith(".xz"):
        return cast(BinaryIO, lzma.LZMAFile(raw))
    return raw
