"""Full load from a file: the messages of a load around its events, in chunks where the file is sorted by key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from producers.bulk import NumberedLine
from producers.events import CheckedEvent, outgoing_text
from schemas.events import ChangeEvent, load_json, read_event
from schemas.full_load import BEGUN, CHUNK, COMPLETED
from schemas.key_ranges import Bound, bound_texts, comparable
from schemas.reasons import Refused
from schemas.topology import BULK

__all__ = ["ChunkPlan", "LoadPlan", "check_load", "load_lines", "plan_load"]


@dataclass(slots=True)
class ChunkPlan:
    """A chunk: its first key (None: from the beginning), its number of lines, and of distinct keys.

    A line that is refused counts as a key, so that its chunk stays incomplete and deletes nothing.
    """

    start: Bound | None
    lines: int = 0
    count: int = 0


@dataclass(slots=True)
class LoadPlan:
    """A load of a file: its chunks, None if the file is not sorted by key; and the highest version of its events."""

    chunks: list[ChunkPlan] | None
    count: int = 0
    version: int = 0
    refused: int = 0


def plan_load(shop: str, domain: str, lines: Iterable[NumberedLine], chunk_rows: int) -> LoadPlan:
    """Read a whole file, and plan its chunks of about so many lines; 0: no chunks."""
    plan = LoadPlan([ChunkPlan(None)] if chunk_rows else None)
    last: tuple[Any, ...] | None = None
    # Hashes, since a file may have millions of keys.
    keys: set[int] = set()
    for line in lines:
        event = _event(shop, domain, line)
        if event is None:
            plan.refused += 1
            plan.count += 1
            if plan.chunks:
                plan.chunks[-1].lines += 1
                plan.chunks[-1].count += 1
            continue
        plan.version = max(plan.version, event.version)
        place = comparable(domain, event.key)
        if plan.chunks is not None:
            if last is not None and place < last:
                # Not sorted: the whole file is one.
                plan.chunks = None
            else:
                chunk = plan.chunks[-1]
                if chunk.lines >= chunk_rows and place != last:
                    chunk = ChunkPlan(event.key)
                    plan.chunks.append(chunk)
                chunk.lines += 1
                chunk.count += place != last
        last = place
        keys.add(hash(event.key))
    plan.count += len(keys)
    return plan


def load_lines(
    plan: LoadPlan, lines: Iterator[NumberedLine], domain: str, load_id: str, version: int
) -> Iterator[NumberedLine]:
    """Yield the messages of a load, and the file's lines with the load in them, in their order."""

    def message(kind: str, **data: Any) -> NumberedLine:
        said = {"load_id": load_id, "domain": domain, **data}
        identity = f"{load_id}/{kind.split('.')[2]}" + (f"/{data['chunk']}" if "chunk" in data else "")
        event = {"specversion": "1.0", "id": identity, "source": "/comporta/publish", "type": kind, "data": said}
        return _line(0, event)

    yield message(BEGUN, version=str(version))
    if plan.chunks is None:
        yield from (_with_load(line, {"loadid": load_id}) for line in lines)
    else:
        ends = [chunk.start for chunk in plan.chunks[1:]] + [None]
        for number, (chunk, end) in enumerate(zip(plan.chunks, ends, strict=True), start=1):
            bounds = {"from": bound_texts(chunk.start), "to": bound_texts(end)}
            yield message(CHUNK, chunk=number, version=str(version), count=chunk.count, **bounds)
            part = {"loadid": load_id, "loadchunk": str(number)}
            for _ in range(chunk.lines):
                line = next(lines, None)
                if line is not None:
                    yield _with_load(line, part)
    chunks = None if plan.chunks is None else len(plan.chunks)
    yield message(COMPLETED, chunks=chunks, count=plan.count)


def check_load(shop: str, domain: str) -> Callable[[NumberedLine], CheckedEvent]:
    """Return the check of a load's lines, which take the routing key for bulk."""

    def check(line: NumberedLine) -> CheckedEvent:
        checked = outgoing_text(shop, line.text, domain)
        if checked.outgoing is None:
            return checked
        return checked._replace(outgoing=checked.outgoing._replace(routing_key=f"{shop}.{domain}.{BULK}"))

    return check


def _event(shop: str, domain: str, line: NumberedLine) -> ChangeEvent | None:
    try:
        return read_event(domain, shop, load_json(line.text))
    except Refused:
        return None


def _with_load(line: NumberedLine, part: dict[str, str]) -> NumberedLine:
    try:
        document = load_json(line.text)
        return _line(line.number, {**document, **part}) if isinstance(document, dict) else line
    except (Refused, TypeError):
        # The check refuses it for its reason.
        return line


def _line(number: int, document: dict[str, Any]) -> NumberedLine:
    text = orjson.dumps(document)
    return NumberedLine(number, text, len(text))
