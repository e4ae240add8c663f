"""Resync requests: the ERP is asked to publish missed keys again, in confirmed messages of at most 500 keys."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice

from producers.http_resync import BY_HTTP
from producers.messages import Fate, OutgoingMessage, Publish, PublishResult
from rules.actions import NotConfirmed
from schemas.resync import request_id, resync_event
from schemas.topology import RESYNC
from storage.missed import Piece

__all__ = ["check_confirmed", "request_resync"]

# Messages in flight at once: enough to hide the round trip, few enough to stop early and to save memory.
_AT_ONCE = 16


def request_resync(
    publish: Publish, pieces: Iterable[Piece], request: str, on_confirmed: Callable[[Sequence[Piece]], None]
) -> int:
    """Publish a message for each piece, and return the number of keys that the broker has confirmed.

    `on_confirmed` gets their pieces batch by batch. Raises `NotConfirmed` at the first unconfirmed message.
    """
    requested = 0
    with closing(_batches(pieces)) as batches:
        for batch in batches:
            results = publish([_message(piece, request) for piece in batch])
            confirmed = [piece for piece, result in zip(batch, results, strict=True) if _is_confirmed(result)]
            if confirmed:
                on_confirmed(confirmed)
            requested += sum(len(piece.keys) for piece in confirmed)
            check_confirmed(results, requested, "keys")
    return requested


def _batches(pieces: Iterable[Piece]) -> Generator[list[Piece]]:
    """Yield the pieces in batches; the next batch is read, by a thread, while the caller works on this one."""
    remaining = iter(pieces)

    def read() -> list[Piece]:
        return list(islice(remaining, _AT_ONCE))

    with ThreadPoolExecutor(1, "resync-read") as reader:
        following = reader.submit(read)
        while batch := following.result():
            following = reader.submit(read)
            yield batch


def check_confirmed(results: Sequence[PublishResult], requested: int, noun: str) -> None:
    """Raise `NotConfirmed` if a request is not confirmed, with the number of those before."""
    for result in results:
        if not _is_confirmed(result):
            raise NotConfirmed(f"{_reason(result)}; {requested} {noun} were asked for before that")


def _message(piece: Piece, request: str) -> OutgoingMessage:
    identity = request_id(request, piece.shop, piece.domain, piece.keys)
    body = resync_event(identity, piece.shop, piece.domain, piece.keys, datetime.now(UTC))
    return OutgoingMessage(RESYNC, f"{piece.shop}.{piece.domain}", body, identity)


def _is_confirmed(result: PublishResult) -> bool:
    return result.fate is Fate.CONFIRMED


def _reason(result: PublishResult) -> str:
    key = result.message.routing_key
    if result.fate is Fate.RETURNED:
        return (
            f"no queue is bound to the exchange {RESYNC} for {key}: bind the queue that the ERP reads to it, "
            f"with the routing key # or {key}, and repeat the request"
        )
    if result.fate is Fate.NACKED and result.detail.startswith(BY_HTTP):
        return f"{result.detail}; the request for {key} is to be repeated later"
    return f"the broker has not confirmed the request for {key} ({result.detail}): repeat the request later"
