"""Bulk publishing of a file's lines, with a count and an error for each line."""

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
    """Signal to stop, raised by `Feed.interrupt` into a blocking read."""


class Publishes(Protocol):
    """Publisher as a feed uses it."""

    def publish_all(self, messages: Iterable[OutgoingMessage]) -> Iterator[PublishResult]:
        """Publish messages as they come; yield their results in the same order."""


@dataclass
class Feed:
    """Run of a file through a publisher: each line is checked, published and counted.

    Calls `reject` for every line that failed. Stops reading on an interrupt, or when the fate of a message is unknown:
    the broker is then away.
    """

    check: Callable[[NumberedLine], CheckedEvent]
    reject: Callable[[NumberedLine, Refusal], None]
    counts: Counter[str] = field(default_factory=Counter)
    last_line: int = 0
    first_lost: int | None = None
    stopped: bool = False
    _reading: bool = False
    _pending: deque[NumberedLine] = field(default_factory=deque)

    @property
    def read(self) -> int:
        """Number of lines read, without blank ones."""
        return self.counts.total()

    @property
    def complete(self) -> bool:
        """Every line was read and confirmed."""
        return not self.stopped and self.counts[Fate.CONFIRMED] == self.read

    @property
    def skip_next_time(self) -> int | None:
        """Number of lines that the next run may skip; None if this run read them all."""
        if not self.stopped:
            return None
        return self.last_line if self.first_lost is None else self.first_lost - 1

    def interrupt(self) -> None:
        """Stop reading; for a signal handler in the thread that runs the feed."""
        self.stopped = True
        if self._reading:
            raise _Interrupted

    def run(self, publisher: Publishes, lines: Iterator[NumberedLine]) -> Iterator[PublishResult]:
        """Publish the lines; yield each result after it is counted."""
        for result in publisher.publish_all(self._messages(lines)):
            self._count(self._pending.popleft(), result)
            yield result

    def _messages(self, lines: Iterator[NumberedLine]) -> Iterator[OutgoingMessage]:
        while not self.stopped and (line := self._next(lines)) is not None:
            self.last_line = line.number
            checked = self.check(line)
            if checked.outgoing is not None:
                self._pending.append(line)
                yield checked.outgoing
            elif checked.refusal is not None:
                self.counts[REFUSED] += 1
                self.reject(line, checked.refusal)

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


_ONE_A_LINE = "it must have one event a line; rewrite it"
_NOT_UTF8 = "is UTF-16; save it as UTF-8"
_OTHER_FORMS = {
    b"\xef\xbb\xbf": "begins with a byte order mark; save it as UTF-8 without one",
    b"\xff\xfe": _NOT_UTF8,
    b"\xfe\xff": _NOT_UTF8,
    b"\x1f\x8b": "is compressed with gzip; name it *.gz, or unpack it",
    b"\xfd7zXZ": "is compressed with xz; name it *.xz, or unpack it",
}


class LinesUnreadable(Exception):
    """Error: the file can't be opened, or can't be read after some line; the text names which."""


class NumberedLine(NamedTuple):
    """Line without its end, numbered from 1; `size` is its whole length in bytes, even if the text was cut."""

    number: int
    text: bytes
    size: int


@dataclass
class Source:
    """File, or standard input for `-`; names that end with .gz or .xz are decompressed while reading."""

    name: str
    _raw: BinaryIO | None = None
    _stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self._raw = _standard_input() if self.name == "-" else Path(self.name).open("rb")
        except OSError as error:
            raise LinesUnreadable(f"{self.name} can't be opened: {error.strerror}") from None
        self._stream = _decompressed(self.name, self._raw)
        return self

    def __exit__(self, *_: object) -> None:
        if self._raw is not None and self.name != "-":
            self._raw.close()

    @property
    def size(self) -> int | None:
        """Size of the file in bytes, compressed if it is; None if it is not a regular file."""
        return Path(self.name).stat().st_size if Path(self.name).is_file() else None

    @property
    def position(self) -> int:
        """Number of these bytes read so far."""
        return self._raw.tell() if self._raw is not None and self.size is not None else 0

    def lines(self, skip: int = 0) -> Iterator[NumberedLine]:
        """Yield every line that is not blank, after the first `skip`; no line takes more memory than an event may.

        Raises `LinesUnreadable` if the file is cut off or damaged, or if its first line shows another form.
        """
        assert self._stream is not None
        number = 0
        begun = False
        try:
            while text := self._stream.readline(MAX_BODY + 2):
                size = len(text)
                number += 1
                rest = text
                while not rest.endswith(b"\n") and (rest := self._stream.readline(MAX_BODY)):
                    size += len(rest)
                text = text.strip(b" \t\r\n")
                if text and not begun:
                    begun = True
                    self._check_form(text)
                if number > skip and text:
                    yield NumberedLine(number, text, size)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise LinesUnreadable(
                f"{self.name} can't be read after line {number}: {error or 'it is cut off'}"
            ) from None

    def _check_form(self, first_line: bytes) -> None:
        """Raise `LinesUnreadable` if the first line is not a JSON text of its own, with the form that the file has."""
        for start, name in _OTHER_FORMS.items():
            if first_line.startswith(start):
                raise LinesUnreadable(f"{self.name} {name}")
        if first_line.startswith(b"[") and (first_line[1:].lstrip().startswith(b"{") or first_line == b"["):
            raise LinesUnreadable(f"{self.name} is a JSON array; {_ONE_A_LINE}: jq -c '.[]' {self.name}")
        if first_line == b"{" or (first_line.startswith(b"{") and first_line.endswith((b",", b"{", b"["))):
            raise LinesUnreadable(f"{self.name} is JSON over several lines; {_ONE_A_LINE}: jq -c . {self.name}")


def _standard_input() -> BinaryIO:
    # Python has no `stdin` where the process was started without one.
    if sys.stdin is None:
        raise LinesUnreadable("standard input is closed: give a file, or pipe events in")
    return sys.stdin.buffer


def _decompressed(name: str, raw: BinaryIO) -> BinaryIO:
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if name.endswith(".xz"):
        return cast(BinaryIO, lzma.LZMAFile(raw))
    return raw
