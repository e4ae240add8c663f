"""Field description: the meaning and unit of one field in two languages, and an example."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["FieldDoc"]


class FieldDoc(NamedTuple):
    """Meaning of a field, with its unit, in English and in Portuguese; `example` is a value as it is sent."""

    en: str
    pt: str
    example: Any = None
