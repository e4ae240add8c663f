"""Outcomes: one for each delivery of a batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

from schemas.events import ChangeEvent
from schemas.reasons import Refusal

__all__ = ["Decoded", "Outcome", "Plan", "RejectedDelivery", "Tally", "outcome_per_item", "plan_batch"]
Tally = Counter[tuple[str, str, "Outcome"]]
Message = TypeVar("Message")


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


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch sorted into outcomes: per domain the newest event of each key, in key order.

    `tally` counts the events of `apply` as superseded, until the database has compared them with its rows. `unknown`
    has the events with fields that are ignored.
    """

    apply: dict[str, list[ChangeEvent]] = field(default_factory=dict)
    discard: dict[str, list[ChangeEvent]] = field(default_factory=dict)
    quarantine: list[RejectedDelivery] = field(default_factory=list)
    tally: Tally = field(default_factory=Counter)
    unknown: list[ChangeEvent] = field(default_factory=list)


def plan_batch(batch: Sequence[ChangeEvent | RejectedDelivery], stops: Callable[[str, str], bool]) -> Plan:
    """Sort a batch by the switches (`stops(shop, domain)`); of one key only the newest event remains.

    An event that is older than another of its key in the batch is superseded, as it would be a batch later.
    """
    plan = Plan()
    by_scope: defaultdict[tuple[str, str], list[ChangeEvent]] = defaultdict(list)
    for item in batch:
        if isinstance(item, RejectedDelivery):
            plan.quarantine.append(item)
            plan.tally[item.shop, item.domain, Outcome.QUARANTINED] += 1
            continue
        by_scope[item.domain, item.shop].append(item)
        if item.unknown:
            plan.unknown.append(item)
    for (domain, shop), events in sorted(by_scope.items(), key=itemgetter(0)):
        off = stops(shop, domain)
        plan.tally[shop, domain, Outcome.DISCARDED if off else Outcome.SUPERSEDED] = len(events)
        target = plan.discard if off else plan.apply
        target.setdefault(domain, []).extend(_newest(events))
    return plan


def _newest(events: Sequence[ChangeEvent]) -> Sequence[ChangeEvent]:
    """Return the newest event of each key, in key order."""
    if len(events) == 1:
        return events
    newest: dict[tuple[object, ...], ChangeEvent] = {}
    for event in events:
        known = newest.setdefault(event.key, event)
        if known is not event and (event.version, event.event_id) > (known.version, known.event_id):
            newest[event.key] = event
    return [newest[key] for key in sorted(newest)]


def outcome_per_item(
    batch: Sequence[ChangeEvent | RejectedDelivery], plan: Plan, applied: Iterable[ChangeEvent]
) -> list[Outcome]:
    """Return the outcomes in the batch's order; `applied` are those of `plan.apply` that are newer than their rows."""
    # By identity: an equal event that comes twice is applied once.
    winners = {id(event) for event in applied}
    outcomes = []
    for item in batch:
        if isinstance(item, RejectedDelivery):
            outcomes.append(Outcome.QUARANTINED)
        elif plan.tally[item.shop, item.domain, Outcome.DISCARDED]:
            outcomes.append(Outcome.DISCARDED)
        elif id(item) in winners:
            winners.remove(id(item))
            outcomes.append(Outcome.APPLIED)
        else:
            outcomes.append(Outcome.SUPERSEDED)
    return outcomes
