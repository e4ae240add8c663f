"""Warnings about the lines of a file: the first ones on standard error, all of them counted by code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from comporta.cli.output import warn
from producers.bulk import NumberedLine
from producers.events import CheckedEvent
from schemas.warnings import EventWarning

__all__ = ["LineWarnings", "with_warnings"]

_MAX_PRINTED = 10
_MAX_LISTED = 1_000


class LineWarnings:
    """The warnings of a run; they change neither its outcomes nor its exit code."""

    def __init__(self) -> None:
        self.by_code: Counter[str] = Counter()
        self._listed: list[dict[str, Any]] = []

    def add(self, line: NumberedLine, warnings: Sequence[EventWarning]) -> None:
        """Count the warnings of a line; print the first 10 of the run on standard error."""
        for warning in warnings:
            if self.by_code.total() < _MAX_PRINTED:
                warn(f"line {line.number}: warning: {warning}")
            self.by_code[warning.code.value] += 1
            if len(self._listed) < _MAX_LISTED:
                self._listed.append({"line": line.number, **warning.as_json()})

    def summary(self) -> None:
        """Print the number of all warnings by code on standard error, if not each was printed."""
        if self.by_code.total() > _MAX_PRINTED:
            parts = ", ".join(f"{count:,} {code}" for code, count in self.by_code.most_common())
            warn(f"{self.by_code.total():,} warnings in all: {parts}; --json lists the first {_MAX_LISTED:,}")

    def as_json(self) -> dict[str, Any]:
        """Return the members of the summary: the first 1,000 warnings and the number by code; none without any."""
        if not self.by_code:
            return {}
        return {"warnings": self._listed, "warnings_by_code": dict(self.by_code.most_common())}


def with_warnings(
    check: Callable[[NumberedLine], CheckedEvent], warnings: LineWarnings
) -> Callable[[NumberedLine], CheckedEvent]:
    """Return a check of lines that also adds up their warnings."""

    def checked(line: NumberedLine) -> CheckedEvent:
        result = check(line)
        warnings.add(line, result.warnings)
        return result

    return checked
