"""Foresight of operators' actions while something is off: what they would publish only to be discarded."""

from __future__ import annotations

from collections.abc import Mapping

from rules.actions import WouldBeDiscarded
from rules.switches import Scope
from schemas.domains import DOMAINS
from storage.fence import Fence
from storage.switches import read_switches

__all__ = ["check_discards", "count_discards"]

_MOST_NAMED = 3


def count_discards(fence: Fence, scopes: Mapping[Scope, int]) -> dict[Scope, int]:
    """Return the counts of those shops and domains whose events would be discarded now; orders wait instead."""
    with fence.snapshot() as connection:
        state = read_switches(connection)
    return {
        (shop, domain): count
        for (shop, domain), count in scopes.items()
        if domain in DOMAINS and count and state.stops(shop, domain)
    }


def check_discards(fence: Fence, noun: str, scopes: Mapping[Scope, int]) -> None:
    """Raise `WouldBeDiscarded` if the events of any of these shops and domains would be discarded now."""
    discards = count_discards(fence, scopes)
    if discards:
        names = [f"{domain} of shop {shop}" for shop, domain in sorted(discards)]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        off = ", ".join(names[:_MOST_NAMED]) + more
        raise WouldBeDiscarded(noun, sum(discards.values()), sum(scopes.values()), off)
