"""Search text of a refused message: what operators search for, so that an index leads to it.

These are the codes, names, documents and numbers that it holds, a line each; of a body that is no JSON, its pieces
between punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from rules.masks import plain_document
from schemas.text import storable
from storage.message_text import body_text, message_fields, unpacked

__all__ = ["search_text"]

_FIELDS = frozenset(
    {
        *("code", "product_code", "packaging_code", "image_id", "table_code", "price_table", "gtin", "lot"),
        *("name", "trade_name", "document", "email", "order_id", "display_number", "erp_number", "number"),
        *("id", "subject", "ce-id", "ce-subject", "cloudEvents:id", "cloudEvents:subject"),
    }
)
_LONGEST_LINE, _LONGEST = 200, 2_000
# Of a document of a million objects nobody waits for the last.
_MOST_VALUES = 10_000
_MOST_BYTES = 10_000
# What stands between codes and names in JSON, XML and CSV.
_BETWEEN = re.compile(r"""[\ufeff{}\[\]<>"',:;=|\r\n\t]+""")


def search_text(body: bytes, headers: Mapping[str, Any]) -> str:
    """Return the lines between line breaks, so that a whole line is found, too; an empty text if there is none.

    Of the body no more than `MAX_BODY` bytes are read.
    """
    lines: dict[str, None] = {}
    size = 0
    fields = message_fields(body, headers)
    pieces: Iterable[str] = ()
    if not isinstance(fields[1], dict | list):
        pieces = _BETWEEN.split(body_text(unpacked(body, _MOST_BYTES)[:_MOST_BYTES]))
    for value in chain(_named(fields), pieces):
        for text in dict.fromkeys((value, plain_document(value) or value)):
            line = storable(" ".join(text.split()))[:_LONGEST_LINE]
            if not line or line in lines:
                continue
            size += len(line) + 1
            if size > _LONGEST:
                return _joined(lines)
            lines[line] = None
    return _joined(lines)


def _joined(lines: Mapping[str, None]) -> str:
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _named(values: list[Any]) -> Iterator[str]:
    """Yield the texts and numbers of the fields that are searched, in the order of the document."""
    left = values[::-1]
    for _ in range(_MOST_VALUES):
        if not left:
            return
        value = left.pop()
        if isinstance(value, list):
            left += value[:_MOST_VALUES][::-1]
        elif isinstance(value, dict):
            inner = []
            for name, held in value.items():
                if name in _FIELDS and isinstance(held, str | int) and not isinstance(held, bool):
                    yield str(held)
                elif isinstance(held, dict | list):
                    inner.append(held)
            left += inner[::-1]
