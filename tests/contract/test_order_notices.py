"""The samples of order notices: what the program publishes, for every type, and taken by its schema."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from schemas.order_notices import NOTICE_TYPES, notice_data, notice_event, notice_id
from tests.support.contract_samples import CONTRACT
from tests.support.schema_validators import schema_accepts

SAMPLES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (CONTRACT / "samples" / "valid" / "notices.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['sequence']} {sample['type']}")
def test_a_sample_is_what_the_program_publishes_and_fits_its_schema(sample: dict[str, Any]) -> None:
    position, order_id, at = int(sample["sequence"]), sample["data"].pop("order_id"), sample["time"]
    data = notice_data(order_id, sample["data"])
    moment = datetime.fromisoformat(at)
    kind = sample["type"].split(".")[2]
    event = json.loads(notice_event(notice_id(position, moment), position, order_id, kind, data, moment))
    sample["data"]["order_id"] = order_id
    assert event == sample
    assert schema_accepts(sample["type"], event)
    NOTICE_TYPES[sample["type"]].model_validate_json(json.dumps(event))


def test_every_type_has_a_sample() -> None:
    assert {sample["type"] for sample in SAMPLES} == NOTICE_TYPES.keys()
