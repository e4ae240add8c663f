"""JSON Schema (2020-12) of every message, generated from the models that parse it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from schemas.control import Announcement, ControlMessage, Reply, StatusDocument
from schemas.domains import DOMAINS, Domain
from schemas.events import Envelope, event_models
from schemas.fields import ONE_LINE, JsonSchema, Message
from schemas.orders import ORDER_TYPES
from schemas.resync import MOST_KEYS, RESYNC_TYPE

__all__ = ["DIALECT", "event_schemas", "message_schemas"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BIGGEST = "9223372036854775807"
_OTHERS: dict[str, type[Message]] = {
    **ORDER_TYPES,
    "comporta.control.message": ControlMessage,
    "comporta.control.reply": Reply,
    "comporta.status.announcement": Announcement,
    "comporta.status.document": StatusDocument,
}


def event_schemas(domain: Domain | None = None) -> dict[str, JsonSchema]:
    """The schemas of the change events, by type: of one domain, or of all."""
    schemas = {}
    for each in DOMAINS.values() if domain is None else (domain,):
        for action, model in zip(("changed", "deleted"), event_models(each), strict=True):
            name = f"erp.{each.entity}.{action}.v1"
            schemas[name] = _named(name, _event(model))
    return schemas


def message_schemas() -> dict[str, JsonSchema]:
    """The schemas of all other messages, by a name made like an event's type."""
    schemas = {name: _named(name, _schema(model)) for name, model in _OTHERS.items()}
    return {**schemas, RESYNC_TYPE: _named(RESYNC_TYPE, _resync())}


class _Plain(GenerateJsonSchema):
    """Without what says nothing: titles that repeat a field's name, defaults of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's signature
        return False

    def default_schema(self, schema: Any) -> JsonSchema:
        if "default" in schema and schema["default"] is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _named(name: str, schema: JsonSchema) -> JsonSchema:
    return {"$schema": DIALECT, "$id": f"urn:comporta:{name}", **schema, "title": name}


def _schema(model: Any) -> JsonSchema:
    whole = TypeAdapter(model).json_schema(schema_generator=_Plain)
    return dict(_inlined(whole, whole.pop("$defs", {})))


def _inlined(part: Any, named: dict[str, Any]) -> Any:
    # Each schema stands alone, wherever it is put; no model holds itself.
    if isinstance(part, list):
        return [_inlined(each, named) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(named[part["$ref"].removeprefix("#/$defs/")], named)
    return {name: _inlined(each, named) for name, each in part.items()}


def _event(model: type[Envelope]) -> JsonSchema:
    # What the parser asks of the whole envelope, over what its model says of each attribute.
    schema = _schema(model)
    schema["properties"]["sequence"] = {"anyOf": [_sequence(), {"type": "null"}]}
    schema["anyOf"] = [_given("sequence"), _given("time")]
    return schema


def _given(name: str) -> JsonSchema:
    return {"required": [name], "properties": {name: {"type": "string"}}}


def _sequence() -> JsonSchema:
    said = "Digits that grow with each change: of one key the highest wins. Without it, the time does."
    pattern = f"^0*({_at_most(_BIGGEST)})$"
    return {"type": "string", "description": said, "maxLength": 255, "pattern": pattern, **ONE_LINE}


def _at_most(biggest: str) -> str:
    """A pattern of the decimal numbers up to one of several digits."""
    shorter = f"[0-9]{{1,{len(biggest) - 1}}}"
    smaller = [
        f"{biggest[:at]}[0-{int(digit) - 1}][0-9]{{{len(biggest) - at - 1}}}"
        for at, digit in enumerate(biggest[:-1])
        if digit != "0"
    ]
    return "|".join([shorter, *smaller, f"{biggest[:-1]}[0-{biggest[-1]}]"])


def _resync() -> JsonSchema:
    schema = _schema(Envelope)
    schema["properties"]["type"] = {"const": RESYNC_TYPE}
    domains = [
        {
            "if": {"properties": {"domain": {"const": domain.name}}},
            "then": {"properties": {"keys": {"items": _schema(domain.key)}}},
        }
        for domain in DOMAINS.values()
    ]
    data = {
        "type": "object",
        "required": ["shop", "domain", "keys"],
        "properties": {
            "shop": {"type": "string"},
            "domain": {"enum": list(DOMAINS)},
            "keys": {"type": "array", "minItems": 1, "maxItems": MOST_KEYS, "items": {"type": "object"}},
        },
        "allOf": domains,
    }
    properties = {**schema["properties"], "data": data}
    said = "Comporta asks the ERP to publish these entities again, as they are now."
    return {**schema, "description": said, "properties": properties, "required": [*schema["required"], "data"]}
