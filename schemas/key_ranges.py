"""Key ranges: bounds that are key values in the order of a domain's key fields, from included, to excluded.

Texts compare by the bytes of UTF-8, quantities by their value and times by their instant. A bound may leave out the
last key fields: it then stands before every key that begins with its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from schemas.domains import DOMAINS
from schemas.fields import Column, Text
from schemas.reasons import Reason, Refused
from schemas.validation_errors import validation_refused

__all__ = ["EVERYTHING", "Bound", "KeyRange", "bound_texts", "comparable", "read_bound", "read_range"]

# Values as an event has them: texts, a time as a `datetime`, a quantity as its canonical text.
Bound = tuple[Any, ...]


class KeyRange(NamedTuple):
    """A range of keys; None where it is open."""

    start: Bound | None
    end: Bound | None

    def holds(self, domain: str, key: Bound) -> bool:
        """Return whether a key lies in the range."""
        place = comparable(domain, key)
        return (self.start is None or place >= comparable(domain, self.start)) and (
            self.end is None or place < comparable(domain, self.end)
        )


EVERYTHING = KeyRange(None, None)


def read_range(domain: str, start: object, end: object) -> KeyRange:
    """Return the range of a chunk's `from` and `to`. Raises `Refused` if a bound is no key, or the range is empty."""
    found = KeyRange(_read(domain, "from", start), _read(domain, "to", end))
    if None not in found and not found.holds(domain, found.start or ()):
        raise Refused(Reason.WINDOW_EMPTY, "/data/to", "must come after from, by the bytes of UTF-8")
    return found


def read_bound(domain: str, texts: Sequence[str] | None) -> Bound | None:
    """Return the bound of which these are the stored texts."""
    return None if texts is None else _read(domain, "from", list(texts))


def bound_texts(bound: Bound | None) -> list[str] | None:
    """Return a bound as JSON can hold it."""
    if bound is None:
        return None
    return [value.isoformat() if isinstance(value, datetime) else str(value) for value in bound]


def _read(domain: str, name: str, values: object) -> Bound | None:
    if values is None:
        return None
    fields = DOMAINS[domain].key_fields
    pointer = f"/data/{name}"
    if not isinstance(values, list) or not values:
        raise Refused(Reason.WRONG_TYPE, pointer, "must be a JSON array of key values, or null")
    if len(values) > len(fields):
        raise Refused(Reason.TOO_LONG, pointer, f"must have at most {len(fields)} values: {', '.join(fields)}")
    bound = []
    for position, value in enumerate(values):
        try:
            bound.append(_adapters(domain)[position].validate_python(value))
        except ValidationError as error:
            refusal = validation_refused(error).refusal
            raise Refused(refusal.reason, f"{pointer}/{position}", refusal.sentence) from None
    return tuple(bound)


@cache
def _adapters(domain: str) -> tuple[TypeAdapter[Any], ...]:
    kind = DOMAINS[domain]
    adapters = []
    for name, field in kind.key.model_fields.items():
        # A bound need not be a key itself: any text may stand at the beginning or the end of a range.
        annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        adapters.append(TypeAdapter(Text if kind.columns[name] is Column.TEXT else annotation))
    return tuple(adapters)


def comparable(domain: str, key: Bound) -> tuple[Any, ...]:
    """Return a key, or the beginning of one, as it compares with others."""
    columns = DOMAINS[domain].columns
    # Python compares texts by code points, which is the order of their bytes in UTF-8.
    return tuple(
        Decimal(value) if columns[name] is Column.QUANTITY else value
        for name, value in zip(DOMAINS[domain].key_fields, key, strict=False)
    )
