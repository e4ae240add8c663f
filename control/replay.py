"""Publishes quarantined messages again, as they were; what is confirmed leaves the quarantine.

A message is removed only once the broker has it. If the process ends in between, it stays in the quarantine beside
the copy that is on its way, and replaying it again is harmless: the key's version, or the order's id, decides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from producers.messages import Fate, OutgoingMessage, Publish, PublishResult
from rules.actions import Conflict, replay_route
from storage.quarantine import QuarantinedMessage, QuarantineStore, Selection
from storage.views import QuarantineFilter

__all__ = ["ReplayFailure", "ReplayResult", "replay"]

_ASSUMED = "application/json"
_MOST_NAMED = 100


class ReplayFailure(NamedTuple):
    """A message that can't be replayed and stays where it is, with the reason."""

    id: str
    why: str


@dataclass
class ReplayResult:
    """What came of a replay of so many `chosen` messages.

    `replayed` have left the quarantine; `staying` can't be replayed as things stand, the first 100 of them named in
    `refused`; `left` were not tried, or nobody knows whether they have arrived: somebody else is replaying them, the
    time was up, or the broker was lost (`error`).
    """

    chosen: int
    replayed: int = 0
    staying: int = 0
    refused: list[ReplayFailure] = field(default_factory=list)
    left: int = 0
    error: str | None = None


def replay(
    publish: Publish,
    releasing: QuarantineStore,
    act: str,
    chosen: QuarantineFilter,
    span: Selection,
    seconds: float | None = None,
) -> ReplayResult:
    """Replays the chosen messages up to the newest of the span, the oldest first, for at most so long."""
    done, after, end = ReplayResult(span.number), "", None if seconds is None else time.monotonic() + seconds
    while (end is None or time.monotonic() < end) and (kept := releasing.claim(chosen, span.through, after)):
        after = kept[-1].id
        _replay_some(publish, releasing, act, kept, done)
        if done.error is not None:
            break
    done.left = max(0, span.number - done.replayed - done.staying)
    return done


def _replay_some(
    publish: Publish, releasing: QuarantineStore, act: str, kept: Sequence[QuarantinedMessage], done: ReplayResult
) -> None:
    messages, refused = _sorted_out(kept)
    results = publish(messages) if messages else []
    fates = {fate: [each for each in results if each.fate is fate] for fate in Fate}
    # One that no queue takes must not stand in the way of the others.
    refused += [ReplayFailure(_id(each), _why(each)) for each in (*fates[Fate.RETURNED], *fates[Fate.NACKED])]
    if fates[Fate.CONFIRMED]:
        done.replayed += releasing.remove(act, [_id(each) for each in fates[Fate.CONFIRMED]])
    if staying := [*(each.id for each in refused), *(_id(each) for each in fates[Fate.UNKNOWN])]:
        releasing.give_back(staying)
    done.staying += len(refused)
    done.refused += refused[: _MOST_NAMED - len(done.refused)]
    if fates[Fate.UNKNOWN]:
        done.error = _why(fates[Fate.UNKNOWN][0])


def _sorted_out(kept: Sequence[QuarantinedMessage]) -> tuple[list[OutgoingMessage], list[ReplayFailure]]:
    messages: list[OutgoingMessage] = []
    refused: list[ReplayFailure] = []
    for each in kept:
        try:
            way = replay_route(each.shop, each.domain, each.reason, each.headers)
        except Conflict as conflict:
            refused.append(ReplayFailure(each.id, str(conflict)))
        else:
            # Without a content type JSON is assumed; said here, since not every broker keeps that it was not.
            kind = each.content_type or _ASSUMED
            messages.append(OutgoingMessage(way.exchange, each.routing_key, each.body, each.id, kind, way.headers))
    return messages, refused


def _id(result: PublishResult) -> str:
    return result.message.message_id


def _why(result: PublishResult) -> str:
    message = result.message
    if result.fate is Fate.RETURNED:
        return (
            f"no queue is bound to the exchange {message.exchange} for {message.routing_key}: "
            "is a worker running, or has its queue been deleted?"
        )
    return f"the broker has not taken {message.message_id} ({result.detail}): replay it again later"
