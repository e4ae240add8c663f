"""A file that is not one event a line is told as what it is."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from producers.bulk import LinesUnreadable, Source
from tests.support.pipeline import stock_event

EVENT = json.loads(stock_event(1))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps([EVENT, EVENT]).encode(), "is a JSON array"),
        (b"[\n" + stock_event(1) + b"\n]", "is a JSON array"),
        (json.dumps([EVENT], indent=2).encode(), "is a JSON array"),
        (json.dumps(EVENT, indent=2).encode(), "JSON over several lines"),
        (b"\n\n" + json.dumps(EVENT, indent=2).encode(), "JSON over several lines"),
        (b"\xef\xbb\xbf" + stock_event(1), "byte order mark"),
        (stock_event(1).decode().encode("utf-16"), "UTF-16"),
        (gzip.compress(stock_event(1), mtime=0), "compressed with gzip"),
    ],
)
def test_another_form_is_named_with_the_remedy(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    with Source(str(path)) as source, pytest.raises(LinesUnreadable, match=f"events.jsonl.*{says}"):
        list(source.lines())


@pytest.mark.parametrize("first", [stock_event(1), b"[]", b"nonsense", b'{"cut":'])
def test_one_event_a_line_is_read_whatever_the_first_line_holds(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(first + b"\n" + stock_event(2))
    with Source(str(path)) as source:
        assert [line.text for line in source.lines()] == [first, stock_event(2)]
