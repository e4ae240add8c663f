"""Files as full loads: chunks where a file is sorted by key, one load where it is not, and what refused lines do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from producers.bulk import NumberedLine
from producers.full_load import LoadPlan, check_load, load_lines, plan_load
from tests.support.event_samples import sample_event


def lines(*codes: str, versions: Iterable[int] = ()) -> list[NumberedLine]:
    """Build a file of products; a code that is empty is refused."""
    given = list(versions) or [7] * len(codes)
    texts = [
        sample_event("products", envelope={"sequence": str(version)}, code=code)
        for code, version in zip(codes, given, strict=True)
    ]
    return [NumberedLine(number, text, len(text)) for number, text in enumerate(texts, start=1)]


def sent(plan: LoadPlan, file: Iterable[NumberedLine], version: int = 9) -> Iterator[tuple[str, Any, Any]]:
    """Yield the type, the load's part and the data of each message."""
    check = check_load("main", "products")
    for line in load_lines(plan, iter(file), "products", "L", version):
        document = json.loads(line.text)
        outgoing = check(line).outgoing
        assert outgoing is None or outgoing.routing_key == "main.products.bulk"
        yield document["type"].split(".")[2], document.get("loadchunk"), document["data"]


def test_a_sorted_file_is_sent_in_chunks_whose_ranges_cover_everything() -> None:
    file = lines("B", "a", "a", "b", "É", versions=[3, 9, 4, 5, 6])
    plan = plan_load("main", "products", file, 2)
    assert (plan.count, plan.version, plan.refused) == (4, 9, 0)
    messages = list(sent(plan, file))
    kinds = ["begun", "chunk", "changed", "changed", "changed", "chunk", "changed", "changed", "completed"]
    assert [kind for kind, _, _ in messages] == kinds
    # Events of one key stay in one chunk.
    assert [chunk for kind, chunk, _ in messages if kind == "changed"] == ["1", "1", "1", "2", "2"]
    announced = [(data["from"], data["to"], data["count"]) for kind, _, data in messages if kind == "chunk"]
    assert announced == [(None, ["b"], 2), (["b"], None, 2)]
    assert messages[-1][2] == {"load_id": "L", "domain": "products", "chunks": 2, "count": 4}


@pytest.mark.parametrize(("codes", "rows"), [(("b", "a", "b"), 2), (("a", "b"), 0)])
def test_a_file_that_is_not_sorted_or_shall_have_no_chunks_is_one_load(codes: tuple[str, ...], rows: int) -> None:
    file = lines(*codes)
    plan = plan_load("main", "products", file, rows)
    messages = list(sent(plan, file))
    assert [kind for kind, _, _ in messages] == ["begun", *["changed"] * len(codes), "completed"]
    assert messages[-1][2] == {"load_id": "L", "domain": "products", "chunks": None, "count": 2}


def test_a_refused_line_counts_so_that_its_chunk_stays_incomplete() -> None:
    file = lines("A", "", "C", "D")
    plan = plan_load("main", "products", file, 2)
    assert plan.refused == 1
    assert [(chunk.lines, chunk.count) for chunk in plan.chunks or ()] == [(2, 2), (2, 2)]
    assert plan.count == 4
