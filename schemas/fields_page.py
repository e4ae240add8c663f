"""Page of fields: a table a domain, and the envelope and the order beside them, in a language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.domains import DOMAINS
from schemas.events import Envelope
from schemas.field_docs import field_doc
from schemas.fields import Message
from schemas.order_data import PlacedOrder
from schemas.reason_docs import DocLanguage
from schemas.unknown_fields import nested_model

__all__ = ["fields_page"]

_TITLE: dict[DocLanguage, str] = {"en": "Fields", "pt-BR": "Campos"}
_INTRODUCTION: dict[DocLanguage, str] = {
    "en": "Made from `schemas/*_field_docs.py` by `comporta schema --out docs/contract`; changes belong there.\n"
    "[Em português](fields.pt-BR.md).\n\n"
    "What the ERP sends of each domain, in `data`. **k**: a field of the key; **\\***: required. A deleted event has\n"
    "the fields of the key alone. Quantities, factors and money are JSON strings, times are RFC 3339 with a zone. The\n"
    "exact rules are in the JSON Schemas of `schemas/`, and what is refused in [reasons.md](reasons.md).",
    "pt-BR": "Gerado de `schemas/*_field_docs.py` por `comporta schema --out docs/contract`; as mudanças vão lá.\n"
    "[In English](fields.md).\n\n"
    "O que o ERP envia de cada domínio, em `data`. **k**: campo da chave; **\\***: obrigatório. Um evento de exclusão\n"
    "tem só os campos da chave. Quantidades, fatores e dinheiro são strings JSON; datas e horas são RFC 3339 com\n"
    "fuso. As regras exatas estão nos JSON Schemas de `schemas/`, e o que é recusado, em\n"
    "[reasons.pt-BR.md](reasons.pt-BR.md).",
}
_HEADER: dict[DocLanguage, str] = {
    "en": "| field | | meaning | example |",
    "pt-BR": "| campo | | significado | exemplo |",
}
_ENVELOPE: dict[DocLanguage, str] = {"en": "The envelope of each event", "pt-BR": "O envelope de cada evento"}
_ORDER: dict[DocLanguage, str] = {
    "en": "orders: `shop.order.placed.v1`, and what the ERP gets",
    "pt-BR": "orders: `shop.order.placed.v1`, e o que o ERP recebe",
}


def fields_page(language: DocLanguage) -> str:
    """Return the text of `docs/contract/fields.md` in a language."""
    lines = [f"# {_TITLE[language]}", "", _INTRODUCTION[language]]
    lines += _section(_ENVELOPE[language], Envelope, (), language)
    for domain in DOMAINS.values():
        heading = f"{domain.name}: `erp.{domain.entity}.changed.v1`"
        lines += _section(heading, domain.state, domain.key_fields, language)
    lines += _section(_ORDER[language], PlacedOrder, ("order_id",), language)
    return "\n".join(lines) + "\n"


def _section(heading: str, model: type[Message], key: tuple[str, ...], language: DocLanguage) -> list[str]:
    return ["", f"## {heading}", "", _HEADER[language], "|---|---|---|---|", *_rows(model, key, language, "")]


def _rows(model: type[Message], key: tuple[str, ...], language: DocLanguage, prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        doc = field_doc(model, name)
        meaning = "" if doc is None else (doc.en if language == "en" else doc.pt)
        example = "" if doc is None or doc.example is None else f"`{json.dumps(doc.example, ensure_ascii=False)}`"
        mark = ("k" if name in key and not prefix else "") + ("*" if field.is_required() else "")
        mark = mark.replace("*", "\\*")
        yield f"| `{prefix}{name}` | {mark} | {meaning} | {example} |"
        inner = nested_model(field.annotation)
        if inner is not None:
            separator = "[]." if _is_list(field.annotation) else "."
            yield from _rows(inner, (), language, f"{prefix}{name}{separator}")


def _is_list(annotation: Any) -> bool:
    return "list[" in str(annotation)
