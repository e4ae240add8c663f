"""Replay of quarantined messages, unchanged; a message leaves the quarantine once the broker has confirmed it.

If the process ends between the confirm and the delete, the message stays in the quarantine beside its published
copy. Another replay is harmless: the version of the key, or the id of the order, decides.
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

__all__ = ["ReplayFailure", "ReplayResult", "replay", "replay_batch"]

_DEFAULT_CONTENT_TYPE = "application/json"
_MOST_NAMED = 100


class ReplayFailure(NamedTuple):
    """A message that can't be replayed and stays in the quarantine, with the reason."""

    id: str
    why: str


@dataclass
class ReplayResult:
    """The counts of a replay of `chosen` messages.

    `replayed` have left the quarantine; `staying` can't be replayed now, and `refused` lists the first 100 of them;
    `left` were not tried, or their arrival is unknown: another replay holds them, the time was up, or the broker was
    lost (`error`).
    """

    chosen: int
    replayed: int = 0
    staying: int = 0
    refused: list[ReplayFailure] = field(default_factory=list)
    left: int = 0
    error: str | None = None


def replay(
    publish: Publish,
    quarantine: QuarantineStore,
    audit_id: str,
    filter: QuarantineFilter,
    selection: Selection,
    seconds: float | None = None,
) -> ReplayResult:
    """Replay the messages that pass the filter up to the end of the selection, oldest first, for at most `seconds`."""
    result, after = ReplayResult(selection.number), ""
    deadline = None if seconds is None else time.monotonic() + seconds
    while (deadline is None or time.monotonic() < deadline) and (
        batch := quarantine.claim(filter, selection.through, after)
    ):
        after = batch[-1].id
        replay_batch(publish, quarantine, audit_id, batch, result)
        if result.error is not None:
            break
    result.left = max(0, selection.number - result.replayed - result.staying)
    return result


def replay_batch(
    publish: Publish,
    quarantine: QuarantineStore,
    audit_id: str,
    batch: Sequence[QuarantinedMessage],
    total: ReplayResult,
) -> None:
    """Replay leased messages, remove those that the broker has confirmed, and add to the result."""
    messages, refused = _outgoing(batch)
    results = publish(messages) if messages else []
    fates = {fate: [result for result in results if result.fate is fate] for fate in Fate}
    # A message that no queue takes must not block the others.
    unpublished = (*fates[Fate.RETURNED], *fates[Fate.NACKED])
    refused += [ReplayFailure(_id(result), _reason(result)) for result in unpublished]
    if fates[Fate.CONFIRMED]:
        total.replayed += quarantine.remove(audit_id, [_id(result) for result in fates[Fate.CONFIRMED]])
    if staying := [*(failure.id for failure in refused), *(_id(result) for result in fates[Fate.UNKNOWN])]:
        quarantine.release(staying)
    total.staying += len(refused)
    total.refused += refused[: _MOST_NAMED - len(total.refused)]
    if fates[Fate.UNKNOWN]:
        total.error = _reason(fates[Fate.UNKNOWN][0])


def _outgoing(batch: Sequence[QuarantinedMessage]) -> tuple[list[OutgoingMessage], list[ReplayFailure]]:
    messages: list[OutgoingMessage] = []
    refused: list[ReplayFailure] = []
    for item in batch:
        try:
            route = replay_route(item.shop, item.domain, item.reason, item.routing_key, item.headers)
        except Conflict as conflict:
            refused.append(ReplayFailure(item.id, str(conflict)))
        else:
            # A message without a content type counts as JSON. It gets the type here, since not every broker preserves
            # its absence.
            content_type = item.content_type or _DEFAULT_CONTENT_TYPE
            messages.append(
                OutgoingMessage(route.exchange, route.routing_key, item.body, item.id, content_type, route.headers)
            )
    return messages, refused


def _id(result: PublishResult) -> str:
    return result.message.message_id


def _reason(result: PublishResult) -> str:
    message = result.message
    if result.fate is Fate.RETURNED:
        return (
            f"no queue is bound to the exchange {message.exchange} for {message.routing_key}: "
            "is a worker running, or has its queue been deleted?"
        )
    return f"the broker has not taken {message.message_id} ({result.detail}): replay it again later"
