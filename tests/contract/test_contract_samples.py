"""The program and the JSON Schemas agree on every contract sample, and on what Hypothesis makes of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.reason_docs import GROUPS
from schemas.reasons import Reason, Refused
from tests.support.contract_samples import CONTRACT, INVALID, VALID, Sample, each_sample
from tests.support.schema_limits import BEYOND_A_SCHEMA, INTEGER_WITH_A_POINT, NO_JSON_VALUE, beyond_a_schema
from tests.support.schema_validators import FORMATS, SCHEMAS, check_schema, schema_accepts

# What takes more than the message to tell.
OF_THE_STORE = {
    Reason.ORDER_CHANGED,
    Reason.ORDER_UNKNOWN,
    Reason.VERSION_KIND,
    Reason.TIME_AHEAD,
    Reason.CONTENT_CHANGED,
}


def taken(sample: Sample) -> bool:
    document = json.loads(sample.body)
    return any(schema_accepts(name, document) for name in sample.schemas)


@each_sample(VALID)
def test_a_valid_sample_is_taken_by_the_program_and_by_one_schema(sample: Sample) -> None:
    sample.parse()
    document = json.loads(sample.body)
    assert [name for name in sample.schemas if schema_accepts(name, document)] == [
        document.get("type") or sample.schemas[0]
    ]


@each_sample(INVALID)
def test_an_invalid_sample_is_refused_for_its_reason_and_by_the_schemas(sample: Sample) -> None:
    with pytest.raises(Refused) as refused:
        sample.parse()
    refusal = refused.value.refusal
    assert (refusal.reason, refusal.pointer) == (sample.reason, sample.pointer)
    assert len(refusal.sentence) < 200
    if refusal.reason not in NO_JSON_VALUE:
        assert taken(sample) is (
            beyond_a_schema(refusal.reason, refusal.pointer) or sample.name == INTEGER_WITH_A_POINT
        )


def test_every_reason_that_a_body_can_cause_has_a_sample() -> None:
    groups = ("JSON", "The event", "The version", "Values", "Orders")
    body = {meaning.reason for group in groups for meaning in GROUPS[group]} | {Reason.UNKNOWN_FIELD}
    assert {sample.reason for sample in INVALID} == body - OF_THE_STORE


def test_every_schema_has_valid_samples_and_invalid_ones() -> None:
    inputs = {name for name in SCHEMAS if name.startswith(("erp.", "shop."))} | {"comporta.control.message"}
    for samples in (VALID, INVALID):
        assert {type_of(sample) for sample in samples} >= inputs


def type_of(sample: Sample) -> str:
    try:
        document = json.loads(sample.body)
    except ValueError:
        return ""
    return str(document.get("type", sample.schemas[0])) if isinstance(document, dict) else ""


@pytest.mark.parametrize("samples", [VALID, INVALID], ids=["valid", "invalid"])
def test_every_sample_has_a_name_of_its_own(samples: list[Sample]) -> None:
    names = [(sample.domain, sample.name) for sample in samples]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_of_2020_12_and_uses_known_formats(name: str) -> None:
    check_schema(SCHEMAS[name])
    assert set(formats(SCHEMAS[name])) <= FORMATS.keys()


def formats(part: Any) -> Iterator[str]:
    for key, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        if key == "format":
            yield value
        yield from formats(value)


@pytest.mark.parametrize("said", [*FORMATS, *sorted(reason.value for reason in BEYOND_A_SCHEMA), "1.0"])
def test_the_page_names_the_formats_and_what_no_schema_can_say(said: str) -> None:
    assert f"`{said}`" in (CONTRACT / "README.md").read_text(encoding="utf-8")


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=8)
    | st.text("0123456789.-+eE\n", max_size=12)
    | st.from_regex(r"\A-?[0-9]{1,13}(\.[0-9]{1,11})?([eE][+-]?[0-9]{1,2})?\Z")
    | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    | st.sampled_from(
        ["PF", "PJ", "foreign", "SEM GTIN", "EAN", "52998224725", "12ABC34501DE35", "http://x", "x" * 256]
    )
)
anything = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=3), leaves, max_size=2)


@settings(max_examples=200)
@given(st.data())
def test_the_program_and_the_schemas_agree_on_whatever_is_put_into_a_valid_sample(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(VALID))
    document = json.loads(sample.body)
    for _ in range(data.draw(st.integers(1, 2))):
        document = put(document, data.draw(st.sampled_from(places(document))), data.draw(anything))
    changed = Sample(sample.domain, sample.name, json.dumps(document).encode())
    assert taken(changed) is agreed(changed)


def agreed(sample: Sample) -> bool:
    try:
        sample.parse()
    except Refused as refused:
        # Only the first fault is named, and a list ends at it: a schema may know one of those behind it.
        assume(" more fault" not in refused.refusal.sentence and refused.refusal.reason is not Reason.LINE_SUM)
        return beyond_a_schema(refused.refusal.reason, refused.refusal.pointer)
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, each in inner for place in ((*path, name), *places(each, (*path, name)))]


def put(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(document)
    holder: Any = document
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return document
