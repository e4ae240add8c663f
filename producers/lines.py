"""Reads a file of JSON lines, compressed or not, one numbered line at a time."""

from __future__ import annotations

import gzip
import lzma
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from schemas.events import MAX_BODY

__all__ = ["LinesUnreadable", "NumberedLine", "Source"]


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
