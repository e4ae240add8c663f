"""The lines that were not taken: all of them in a file, the first few on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self, TextIO

import typer

from control.cli.output import warn
from producers.lines import NumberedLine
from schemas.reasons import Refusal

__all__ = ["Rejects"]

_SHOWN = 10


class Rejects:
    """Writes one JSON object a line: `line`, `reason`, `pointer`, `sentence`, `doc` and the `text` itself."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._number = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._path.open("w", encoding="utf-8")
            except OSError as error:
                raise typer.BadParameter(f"--rejects: {self._path} can't be written: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        if self._number > _SHOWN:
            where = f"all are in {self._path}" if self._path else "--rejects FILE keeps them all"
            warn(f"and {self._number - _SHOWN} more; {where}")

    def add(self, line: NumberedLine, refusal: Refusal) -> None:
        """One line, and why."""
        self._number += 1
        if self._number <= _SHOWN:
            warn(f"line {line.number}: {refusal}")
        if self._file is not None:
            text = line.text.decode(errors="backslashreplace")
            self._file.write(json.dumps({"line": line.number, **refusal.as_json(), "text": text}) + "\n")
