"""All rows of a list as a file: CSV (RFC 4180) or one JSON array, chunk by chunk, however many there are."""

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
# A spreadsheet takes a cell that begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)

Row = Mapping[str, Any]


def export(rows: Iterable[Row], columns: Sequence[str], format: Format, name: str) -> Response:
    """The rows as a download; whatever fails before the first of them is still an error of its own."""
    chunks = _csv(rows, columns) if format == "csv" else _json(rows)
    begun = next(chunks)
    headers = {"Content-Disposition": f'attachment; filename="comporta-{name}.{format}"'}
    return StreamingResponse(chain([begun], chunks), media_type=_MEDIA[format], headers=headers)


def dump(value: object) -> bytes:
    """JSON as the API writes it: times in UTC with a Z."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def cell(value: object) -> str:
    """A value as a cell: times in UTC, lists and maps as JSON, nothing that a spreadsheet would run."""
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[bytes]:
    lines: Iterator[Sequence[str]] = ([cell(row[name]) for name in columns] for row in rows)
    for some in _chunks(chain([columns], lines)):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\r\n").writerows(some)
        yield out.getvalue().encode(errors="replace")


def _json(rows: Iterable[Row]) -> Iterator[bytes]:
    before = b"["
    for some in _chunks(rows):
        yield before + b",\n".join(map(dump, some))
        before = b",\n"
    yield b"[]\n" if before == b"[" else b"]\n"


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, _CHUNK)):
        yield some
