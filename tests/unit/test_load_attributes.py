"""Extension attributes of full loads: the schema takes what the parser takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import parse_event
from schemas.reasons import Reason, Refused
from tests.support.event_samples import refusal_of, sample_event
from tests.support.schema_validators import schema_accepts

LAST = 2**31 - 1


@pytest.mark.parametrize("load_id", ["L1", "ç" * 255, " ", None])
@pytest.mark.parametrize("chunk", ["1", "007", str(LAST), LAST, 1, "1999999999", "2099999999", None])
def test_a_load_is_named_by_text_and_digits(load_id: str | None, chunk: object) -> None:
    accepted(load_id, chunk, valid=load_id is not None or chunk is None)


@pytest.mark.parametrize("load_id", ["", "x" * 256, 7, True, ["L"], "a\0b"])
def test_any_other_name_is_refused(load_id: object) -> None:
    accepted(load_id, "1", valid=False)


@pytest.mark.parametrize(
    "chunk", ["0", "", "-1", "1.0", "a", str(LAST + 1), LAST + 1, 0, -1, 1.5, True, "1\n", "3000000000"]
)
def test_any_other_chunk_is_refused(chunk: object) -> None:
    accepted("L1", chunk, valid=False)


@pytest.mark.parametrize("action", ["changed", "deleted"])
@pytest.mark.parametrize("spelling", ["loadId", "load_id", "LOADID", "load-id", "loadChunk", "load_chunk", "LoadChunk"])
def test_a_misspelt_attribute_of_a_load_does_not_leave_the_event_out_of_it(spelling: str, action: str) -> None:
    body = sample_event("stock", action=action, envelope={spelling: "1"})
    refusal = refusal_of("stock", body)
    assert (refusal.reason, refusal.pointer) == (Reason.MISSPELT_FIELD, f"/{spelling}")
    assert not schema_accepts(f"erp.stock.{action}.v1", json.loads(body))


def accepted(load_id: Any, chunk: Any, *, valid: bool) -> None:
    body = sample_event("stock", envelope={"loadid": load_id, "loadchunk": chunk})
    try:
        parse_event("stock", "main", body)
        parsed = True
    except Refused:
        parsed = False
    assert parsed is valid
    # That a chunk needs a load is said in words alone: every schema released before takes it.
    if load_id is not None:
        assert schema_accepts("erp.stock.changed.v1", json.loads(body)) is valid
