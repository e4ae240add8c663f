"""What one measurement gives, and how several become one."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

__all__ = ["Figures", "LeftOut", "percentile"]

Figures = dict[str, float]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


class LeftOut(Exception):
    """A row that can't be measured here, with what is missing; the others can."""
