"""The lines that were not taken: all of them in a file, the first few on the terminal."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Self, TextIO

import typer

from comporta.cli.output import warn
from producers.lines import NumberedLine
from schemas.reasons import Refusal

__all__ = ["Rejects"]

_SHOWN = 10


class Rejects:
    """Writes one JSON object a line: `line`, `reason`, `pointer`, `sentence`, `doc` and the `text` itself.

    `append` keeps what an earlier run wrote, for one that goes on where that one stopped.
    """

    def __init__(self, path: Path | None, *, source: str, append: bool = False) -> None:
        self._path = path
        self._source = source
        self._append = append
        self._file: TextIO | None = None
        self._number = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            self._spare_the_source(self._path)
            try:
                # A line at a time: what could not be kept is then known while it can still be said.
                self._file = self._path.open("a" if self._append else "w", encoding="utf-8", buffering=1)
            except OSError as error:
                raise typer.BadParameter(f"--rejects: {self._path} can't be written: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if self._number > _SHOWN:
            where = f"all are in {self._path}" if self._file is not None else "--rejects FILE keeps them all"
            warn(f"and {self._number - _SHOWN} more; {where}")

    def add(self, line: NumberedLine, refusal: Refusal) -> None:
        """One line, and why."""
        self._number += 1
        if self._number <= _SHOWN:
            warn(f"line {line.number}: {refusal}")
        if self._file is not None:
            text = line.text.decode(errors="backslashreplace")
            self._write(self._file, json.dumps({"line": line.number, **refusal.as_json(), "text": text}) + "\n")

    def _write(self, file: TextIO, line: str) -> None:
        try:
            file.write(line)
        except OSError as error:
            # The lines before and after are as sure without it, and the summary still adds up.
            warn(f"--rejects: {self._path} can't be written ({error.strerror}): not all refused lines are in it")
            self._file = None

    def _spare_the_source(self, path: Path) -> None:
        if path.exists() and Path(self._source).exists() and path.samefile(self._source):
            raise typer.BadParameter(f"--rejects: {path} is the file that is read; writing would empty it")
