"""The contract as files: JSON Schemas, the AsyncAPI document and the page of reasons."""

from __future__ import annotations

import json
from typing import Any

from schemas.asyncapi import asyncapi_document
from schemas.json_schema import event_schemas, message_schemas
from schemas.reasons_page import reasons_page

__all__ = ["contract_files"]


def contract_files() -> dict[str, str]:
    """The text of every generated file, by its path under `docs/contract`."""
    schemas = {**event_schemas(), **message_schemas()}
    return {
        **{f"schemas/{name}.json": _text(schema) for name, schema in schemas.items()},
        "asyncapi.json": _text(asyncapi_document()),
        "reasons.md": reasons_page(),
    }


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
