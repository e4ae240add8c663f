"""Figures of one measurement, percentiles, and the error for a row that can't be measured."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

__all__ = ["Figures", "LeftOut", "percentile"]

Figures = dict[str, float]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


class LeftOut(Exception):
    """Error: this row can't be measured on this machine; the text names the missing part."""
