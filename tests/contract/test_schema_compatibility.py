"""A release refuses what the one before took only on purpose, or under a new major version of the type."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.json_schema import event_schemas, message_schemas
from schemas.orders import ORDER_TYPES
from schemas.reasons import Refused
from schemas.resync import RESYNC_TYPE
from tests.support.contract_samples import CONTRACT, INVALID, Sample
from tests.support.schema_compatibility import Schema, breaking_changes, rewritten
from tests.support.schema_validators import schema_takes

Change = Callable[[Schema], object]
TIGHTENED: dict[str, dict[str, Any]] = json.loads((CONTRACT / "tightened.json").read_text(encoding="utf-8"))
RELEASED = sorted((CONTRACT / "released").glob("*.json"))
STOCK = event_schemas()["erp.stock.changed.v1"]
# The same with a choice between two fields.
EITHER = {
    **{keyword: value for keyword, value in STOCK.items() if keyword not in ("if", "then")},
    "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("sequence", "time")],
}
CUSTOMER = event_schemas()["erp.customer.changed.v1"]
PRODUCT = event_schemas()["erp.product.changed.v1"]
PACKAGING = event_schemas()["erp.packaging.changed.v1"]
CONTROL = message_schemas()["comporta.control.message"]


# What the contract refuses since, though it was taken: contradictions that no program sends on purpose.
DELIBERATE = {
    name: {"/data/customer/document: allOf", "/data/items/items/total: pattern", "/data/total: pattern"}
    for name in ("shop.order.placed.v1", "comporta.order.v1")
}


@pytest.mark.parametrize("name", [path.stem for path in RELEASED])
def test_whatever_was_valid_at_the_last_release_still_is(name: str) -> None:
    old = rewritten(json.loads((CONTRACT / "released" / f"{name}.json").read_text(encoding="utf-8")))
    new = {**event_schemas(), **message_schemas()}.get(name)
    assert new is not None, f"{name} is gone: what the ERPs send would be refused"
    on_purpose = [place for tightening in TIGHTENED.values() for place in tightening["changes"].get(name, [])]
    assert sorted(breaking_changes(old, new)) == sorted(on_purpose), (
        f"{name} breaks: give the change a new type, such as {name[:-1]}2, or record in tightened.json why it must"
    )


@pytest.mark.parametrize("reason", TIGHTENED)
def test_what_is_refused_on_purpose_was_taken_before_and_has_a_sample(reason: str) -> None:
    assert len(TIGHTENED[reason]["why"]) > 20
    taken_before = [sample for sample in INVALID if sample.reason == reason and released_takes(sample)]
    assert taken_before, "a tightening without a sample of what it refuses"
    for sample in taken_before:
        with pytest.raises(Refused) as refused:
            sample.parse()
        assert refused.value.refusal.reason == reason


def released_takes(sample: Sample) -> bool:
    document = json.loads(sample.body)
    path = CONTRACT / "released" / f"{document.get('type', sample.schemas[0])}.json"
    return path.exists() and schema_takes(json.loads(path.read_text(encoding="utf-8")), document)


def test_what_is_recorded_of_a_type_names_types_that_were_released() -> None:
    recorded = {name for tightening in TIGHTENED.values() for name in tightening["changes"]}
    assert recorded <= {path.stem for path in RELEASED}


def test_every_released_event_is_held_to() -> None:
    names = {path.stem for path in RELEASED}
    assert len(names) >= 19
    assert names <= {*event_schemas(), *ORDER_TYPES, RESYNC_TYPE, "comporta.control.message"}


def at(schema: Schema, path: str) -> Any:
    """The part of a schema under a path of field names."""
    for name in path.split("/"):
        schema = schema["properties"][name]
    return schema


def setting(path: str, **keywords: Any) -> Change:
    return lambda schema: at(schema, path).update(keywords)


def without(path: str, *keywords: str) -> Change:
    return lambda schema: [at(schema, path).pop(keyword) for keyword in keywords]


def inside(path: str, change: Callable[[Any], object]) -> Change:
    return lambda schema: change(at(schema, path))


def without_condition(schema: Schema) -> None:
    del schema["if"], schema["then"]


def barcode_then(field: Schema) -> Schema:
    """What a barcode must be whose type says GTIN."""
    found: Schema = field["items"]["then"]
    return found


BREAKING: dict[str, tuple[Schema, Change]] = {
    "a field becomes required": (STOCK, inside("data", lambda data: data["required"].append("reserved"))),
    "a new field is required": (
        STOCK,
        inside("data", lambda data: (data["properties"].update(colour={}), data["required"].append("colour"))),
    ),
    "a field is gone": (STOCK, inside("data", lambda data: data["properties"].pop("reserved"))),
    "null is no longer allowed": (STOCK, setting("data/reserved", type="string")),
    "another type": (STOCK, setting("data/unit", type="integer")),
    "a list of types that lacks one": (STOCK, setting("data/unit", type=["integer", "null"])),
    "a shorter text": (STOCK, setting("data/branch", maxLength=254)),
    "a length for the first time": (STOCK, setting("data/unit", maxLength=10_000)),
    "a text that must not be empty": (STOCK, setting("data/lot", minLength=1)),
    "a pattern for the first time": (CONTROL, inside("domains", lambda field: field["items"].update(pattern="."))),
    "another pattern": (STOCK, setting("data/unit", pattern="^[A-Z]+$")),
    "fewer digits": (
        STOCK,
        setting("data/on_hand", pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,4})?$"),
    ),
    "a format for the first time": (STOCK, setting("data/unit", format="unit")),
    "another format": (STOCK, setting("data/as_of", format="date")),
    "a value that is excluded": (STOCK, setting("data/unit", **{"not": {"const": "UN"}})),
    "a choice is gone": (CUSTOMER, inside("data/status", lambda field: field["enum"].remove("blocked"))),
    "a choice for the first time": (STOCK, setting("data/unit", enum=["UN", "KG"])),
    "another constant": (STOCK, setting("type", const="erp.stock.changed.v2")),
    "a smaller maximum": (
        event_schemas()["erp.image.changed.v1"], setting("data/position", maximum=99)
    ),
    "a larger minimum": (event_schemas()["erp.image.changed.v1"], setting("data/position", minimum=1)),
    "unknown fields are refused": (STOCK, setting("data", additionalProperties=False)),
    "unknown fields get a type": (STOCK, setting("data", additionalProperties={"type": "string"})),
    "a map of another type": (
        PRODUCT,
        inside("data/attributes", lambda field: field.update(additionalProperties={"type": "integer"})),
    ),
    "one name of a map gets another type": (
        PRODUCT,
        inside("data/attributes", lambda field: field.update(properties={"cor": {"type": "integer"}})),
    ),
    "names of members are limited": (
        PRODUCT,
        inside("data/attributes", lambda field: field.update(propertyNames={"maxLength": 20})),
    ),
    "items of another type": (CONTROL, inside("domains", lambda field: field.update(items={"type": "integer"}))),
    "fewer items": (CONTROL, setting("domains", maxItems=1)),
    "items are limited for the first time": (STOCK, setting("data", items={"type": "string"})),
    "a condition for the first time": (
        STOCK,
        setting("data", **{"if": {"required": ["lot"]}, "then": {"required": ["reserved"]}}),
    ),
    "a condition that holds more often": (
        PACKAGING,
        inside("data/barcodes", lambda field: field["items"].update({"if": {}})),
    ),
    "a condition that asks for more": (
        PACKAGING,
        inside("data/barcodes", lambda field: barcode_then(field).update(required=["value"])),
    ),
    "one more condition": (CUSTOMER, inside("data", lambda data: data["allOf"].append({"required": ["email"]}))),
    "time alone is not enough": (STOCK, lambda schema: schema.update({"if": {}, "then": {"required": ["sequence"]}})),
    "one of two ways is gone": (EITHER, lambda schema: schema["anyOf"].pop()),
    "a way out asks for more": (
        EITHER,
        lambda schema: schema["anyOf"][0]["properties"].update(time={"type": "string"}),
    ),
    "every field is gone": (STOCK, without("data", "properties")),
    "a condition that says more of a field": (
        PACKAGING,
        inside("data/barcodes", lambda field: barcode_then(field).update(properties={"type": {"const": 1}})),
    ),
    "a default is gone": (STOCK, without("data/lot", "default")),
    "another default": (STOCK, setting("data/lot", default="1")),
    "a keyword that nobody here knows": (STOCK, setting("data", dependentRequired={"lot": ["reserved"]})),
}  # fmt: skip

HARMLESS: dict[str, tuple[Schema, Change]] = {
    "nothing": (STOCK, lambda schema: None),
    "other words": (STOCK, setting("data", title="Balance", description="How much.", examples=[{}])),
    "a new field": (STOCK, inside("data", lambda data: data["properties"].update(colour={"type": "string"}))),
    "a field is no longer required": (STOCK, inside("data", lambda data: data["required"].remove("unit"))),
    "nothing is required": (STOCK, without("data", "required")),
    "null is allowed": (STOCK, inside("data", lambda data: data["properties"].update(
        unit={"anyOf": [data["properties"]["unit"], {"type": "null"}]}))),
    "one more type": (STOCK, setting("data/unit", type=["string", "null"])),
    "a number instead of an integer": (
        event_schemas()["erp.image.changed.v1"], setting("data/position", type="number")
    ),
    "a longer text": (STOCK, setting("data/branch", maxLength=1_000, minLength=0)),
    "any length": (STOCK, without("data/branch", "maxLength", "minLength")),
    "any text": (STOCK, without("data/unit", "pattern")),
    "one more choice": (CUSTOMER, inside("data/status", lambda field: field["enum"].append("unknown"))),
    "a choice instead of a constant": (STOCK, lambda schema: schema["properties"].update(
        specversion={"type": "string", "enum": ["1.0", "1.1"]})),
    "any value": (STOCK, inside("data", lambda data: data["properties"].update(unit={}))),
    "one more way": (EITHER, lambda schema: schema["anyOf"].append({"required": ["subject"]})),
    "a condition less": (CUSTOMER, inside("data", lambda data: data["allOf"].pop())),
    "no condition": (CUSTOMER, without("data", "allOf")),
    "a condition that asks for less": (
        PACKAGING,
        inside("data/barcodes", lambda field: field["items"].update(then={})),
    ),
    "unknown fields are allowed": (CONTROL, lambda schema: schema.pop("additionalProperties")),
    "more items": (CONTROL, setting("domains", maxItems=20)),
    "neither sequence nor time is needed": (STOCK, without_condition),
    "neither of two ways is needed": (EITHER, lambda schema: schema.pop("anyOf")),
}  # fmt: skip


def changed(schema: Schema, change: Change) -> Schema:
    new = copy.deepcopy(schema)
    change(new)
    return new


@pytest.mark.parametrize(("schema", "change"), [pytest.param(*case, id=name) for name, case in BREAKING.items()])
def test_the_gate_stops_a_breaking_change(schema: Schema, change: Change) -> None:
    assert len(breaking_changes(schema, changed(schema, change))) >= 1


@pytest.mark.parametrize(("schema", "change"), [pytest.param(*case, id=name) for name, case in HARMLESS.items()])
def test_the_gate_lets_a_harmless_change_pass(schema: Schema, change: Change) -> None:
    assert breaking_changes(schema, changed(schema, change)) == []


def test_the_gate_says_where_it_breaks() -> None:
    new = changed(STOCK, BREAKING["a shorter text"][1])
    assert breaking_changes(STOCK, new) == ["/data/branch: maxLength"]
