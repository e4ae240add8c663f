"""Shops in metrics: a bounded number has series of its own, the others share those of `_other`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.gauges import Reading

__all__ = ["DEFAULT_METRICS_SHOPS", "OTHER_SHOPS", "NamedShops", "with_most_shops"]

DEFAULT_METRICS_SHOPS = 100
# No shop id begins with an underscore.
OTHER_SHOPS = "_other"


class NamedShops:
    """The shops of a worker's counters: the first ones that it counts."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def __contains__(self, shop: str) -> bool:
        return shop in self._names

    def label(self, shop: str) -> str:
        """Return the shop's own label, or that of the others."""
        if shop not in self._names and len(self._names) >= self._most:
            return OTHER_SHOPS
        self._names.add(shop)
        return shop


def with_most_shops(reading: Reading, most: int) -> Reading:
    """Return a reading in which the shops beyond the first `most`, by their names, are one.

    Counts are added; of times, and of how long a switch has been off, the longest stays.
    """
    names = sorted(reading.oldest_waiting)
    if len(names) <= most:
        return reading
    own = frozenset(names[:most])

    def label(shop: str) -> str:
        return shop if shop in own else OTHER_SHOPS

    failing: dict[str, tuple[float, str]] = {}
    for shop, (seconds, answer) in reading.erp_failing.items():
        failing[label(shop)] = max(failing.get(label(shop), (0.0, "")), (seconds, answer))
    return reading._replace(
        off=_off(reading.off, label),
        missed=_by_shop(reading.missed, label),
        orders=_by_shop(reading.orders, label),
        oldest_waiting=_longest((label(shop), seconds) for shop, seconds in reading.oldest_waiting.items()),
        oldest_notice=_longest((label(shop), seconds) for shop, seconds in reading.oldest_notice.items()),
        erp_failing=failing,
        held_loads=_by_shop(reading.held_loads, label),
    )


def _by_shop(counts: Mapping[tuple[str, str], int], label: Callable[[str], str]) -> dict[tuple[str, str], int]:
    summed: dict[tuple[str, str], int] = {}
    for (shop, second), count in counts.items():
        key = label(shop), second
        summed[key] = summed.get(key, 0) + count
    return summed


def _off(
    off: Mapping[tuple[str, str], float | None], label: Callable[[str], str]
) -> dict[tuple[str, str], float | None]:
    longest: dict[tuple[str, str], float | None] = {}
    for (shop, domain), seconds in off.items():
        key = label(shop), domain
        longest[key] = max((one for one in (longest.get(key), seconds) if one is not None), default=None)
    return longest


def _longest(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    longest: dict[str, float] = {}
    for name, seconds in values:
        longest[name] = max(longest.get(name, 0.0), seconds)
    return longest
