"""Contract files: JSON Schemas, the AsyncAPI document and the page of reasons."""

from __future__ import annotations

import json
from typing import Any

from schemas.asyncapi import asyncapi_document
from schemas.json_schema import event_schemas, message_schemas
from schemas.reason_docs import GROUPS, ReasonDoc

__all__ = ["contract_files", "reasons_page"]
_INTRODUCTION = (
    "Made from `schemas/meanings.py` by `comporta schema --out docs/contract`; changes belong there.\n\n"
    "Whatever is refused carries one of these codes, a JSON pointer (RFC 6901) to the place, and one sentence that\n"
    "repeats no value of the message. A code never changes its meaning. New ones can be added, so that a program\n"
    "should treat a code that it doesn't know like any other refusal."
)


def contract_files() -> dict[str, str]:
    """Return the text of every generated file, by its path under `docs/contract`."""
    schemas = {**event_schemas(), **message_schemas()}
    return {
        **{f"schemas/{name}.json": _text(schema) for name, schema in schemas.items()},
        "asyncapi.json": _text(asyncapi_document()),
        "reasons.md": reasons_page(),
    }


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def reasons_page() -> str:
    """Return the text of `docs/contract/reasons.md`."""
    lines = ["# Reasons", "", _INTRODUCTION]
    for title, group in GROUPS.items():
        lines += ["", f"## {title}", *(_section(doc) for doc in group)]
    return "\n".join(lines) + "\n"


def _section(doc: ReasonDoc) -> str:
    example = f" Refused, for example: {doc.example}." if doc.example else ""
    return f"\n### {doc.reason}\n\n{doc.description}{example}\n\n{doc.remedy}"
