"""Field descriptions of every message, in English and Portuguese with an example, by model and field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.domain_field_docs import DOMAIN_FIELD_DOCS
from schemas.field_doc import FieldDoc
from schemas.message_field_docs import COMMON_FIELD_DOCS, MESSAGE_FIELD_DOCS
from schemas.order_field_docs import ORDER_FIELD_DOCS

__all__ = ["described", "described_fields", "field_doc"]

_BY_MODEL: Mapping[str, Mapping[str, FieldDoc]] = {**DOMAIN_FIELD_DOCS, **ORDER_FIELD_DOCS, **MESSAGE_FIELD_DOCS}


def field_doc(model: type[Any], name: str) -> FieldDoc | None:
    """Return the description of a model's field by its name in the message; None if there is none.

    A model has those of the models it derives from; a field that is the same in many messages is described once.
    """
    for each in model.__mro__:
        found = _BY_MODEL.get(each.__name__, {}).get(name)
        if found is not None:
            return found
    return COMMON_FIELD_DOCS.get(name)


def described(model: type[Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a model with the description and an example of each of its fields.

    What the type of a field says, such as its digits, follows what the field means.
    """
    docs = {name: field_doc(model, name) for name in schema.get("properties", ())}
    return _with_docs(schema, docs)


def described_fields(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of an object that no model makes with the descriptions that stand under a name."""
    return _with_docs(schema, _BY_MODEL[name])


def _with_docs(schema: dict[str, Any], docs: Mapping[str, FieldDoc | None]) -> dict[str, Any]:
    properties = {name: _described(field, docs.get(name)) for name, field in schema.get("properties", {}).items()}
    return {**schema, "properties": properties} if properties else schema


def _described(schema: dict[str, Any], doc: FieldDoc | None) -> dict[str, Any]:
    if doc is None:
        return schema
    said = schema.get("description", "")
    examples = {} if doc.example is None else {"examples": [doc.example]}
    return {**schema, "description": f"{doc.en} {said}".rstrip(), **examples}
