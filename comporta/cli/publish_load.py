"""`comporta publish --full-load`: a file as everything that an ERP has of a domain."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from comporta.runtime.threads import stop_on_signals
from producers.bulk import Feed, LinesUnreadable, NumberedLine, Publishes, Source
from producers.full_load import check_load, load_lines, plan_load
from schemas.reasons import Refusal

__all__ = ["PublishedLoad", "WantedLoad", "publish_load"]


class WantedLoad(NamedTuple):
    """The load to make of a file; without a version it has the highest of the file's events."""

    shop: str
    domain: str
    load_id: str
    version: int | None
    chunk_rows: int


class PublishedLoad(NamedTuple):
    """A load as it was published; `chunks` is None where it has none."""

    load_id: str
    version: int
    chunks: int | None
    keys: int
    refused: int


def publish_load(
    wanted: WantedLoad, file: str, publisher: Publishes, reject: Callable[[NumberedLine, Refusal], None]
) -> tuple[Feed, PublishedLoad]:
    """Publish a file as a full load. Raises `LinesUnreadable`.

    The file is read twice: the announcement of a chunk comes before its events.
    """
    with _readable_twice(file) as path:
        with Source(path) as source:
            plan = plan_load(wanted.shop, wanted.domain, source.lines(), wanted.chunk_rows)
        version = plan.version if wanted.version is None else wanted.version
        feed = Feed(check_load(wanted.shop, wanted.domain), reject)
        stop_on_signals(threading.Event(), feed.interrupt)
        with Source(path) as source:
            lines = load_lines(plan, source.lines(), wanted.domain, wanted.load_id, version)
            for _ in feed.run(publisher, lines):
                pass
    chunks = None if plan.chunks is None else len(plan.chunks)
    return feed, PublishedLoad(wanted.load_id, version, chunks, plan.count, plan.refused)


@contextmanager
def _readable_twice(file: str) -> Iterator[str]:
    if file != "-":
        yield file
        return
    if sys.stdin is None:
        raise LinesUnreadable("standard input is closed: give a file, or pipe events in")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.jsonl"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield str(path)
