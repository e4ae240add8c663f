"""Known shops: admission of shops by their first message, refusal of unknown ones, and the names nearest to a name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rules.outcomes import SortedBatch
from schemas.reasons import Reason, Refusal

if TYPE_CHECKING:
    from schemas.events import ChangeEvent
    from schemas.full_load import LoadMessage

__all__ = [
    "DEFAULT_MAX_SHOPS",
    "DEFAULT_SHOP",
    "OPEN",
    "UNKNOWN_SHOP",
    "Admission",
    "ShopRules",
    "admit",
    "is_known",
    "nearest_shops",
    "split_refused",
    "unknown_shop",
]

DEFAULT_MAX_SHOPS = 2_000
# The shop of an installation that knows none yet, as the status document shows it.
DEFAULT_SHOP = "main"
UNKNOWN_SHOP = Refusal(Reason.UNKNOWN_SHOP, "", "the shop is not known: an operator adds it with comporta shop add")
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class ShopRules:
    """Rules for shops that no message has named before.

    `open` admits up to `most` shops by their first event or order. `listed` returns the only shops that are admitted,
    whatever the database knows; None leaves it to the database.
    """

    open: bool = True
    most: int = DEFAULT_MAX_SHOPS
    listed: Callable[[], frozenset[str]] | None = None


OPEN = ShopRules()


class Admission(NamedTuple):
    """The shops of a batch that are known, those that become known by it, and those that are refused."""

    known: frozenset[str]
    new: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


def admit(names: Collection[str], known: Collection[str], count: int, rules: ShopRules) -> Admission:
    """Decide about shops by those of them that are known, and by the number of all that are."""
    present, absent = frozenset(names).intersection(known), sorted(set(names).difference(known))
    room = max(0, rules.most - count) if rules.open else 0
    return Admission(present, frozenset(absent[:room]), frozenset(absent[room:]))


def split_refused(batch: SortedBatch, refused: Collection[str]) -> tuple[SortedBatch, list[ChangeEvent | LoadMessage]]:
    """Split a batch into the rest, and the events and messages of loads of refused shops."""
    if not refused:
        return batch, []
    feeds = {feed: events for feed, events in batch.feeds.items() if feed[1] not in refused}
    strangers: list[ChangeEvent | LoadMessage] = []
    for (_, shop, _), events in batch.feeds.items():
        if shop in refused:
            strangers += events
    strangers += [message for message in batch.messages if message.shop in refused]
    messages = [message for message in batch.messages if message.shop not in refused]
    return SortedBatch(feeds, batch.rejected, messages), strangers


def is_known(shop: str, known: Collection[str]) -> bool:
    """Return whether an operator may name the shop; without any known shop there is one, `main`."""
    return shop in known or (not known and shop == DEFAULT_SHOP)


def nearest_shops(name: str, known: Iterable[str]) -> list[str]:
    """Return the known shops whose names are most like a name."""
    return difflib.get_close_matches(name, sorted(known), n=_NEAREST, cutoff=0.5)


def unknown_shop(name: str, known: Collection[str]) -> str:
    """Return the sentence about a shop that is not known, with those that were perhaps meant."""
    nearest = nearest_shops(name, known or [DEFAULT_SHOP])
    meant = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
    return f"no event, order or `comporta shop add` has named the shop {name} yet{meant}"
