"""Asks the ERP to publish again what was missed, in messages of at most 500 keys, all of them confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice

from producers.messages import Fate, OutgoingMessage, Publish, PublishResult
from rules.actions import NotConfirmed
from schemas.resync import request_id, resync_event
from schemas.topology import RESYNC
from storage.missed import Piece

__all__ = ["ask_again"]

# So many are on their way at once: enough to hide the round trip, few enough to stop early and to stay small.
_AT_ONCE = 16


def ask_again(publish: Publish, pieces: Iterable[Piece], request: str, confirmed: Callable[[int], None]) -> int:
    """Publishes a message for each piece; tells as it goes how many keys the broker has confirmed, returns them all.

    Raises `NotConfirmed` at the first message that the broker has not taken.
    """
    asked, waiting = 0, iter(pieces)
    while some := list(islice(waiting, _AT_ONCE)):
        results = publish([_message(piece, request) for piece in some])
        taken = [len(piece.keys) for piece, result in zip(some, results, strict=True) if _is_confirmed(result)]
        if taken:
            confirmed(sum(taken))
        asked += sum(taken)
        for result in results:
            if not _is_confirmed(result):
                raise NotConfirmed(f"{_why(result)}; {asked} keys were asked for before that")
    return asked


def _message(piece: Piece, request: str) -> OutgoingMessage:
    identity = request_id(request, piece.shop, piece.domain, piece.keys)
    body = resync_event(identity, piece.shop, piece.domain, piece.keys, datetime.now(UTC))
    return OutgoingMessage(RESYNC, f"{piece.shop}.{piece.domain}", body, identity)


def _is_confirmed(result: PublishResult) -> bool:
    return result.fate is Fate.CONFIRMED


def _why(result: PublishResult) -> str:
    key = result.message.routing_key
    if result.fate is Fate.RETURNED:
        return (
            f"no queue is bound to the exchange {RESYNC} for {key}: bind the queue that the ERP reads to it, "
            f"with the routing key # or {key}, and ask again"
        )
    return f"the broker has not confirmed the request for {key} ({result.detail}): ask again later"
