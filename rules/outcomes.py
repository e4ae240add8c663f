"""Outcomes: one for each delivery of a batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rules.versions import CONTENT_CHANGED, VersionRules, same_content, split_by_rules
from schemas.domains import NO_SHOP
from schemas.events import ChangeEvent
from schemas.reasons import Refusal

if TYPE_CHECKING:
    from schemas.full_load import LoadMessage

__all__ = [
    "Decoded",
    "Outcome",
    "Plan",
    "RejectedDelivery",
    "SortedBatch",
    "Tally",
    "outcome_per_item",
    "plan_batch",
    "sort_batch",
]
Tally = Counter[tuple[str, str, "Outcome"]]
Message = TypeVar("Message")
_feed: Callable[[ChangeEvent], tuple[str, str, bool]] = attrgetter("domain", "shop", "by_time")
_unknown, _load = attrgetter("unknown"), attrgetter("load")


class Outcome(StrEnum):
    """Outcome of one delivery."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"
    DISCARDED = "discarded"
    QUARANTINED = "quarantined"


class RejectedDelivery(NamedTuple):
    """A delivery that can't be taken, whole, with the reason; `shop` is `?` where it is unreadable."""

    shop: str
    domain: str
    refusal: Refusal
    body: bytes
    routing_key: str
    content_type: str
    headers: dict[str, object]
    redelivered: bool


class Decoded(NamedTuple, Generic[Message]):
    """A parsed message other than a change event; `reject` turns its delivery into a rejected one."""

    domain: str
    message: Message
    reject: Callable[[Refusal], RejectedDelivery]


Feeds = dict[tuple[str, str, bool], list[ChangeEvent]]


class SortedBatch(NamedTuple):
    """A batch by domain, shop and kind of version (True: by time), its rejected deliveries, and the messages of loads.

    Each in the batch's order.
    """

    feeds: Feeds
    rejected: list[RejectedDelivery]
    messages: list[LoadMessage]

    @property
    def shops(self) -> set[str]:
        """Return the shops of its events and messages."""
        return {shop for _, shop, _ in self.feeds} | {message.shop for message in self.messages}


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch sorted into outcomes: per domain the newest event of each key, in key order.

    `refused` are events that are read well and break a rule: the caller has their deliveries, and adds them to
    `quarantine`. `tally` counts the events of `apply` as superseded, until the database has compared them with its
    rows. `unknown` has the events with fields that are ignored, `loaded` and `unloaded` those of full loads: which the
    plan applies, and which it discards. `messages` are those of full loads, whose outcomes the database decides.
    """

    apply: dict[str, list[ChangeEvent]] = field(default_factory=dict)
    discard: dict[str, list[ChangeEvent]] = field(default_factory=dict)
    quarantine: list[RejectedDelivery] = field(default_factory=list)
    refused: list[tuple[ChangeEvent | LoadMessage, Refusal]] = field(default_factory=list)
    tally: Tally = field(default_factory=Counter)
    unknown: list[ChangeEvent] = field(default_factory=list)
    loaded: list[ChangeEvent] = field(default_factory=list)
    unloaded: list[ChangeEvent] = field(default_factory=list)
    messages: list[LoadMessage] = field(default_factory=list)
    message_outcomes: dict[int, Outcome] = field(default_factory=dict)

    def refuse(self, refused: Iterable[tuple[ChangeEvent | LoadMessage, Refusal]]) -> None:
        """Add refused events, which the tally does not count yet."""
        for event, refusal in refused:
            self.refused.append((event, refusal))
            self.tally[event.shop, event.domain, Outcome.QUARANTINED] += 1

    def refuse_strangers(self, events: Iterable[ChangeEvent | LoadMessage], refusal: Refusal) -> None:
        """Refuse events of shops that are not known; they count under no shop, since they may carry any name."""
        for event in events:
            self.refused.append((event, refusal))
            self.tally[NO_SHOP, event.domain, Outcome.QUARANTINED] += 1

    def refuse_changed(self, events: Collection[ChangeEvent]) -> None:
        """Refuse events that contradict an earlier one of their key, version and id, and are counted as superseded."""
        self.refuse((event, CONTENT_CHANGED) for event in events)
        for event in events:
            self.tally[event.shop, event.domain, Outcome.SUPERSEDED] -= 1

    @property
    def contradicted(self) -> list[ChangeEvent]:
        """Return the refused events that contradict an earlier one of their key, version and id."""
        return [
            event for event, refusal in self.refused if refusal is CONTENT_CHANGED and isinstance(event, ChangeEvent)
        ]

    def readmit(self, events: Collection[ChangeEvent]) -> None:
        """Count refused events as superseded: their rows say what they say, and what they contradict is wrong."""
        identities = set(map(id, events))
        self.refused[:] = [pair for pair in self.refused if id(pair[0]) not in identities]
        for event in events:
            self.tally[event.shop, event.domain, Outcome.QUARANTINED] -= 1
            self.tally[event.shop, event.domain, Outcome.SUPERSEDED] += 1


def sort_batch(batch: Iterable[ChangeEvent | LoadMessage | RejectedDelivery]) -> SortedBatch:
    """Sort a batch into its feeds, its rejected deliveries and the messages of full loads."""
    feeds: defaultdict[tuple[str, str, bool], list[ChangeEvent]] = defaultdict(list)
    rejected: list[RejectedDelivery] = []
    messages: list[LoadMessage] = []
    for item in batch:
        if isinstance(item, ChangeEvent):
            feeds[_feed(item)].append(item)
        elif isinstance(item, RejectedDelivery):
            rejected.append(item)
        else:
            messages.append(item)
    return SortedBatch(feeds, rejected, messages)


def plan_batch(batch: SortedBatch, stops: Callable[[str, str], bool], rules: VersionRules) -> Plan:
    """Decide a batch by the version rules and the switches (`stops(shop, domain)`).

    Of one key only the newest event remains: an event that is older than another of its key in the batch is superseded,
    as it would be a batch later.
    """
    plan = Plan(quarantine=batch.rejected.copy(), messages=batch.messages)
    for item in batch.rejected:
        plan.tally[item.shop, item.domain, Outcome.QUARANTINED] += 1
    for (domain, shop, by_time), arrived in sorted(batch.feeds.items(), key=itemgetter(0)):
        events, refused = split_by_rules((shop, domain), by_time, arrived, rules)
        plan.refuse(refused)
        if not events:
            continue
        plan.unknown.extend(filter(_unknown, events))
        off = stops(shop, domain)
        (plan.unloaded if off else plan.loaded).extend(filter(_load, events))
        plan.tally[shop, domain, Outcome.DISCARDED if off else Outcome.SUPERSEDED] = len(events)
        newest, changed = _newest(events)
        (plan.discard if off else plan.apply).setdefault(domain, []).extend(newest)
        # While off, nothing is compared with what came before: the key is missed either way.
        if changed and not off:
            plan.refuse_changed(changed)
    return plan


def _newest(events: Sequence[ChangeEvent]) -> tuple[Sequence[ChangeEvent], Sequence[ChangeEvent]]:
    """Return the newest event of each key, in key order, and those that contradict it under the same version and id."""
    if len(events) == 1:
        return events, ()
    newest: dict[tuple[object, ...], ChangeEvent] = {}
    changed: list[ChangeEvent] = []
    for event in events:
        known = newest.setdefault(event.key, event)
        if known is event:
            continue
        stamp, known_stamp = (event.version, event.event_id), (known.version, known.event_id)
        if stamp > known_stamp:
            newest[event.key] = event
        elif stamp == known_stamp and not same_content(event, known):
            changed.append(event)
    return [newest[key] for key in sorted(newest)], changed


def outcome_per_item(
    batch: Sequence[ChangeEvent | LoadMessage | RejectedDelivery], plan: Plan, applied: Iterable[ChangeEvent]
) -> list[Outcome]:
    """Return the outcomes in the batch's order; `applied` are those of `plan.apply` that are newer than their rows."""
    # By identity: an equal event that comes twice is applied once.
    winners = {id(event) for event in applied}
    refused = {id(event) for event, _ in plan.refused}
    outcomes = []
    for item in batch:
        if isinstance(item, RejectedDelivery) or id(item) in refused:
            outcomes.append(Outcome.QUARANTINED)
        elif not isinstance(item, ChangeEvent):
            outcomes.append(plan.message_outcomes.get(id(item), Outcome.APPLIED))
        elif plan.tally[item.shop, item.domain, Outcome.DISCARDED]:
            outcomes.append(Outcome.DISCARDED)
        elif id(item) in winners:
            winners.remove(id(item))
            outcomes.append(Outcome.APPLIED)
        else:
            outcomes.append(Outcome.SUPERSEDED)
    return outcomes
