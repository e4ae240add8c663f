"""Unknown fields of a batch: counted by shop, domain and name, within a bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.unknown_fields import UnknownField

__all__ = ["MOST_NAMES", "OTHERS", "FieldCounts", "FieldKey", "FieldUse", "bounded", "count_fields", "merged_counts"]

# Names that are kept of one shop and domain; further ones are counted together.
MOST_NAMES = 100
OTHERS = "…"

FieldKey = tuple[str, str, str]


class FieldUse(NamedTuple):
    """The number of times that a field came, and the known field that it resembles."""

    number: int
    suggestion: str | None


FieldCounts = dict[FieldKey, FieldUse]


def count_fields(found: Iterable[tuple[str, str, Iterable[UnknownField]]]) -> FieldCounts:
    """Count the fields of messages, given with their shop and domain, by shop, domain and label."""
    return _summed(
        ((shop, domain, field.label), FieldUse(1, field.misspells or field.suggestion))
        for shop, domain, fields in found
        for field in fields
    )


def bounded(counts: FieldCounts, known: Mapping[tuple[str, str], set[str]], most: int = MOST_NAMES) -> FieldCounts:
    """Return the counts with those of new names beyond `most` of a shop and domain under `OTHERS`.

    `known` has the names of each shop and domain that are stored already.
    """
    names = {scope: set(stored) for scope, stored in known.items()}
    kept: list[tuple[FieldKey, FieldUse]] = []
    for (shop, domain, label), use in sorted(counts.items()):
        taken = names.setdefault((shop, domain), set())
        if label not in taken and len(taken) >= most:
            kept.append(((shop, domain, OTHERS), FieldUse(use.number, None)))
            continue
        taken.add(label)
        kept.append(((shop, domain, label), use))
    return _summed(kept)


def merged_counts(first: FieldCounts, second: FieldCounts) -> FieldCounts:
    """Return the sum of two counts."""
    return _summed([*first.items(), *second.items()])


def _summed(uses: Iterable[tuple[FieldKey, FieldUse]]) -> FieldCounts:
    sums: FieldCounts = {}
    for key, use in uses:
        before = sums.get(key)
        sums[key] = use if before is None else FieldUse(before.number + use.number, use.suggestion)
    return sums
