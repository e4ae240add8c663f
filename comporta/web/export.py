"""Export of all rows of a list as CSV (RFC 4180) or one JSON array, streamed in chunks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Literal

import orjson
from fastapi.responses import Response, StreamingResponse

__all__ = ["CSV", "Format", "cell", "dump", "export"]

Format = Literal["csv", "json"]
CSV = "text/csv"
_MEDIA: dict[Format, str] = {"csv": f"{CSV}; charset=utf-8; header=present", "json": "application/json"}
_CHUNK = 500
# A spreadsheet evaluates a cell that begins with one of these as a formula.
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)

Row = Mapping[str, Any]


def export(rows: Iterable[Row], columns: Sequence[str], format: Format, name: str) -> Response:
    """Return the rows as a download; a failure before the first chunk still becomes an error response."""
    chunks = _csv(rows, columns) if format == "csv" else _json(rows)
    first = next(chunks)
    headers = {"Content-Disposition": f'attachment; filename="comporta-{name}.{format}"'}
    return StreamingResponse(chain([first], chunks), media_type=_MEDIA[format], headers=headers)


def dump(value: object) -> bytes:
    """Return `value` as JSON, with times in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def cell(value: object) -> str:
    """Return `value` as a CSV cell: times in UTC, lists and maps as JSON, formulas disarmed by a leading quote."""
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_PREFIXES) and not _NUMBER.fullmatch(text) else text


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    lines: Iterator[Sequence[str]] = ([cell(row[name]) for name in columns] for row in rows)
    for batch in _chunks(chain([columns], lines)):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\r\n").writerows(batch)
        yield out.getvalue().encode(errors="replace")


def _json(rows: Iterable[Row]) -> Iterator[bytes]:
    separator = b"["
    for batch in _chunks(rows):
        yield separator + b",\n".join(map(dump, batch))
        separator = b",\n"
    yield b"[]\n" if separator == b"[" else b"]\n"


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, _CHUNK)):
        yield batch
