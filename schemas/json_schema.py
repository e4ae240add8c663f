"""JSON Schema (2020-12) of every message, generated from the models that parse it."""

from __future__ import annotations

import copy
import functools
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from schemas.control import Announcement, ControlMessage, Reply, StatusDocument
from schemas.domains import DOMAINS, Domain
from schemas.events import Envelope, event_models
from schemas.feeds import FEED_TYPES
from schemas.field_docs import described, described_fields
from schemas.fields import Column, JsonSchema, Message
from schemas.full_load import LOAD_TYPES
from schemas.load_parts import load_attributes
from schemas.order_notices import NOTICE_TYPES
from schemas.orders import ORDER_TYPES
from schemas.patterns import NO_NUL, one_line
from schemas.resync import MOST_KEYS, RESYNC_TYPE
from schemas.unknown_fields import misspelt_pattern

__all__ = ["DIALECT", "SCHEMA_NAMES", "class_name", "event_schemas", "message_schemas", "order_schemas"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAX_SEQUENCE = str(2**62)
_OTHERS: dict[str, type[Message]] = {
    **ORDER_TYPES,
    **NOTICE_TYPES,
    **FEED_TYPES,
    "comporta.control.message": ControlMessage,
    "comporta.control.reply": Reply,
    "comporta.status.announcement": Announcement,
    "comporta.status.document": StatusDocument,
}

SCHEMA_NAMES = (
    *(f"erp.{domain.entity}.{action}.v1" for domain in DOMAINS.values() for action in ("changed", "deleted")),
    *_OTHERS,
    RESYNC_TYPE,
)


def event_schemas(domain: Domain | None = None) -> dict[str, JsonSchema]:
    """Return the schemas of the change events of one domain, or of all, by type."""
    schemas = {}
    domains = DOMAINS.values() if domain is None else (domain,)
    for item in domains:
        for action, model in zip(("changed", "deleted"), event_models(item), strict=True):
            name = f"erp.{item.entity}.{action}.v1"
            schemas[name] = _identified(name, _event(model))
    return schemas


def message_schemas() -> dict[str, JsonSchema]:
    """Return the schemas of all other messages, by a name formed like an event's type."""
    schemas = {name: _identified(name, _schema(model)) for name, model in _OTHERS.items()}
    loads = {name: _identified(name, _load(model)) for name, model in LOAD_TYPES.items()}
    return {**loads, **schemas, RESYNC_TYPE: _identified(RESYNC_TYPE, _resync())}


def order_schemas() -> dict[str, JsonSchema]:
    """Return the schemas of the events of orders, from the shop, to the ERP and back, by type."""
    models = {**ORDER_TYPES, **NOTICE_TYPES}
    return {name: _identified(name, _schema(model)) for name, model in models.items()}


class _SchemaGenerator(GenerateJsonSchema):
    """pydantic's generator without noise: no titles that repeat a field's name, no defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's signature
        return False

    def model_schema(self, schema: Any) -> JsonSchema:
        return described(schema["cls"], super().model_schema(schema))

    def default_schema(self, schema: Any) -> JsonSchema:
        if "default" in schema and schema["default"] is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _identified(name: str, schema: JsonSchema) -> JsonSchema:
    return {"$schema": DIALECT, "$id": f"urn:comporta:{name}", **_nullable(schema), "title": class_name(name)}


def class_name(name: str) -> str:
    """Return the name that a code generator gives to the class of a message: `PriceTableChanged`.

    Messages of two senders that are called the same have the sender before it: `ErpOrderCancelled`.
    """
    sender, *words = name.removesuffix(".v1").split(".")
    alike = [other for other in SCHEMA_NAMES if other.split(".")[1:] == name.split(".")[1:]]
    return "".join(word.capitalize() for word in "_".join([sender, *words] if len(alike) > 1 else words).split("_"))


def _schema(model: Any) -> JsonSchema:
    return copy.deepcopy(_generated(model))


@functools.cache
def _generated(model: Any) -> JsonSchema:
    # Takes 15 ms a model, and a document names the models of a domain in several places.
    schema = TypeAdapter(model).json_schema(schema_generator=_SchemaGenerator)
    return dict(_inlined(schema, schema.pop("$defs", {})))


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    # A schema without references works wherever it is embedded; this ends because no model contains itself.
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        # What stands beside a reference is said of this place.
        beside = {name: value for name, value in node.items() if name != "$ref"}
        return _inlined(definitions[node["$ref"].removeprefix("#/$defs/")], definitions) | beside
    return {name: _inlined(value, definitions) for name, value in node.items()}


def _event(model: type[Envelope]) -> JsonSchema:
    # The parser's rules for the whole envelope, which the model of its attributes does not express.
    schema = _schema(model)
    _replace(schema["properties"], "sequence", _sequence(), {"type": "null"})
    # One of the two is a text. With `anyOf` or `not`, some code generators make several classes of it, or none.
    schema["if"] = {"properties": {"sequence": {"type": "null"}}}
    schema["then"] = {"required": ["time"], "properties": {"time": {"type": "string"}}}
    if schema["properties"]["type"]["const"].endswith(".deleted.v1"):
        schema["properties"]["data"]["additionalProperties"] = False
    schema["properties"] |= load_attributes()
    return _spelled(schema)


def _nullable(node: Any) -> Any:
    """Return a schema in which "this or null" is one schema of two types, of which every code generator makes one type.

    The other keywords speak of values of their own type alone, so null passes them; `enum` and `const` speak of all.
    """
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _nullable(value) for name, value in node.items()}
    branches = node.get("anyOf", ())
    kinds = [branch for branch in branches if branch != {"type": "null"}]
    if len(kinds) != 1 or len(branches) != 2 or not isinstance(kinds[0].get("type"), str):
        return node
    [kind] = kinds
    rest = {name: value for name, value in node.items() if name != "anyOf"}
    if "enum" in kind:
        kind["enum"] = [*kind["enum"], None]
    return {**kind, **rest, "type": [kind["type"], "null"]}


def _spelled(schema: JsonSchema) -> JsonSchema:
    """Return a schema that refuses misspelt names, in the objects inside it too."""
    for inner in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items", {})):
        # In the branches of a condition, names are spoken of and not listed.
        if inner.get("type") in ("object", "array") or "anyOf" in inner:
            _spelled(inner)
    if schema.get("type") == "object" and "properties" in schema and schema.get("additionalProperties", True):
        schema["propertyNames"] = {"not": {"pattern": misspelt_pattern(schema["properties"])}}
    return schema


def _replace(properties: dict[str, JsonSchema], name: str, *kinds: JsonSchema) -> None:
    # What the models say of the field stays, and the parser's rules take the place of its type.
    said = {each: properties[name][each] for each in ("description", "examples")}
    properties[name] = {**said, "anyOf": [*kinds]}


def _sequence() -> JsonSchema:
    return {"type": "string", "maxLength": 255, "pattern": one_line(f"^0*({_at_most(_MAX_SEQUENCE)})$")}


def _at_most(maximum: str) -> str:
    """Return a pattern of the decimal numbers up to a maximum of several digits."""
    shorter = f"[0-9]{{1,{len(maximum) - 1}}}"
    smaller = [
        f"{maximum[:at]}[0-{int(digit) - 1}][0-9]{{{len(maximum) - at - 1}}}"
        for at, digit in enumerate(maximum[:-1])
        if digit != "0"
    ]
    return "|".join([shorter, *smaller, f"{maximum[:-1]}[0-{maximum[-1]}]"])


def _load(model: Any) -> JsonSchema:
    schema = _schema(model)
    data = schema["properties"]["data"]
    if "version" in data["properties"]:
        counter = {"type": "integer", "minimum": 0, "maximum": 2**62}
        _replace(data["properties"], "version", _sequence(), counter)
    _spelled(schema)
    if "from" in data["properties"]:
        # After the names are checked: these objects only add to the one around them.
        data["allOf"] = [
            {
                "if": {"properties": {"domain": {"const": domain.name}}},
                "then": {"properties": {name: _bound(domain) for name in ("from", "to")}},
            }
            for domain in DOMAINS.values()
        ]
    return schema


def _bound(domain: Domain) -> JsonSchema:
    keys = _schema(domain.key)["properties"]
    # A bound need not be a key itself: any text may stand at the beginning or the end of a range.
    text: JsonSchema = {"type": "string", "pattern": NO_NUL}
    values = [text if domain.columns[name] is Column.TEXT else keys[name] for name in domain.key_fields]
    array = {"type": "array", "minItems": 1, "maxItems": len(values), "prefixItems": values}
    return {"anyOf": [array, {"type": "null"}]}


def _resync() -> JsonSchema:
    schema = _schema(Envelope)
    schema["properties"]["type"] = {"description": schema["properties"]["type"]["description"], "const": RESYNC_TYPE}
    domains = [
        {
            "if": {"properties": {"domain": {"const": domain.name}}},
            "then": {"properties": {"keys": {"items": _schema(domain.key)}}},
        }
        for domain in DOMAINS.values()
    ]
    data = {
        "type": "object",
        "description": "The keys, or a window of time: from included, to excluded.",
        "required": ["shop", "domain"],
        "properties": {
            "shop": {"type": "string"},
            "domain": {"enum": list(DOMAINS)},
            "keys": {"type": "array", "minItems": 1, "maxItems": MOST_KEYS, "items": {"type": "object"}},
            "from": {"type": "string", "format": "date-time"},
            "to": {"type": "string", "format": "date-time"},
        },
        "allOf": [*domains, {"if": {"required": ["keys"]}, "else": {"required": ["from", "to"]}}],
    }
    properties = {**schema["properties"], "data": described_fields("Resync", data)}
    description = "Comporta asks the ERP to publish entities again, as they are now: by key, or by time of change."
    required = [*schema["required"], "data"]
    return {**schema, "description": description, "properties": properties, "required": required}
