"""Lists of objects that a model checks and describes, and that stay plain dicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.fields import JsonSchema, Message

__all__ = ["PlainObjects"]


@dataclass(frozen=True)
class PlainObjects:
    """Annotation of a list of a model's objects: each is checked field by field as by the model, and stays a dict.

    To make a model of each of many small objects costs more than to check them. A field that an object leaves out is
    left out of its dict too. The model may have no validators of the whole object.
    """

    model: type[Message]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, {**handler(source), "items_schema": _plain(self.model)})

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {**handler(core), "items": handler(self.model.__pydantic_core_schema__)}


def _plain(model: type[Message]) -> CoreSchema:
    core = cast(core_schema.ModelSchema, model.__pydantic_core_schema__)
    fields = cast(core_schema.ModelFieldsSchema, core["schema"])["fields"]
    plain = {name: _plain_field(field["schema"]) for name, field in fields.items()}
    return core_schema.typed_dict_schema(plain, config=core["config"], extra_behavior="ignore")


def _plain_field(schema: CoreSchema) -> core_schema.TypedDictField:
    if schema["type"] == "default":
        return core_schema.typed_dict_field(schema["schema"], required=False)
    return core_schema.typed_dict_field(schema, required=True)
