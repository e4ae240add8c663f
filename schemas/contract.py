"""Contract files: JSON Schemas, the AsyncAPI document, and the pages of fields, reasons and warnings."""

from __future__ import annotations

import json
from typing import Any

from schemas.asyncapi import asyncapi_document
from schemas.fields_page import fields_page
from schemas.json_schema import event_schemas, message_schemas
from schemas.reason_docs import GROUPS, DocLanguage, ReasonDoc, in_language
from schemas.reason_docs_pt import GROUP_TITLES
from schemas.warning_docs import WARNING_DOCS, WarningDoc

__all__ = ["contract_files", "reasons_page", "warnings_page"]
_TITLE: dict[DocLanguage, str] = {"en": "Reasons", "pt-BR": "Motivos"}
_WARNINGS_TITLE: dict[DocLanguage, str] = {"en": "Warnings", "pt-BR": "Avisos"}
_REFUSED: dict[DocLanguage, str] = {"en": "Refused, for example", "pt-BR": "Recusado, por exemplo"}
_WARNED: dict[DocLanguage, str] = {"en": "For example", "pt-BR": "Por exemplo"}
_INTRODUCTION: dict[DocLanguage, str] = {
    "en": "Made from `schemas/reason_docs.py` by `comporta schema --out docs/contract`; changes belong there.\n"
    "[Em português](reasons.pt-BR.md).\n\n"
    "Whatever is refused carries one of these codes, a JSON pointer (RFC 6901) to the place, and one sentence that\n"
    "repeats no value of the message. A code never changes its meaning. New ones can be added, so that a program\n"
    "should treat a code that it doesn't know like any other refusal.",
    "pt-BR": "Gerado de `schemas/reason_docs_pt.py` por `comporta schema --out docs/contract`; as mudanças vão lá.\n"
    "[In English](reasons.md).\n\n"
    "Tudo o que é recusado leva um destes códigos, um JSON pointer (RFC 6901) para o lugar e uma frase que não repete\n"
    "nenhum valor da mensagem. Um código nunca muda de significado. Novos podem surgir: um programa deve tratar um\n"
    "código que não conhece como qualquer outra recusa.",
}
_WARNINGS_INTRODUCTION: dict[DocLanguage, str] = {
    "en": "Made from `schemas/warning_docs.py` by `comporta schema --out docs/contract`; changes belong there.\n"
    "[Em português](warnings.pt-BR.md).\n\n"
    "A warning says what is taken, but perhaps not meant. It never changes an outcome. `comporta validate`,\n"
    "`comporta publish`, `POST /events?dry_run=1` and the Python publisher give warnings, each with one of these\n"
    "codes, a JSON pointer (RFC 6901) and one sentence that repeats no value of the message. New codes can be added.",
    "pt-BR": "Gerado de `schemas/warning_docs.py` por `comporta schema --out docs/contract`; as mudanças vão lá.\n"
    "[In English](warnings.md).\n\n"
    "Um aviso diz o que é aceito, mas talvez não seja o que se queria. Ele nunca muda um resultado.\n"
    "`comporta validate`, `comporta publish`, `POST /events?dry_run=1` e o publicador em Python dão avisos, cada um\n"
    "com um destes códigos, um JSON pointer (RFC 6901) e uma frase que não repete nenhum valor da mensagem. Novos\n"
    "códigos podem surgir.",
}


def contract_files() -> dict[str, str]:
    """Return the text of every generated file, by its path under `docs/contract`."""
    schemas = {**event_schemas(), **message_schemas()}
    return {
        **{f"schemas/{name}.json": _text(schema) for name, schema in schemas.items()},
        "asyncapi.json": _text(asyncapi_document()),
        "fields.md": fields_page("en"),
        "fields.pt-BR.md": fields_page("pt-BR"),
        "reasons.md": reasons_page("en"),
        "reasons.pt-BR.md": reasons_page("pt-BR"),
        "warnings.md": warnings_page("en"),
        "warnings.pt-BR.md": warnings_page("pt-BR"),
    }


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def reasons_page(language: DocLanguage) -> str:
    """Return the text of `docs/contract/reasons.md` in a language."""
    lines = [f"# {_TITLE[language]}", "", _INTRODUCTION[language]]
    for title, group in GROUPS.items():
        heading = title if language == "en" else GROUP_TITLES[title]
        lines += ["", f"## {heading}", *(_section(in_language(doc, language), language) for doc in group)]
    return "\n".join(lines) + "\n"


def _section(doc: ReasonDoc, language: DocLanguage) -> str:
    example = f" {_REFUSED[language]}: {doc.example}." if doc.example else ""
    return f"\n### {doc.reason}\n\n{doc.description}{example}\n\n{doc.remedy}"


def warnings_page(language: DocLanguage) -> str:
    """Return the text of `docs/contract/warnings.md` in a language."""
    lines = [f"# {_WARNINGS_TITLE[language]}", "", _WARNINGS_INTRODUCTION[language]]
    return "\n".join([*lines, *(_warning(doc, language) for doc in WARNING_DOCS)]) + "\n"


def _warning(doc: WarningDoc, language: DocLanguage) -> str:
    english = language == "en"
    description, remedy = (doc.description, doc.remedy) if english else (doc.description_pt, doc.remedy_pt)
    example = f" {_WARNED[language]}: {doc.example}." if doc.example else ""
    return f"\n### {doc.code}\n\n{description}{example}\n\n{remedy}"
