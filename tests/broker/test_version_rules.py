"""What would freeze a key is quarantined alone, whole, and the key goes on; on any broker and database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.views import MissedFilter
from tests.support.event_samples import sample_event
from tests.support.pipeline import Pipeline

POISONED = (Path(__file__).parents[1] / "cases" / "poisoned-keys.jsonl").read_bytes().splitlines()


def stock_rows(pipeline: Pipeline) -> dict[tuple[str, str], tuple[str, int]]:
    return {(row["shop"], row["product_code"]): (row["event_id"], int(row["on_hand"])) for row in pipeline.rows()}


def causes(pipeline: Pipeline) -> list[tuple[str, str, str]]:
    return [(row["shop"], row["reason"], json.loads(row["body"])["id"]) for row in pipeline.quarantined()]


@pytest.mark.parametrize("size", [1, 500])
def test_the_poisoned_keys_of_the_case_file_are_not_poisoned(pipeline: Pipeline, size: int) -> None:
    for body in POISONED:
        pipeline.publish(body, key="main.stock" if json.loads(body)["id"].startswith("a") else "other.stock")
    with pipeline.stepped_worker("stock", batch_size=size) as hand:
        hand.drain(len(POISONED))
    assert stock_rows(pipeline) == {("main", "A"): ("a-901", 0), ("other", "B"): ("b-2", 0)}
    assert causes(pipeline) == [("main", "version_kind", "a-x"), ("other", "time_ahead", "b-1")]
    assert [row["body"] for row in pipeline.quarantined()] == [POISONED[1], POISONED[3]]


def test_while_off_what_would_poison_the_missed_key_is_quarantined_and_the_first_event_decides(
    pipeline: Pipeline,
) -> None:
    pipeline.change("pause")
    ahead = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    pipeline.publish(sample_event("stock", envelope={"sequence": "5", "id": "b"}))
    pipeline.publish(sample_event("stock", envelope={"sequence": None, "id": "t"}))
    pipeline.publish(sample_event("stock", envelope={"sequence": None, "id": "f", "time": ahead}), key="late.stock")
    with pipeline.stepped_worker("stock") as hand:
        hand.drain(3)
    assert causes(pipeline) == [("late", "time_ahead", "f"), ("main", "version_kind", "t")] or causes(pipeline) == [
        ("main", "version_kind", "t"),
        ("late", "time_ahead", "f"),
    ]
    assert [(row["shop"], row["version"]) for row in pipeline.database.views.rows(MissedFilter())] == [("main", 5)]
    pipeline.change("resume")
    pipeline.publish(sample_event("stock", envelope={"sequence": "5", "id": "a"}))
    with pipeline.stepped_worker("stock") as hand:
        hand.drain(1)
    assert pipeline.database.views.rows(MissedFilter()) == []
    assert pipeline.rows()[0]["event_id"] == "a"


def test_an_event_that_says_something_else_under_the_same_version_and_id_is_quarantined(pipeline: Pipeline) -> None:
    def told(on_hand: str, action: str = "changed", version: str = "7") -> bytes:
        data = {} if action == "deleted" else {"on_hand": on_hand}
        return sample_event("stock", action=action, envelope={"sequence": version, "id": "e"}, **data)

    first = [told("10"), told("10.000"), told("8")]
    pipeline.publish(*first)
    with pipeline.stepped_worker("stock") as hand:
        hand.drain(3)
    # Again, against the table: the same, another content, a deletion; and a neighbour that is applied.
    pipeline.publish(*first, told("", "deleted"), told("3", version="8"), told("4", version="8"))
    with pipeline.stepped_worker("stock") as hand:
        hand.drain(6)
    assert [row["reason"] for row in pipeline.quarantined()] == ["content_changed"] * 4
    assert pipeline.rows()[0]["on_hand"] == 3
    assert pipeline.outcomes() == {"applied": 2, "superseded": 3, "quarantined": 4}
