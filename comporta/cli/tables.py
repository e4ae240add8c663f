"""Tables on a terminal: one line a row where it fits; else a few lines a row, in which ids and times stay whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["field_path", "fitting"]

_GAP = 2
_INDENT = "    "
# The last column may be a sentence: with so much room it is folded beside the others.
_FOLDED = 24


def fitting(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Table | Text:
    """Return rows as a table if it fits the width; columns without any value are left out where they are in the way.

    Otherwise the first values of a row stand on one line, as many as fit, and each other one on a line with its name.
    """
    from rich.text import Text

    if (whole := _table(columns, cells, width)) is not None:
        return whole
    filled = [index for index in range(len(columns)) if any(row[index] for row in cells)]
    columns, cells = [columns[index] for index in filled], [[row[index] for index in filled] for row in cells]
    return _table(columns, cells, width) or Text("\n").join(_records(columns, cells, width))


def field_path(pointer: str) -> str:
    """Return a JSON pointer as people read it: below the data, with the number of an item from 1."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return " ".join(str(int(part) + 1) if part.isdecimal() else part for part in parts if part != "data")


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Table | None:
    widths = [max(len(name), *(len(row[index]) for row in cells)) for index, name in enumerate(columns)]
    others = sum(widths[:-1]) + _GAP * (len(columns) - 1)
    if others + min(widths[-1], _FOLDED) > width:
        return None
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, no_wrap=index < len(columns) - 1, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _records(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Iterator[Text]:
    from rich.text import Text

    heads = _heads(columns, cells, width)
    yield Text("  ".join(columns[:heads]), style="bold")
    for row in cells:
        yield Text("  ".join(cell or "–" for cell in row[:heads]))
        for name, cell in zip(columns[heads:], row[heads:], strict=True):
            if cell:
                yield Text(f"{_INDENT}{name}: {cell}")


def _heads(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    """Return how many of the first columns fit on one line in every row; one at least."""
    widths = [max(len(name), *(len(row[index]) for row in cells)) for index, name in enumerate(columns)]
    number = 1
    while number < len(columns) and sum(widths[: number + 1]) + _GAP * number <= width:
        number += 1
    return number
