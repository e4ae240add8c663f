"""Full loads: the state of a load and of its chunks, decided by counts and versions, never by the order of arrival.

A table of all cases is in docs/full-load.md.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from rules.switches import Scope
from schemas.key_ranges import EVERYTHING, Bound, KeyRange
from schemas.load_parts import WHOLE
from schemas.reasons import Reason, Refusal

if TYPE_CHECKING:
    from schemas.full_load import LoadBegun, LoadChunk, LoadCompleted

__all__ = [
    "DEFAULT_MAX_DELETES",
    "DEFAULT_TIMEOUT",
    "FEWEST_DELETES",
    "Chunk",
    "ChunkReason",
    "ChunkState",
    "Load",
    "LoadState",
    "announce_chunk",
    "begin_load",
    "complete_load",
    "deletes_allowed",
    "is_expired",
    "is_finished",
    "judge_chunk",
    "tombstone_id",
]

DEFAULT_TIMEOUT = timedelta(days=1)
DEFAULT_MAX_DELETES = 15.0
# A load may always delete so many keys.
FEWEST_DELETES = 50
# The highest character: a tombstone of a load beats every event of its own version, whatever its id.
_HIGHEST = "\U0010ffff"
_CHANGED = Refusal(
    Reason.CONTENT_CHANGED,
    "/data",
    "an earlier message of this load has said something else: read again, it is a new load",
)


class LoadState(StrEnum):
    """State of a load; all but the first two are final."""

    RUNNING = "running"
    HELD = "held"
    COMPLETED = "completed"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ChunkState(StrEnum):
    """State of a chunk: `complete` has all its keys, `counted` knows what it would delete, `settled` has deleted it."""

    OPEN = "open"
    INCOMPLETE = "incomplete"
    COMPLETE = "complete"
    COUNTED = "counted"
    SETTLED = "settled"


class ChunkReason(StrEnum):
    """Reason why a chunk is incomplete, or has deleted nothing."""

    DISCARDED = "discarded"
    QUARANTINED = "quarantined"
    MISSING = "missing"
    TOO_MANY_KEYS = "too_many_keys"
    NO_ROWS = "no_rows"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: what its announcement says (None until it came), and the distinct keys that it has named so far.

    `cursor` is the key at which counting or deleting goes on.
    """

    number: int
    version: int | None = None
    range: KeyRange = EVERYTHING
    count: int | None = None
    seen: int = 0
    discarded: int = 0
    quarantined: int = 0
    state: ChunkState = ChunkState.OPEN
    reason: ChunkReason | None = None
    would_delete: int = 0
    deleted: int = 0
    cursor: Bound | None = None

    @property
    def is_complete(self) -> bool:
        """Return whether every key of the chunk has been seen."""
        return self.state in (ChunkState.COMPLETE, ChunkState.COUNTED, ChunkState.SETTLED)


@dataclass(frozen=True, slots=True)
class Load:
    """A load: its version, None until it has begun; its numbers of chunks and of keys, None until all of it was sent.

    `allowed` is the number of keys that it may delete; None until it is asked for.
    """

    shop: str
    domain: str
    load_id: str
    changed_at: datetime
    version: int | None = None
    state: LoadState = LoadState.RUNNING
    chunks: int | None = None
    count: int | None = None
    seen: int = 0
    deleted: int = 0
    allowed: int | None = None

    @property
    def scope(self) -> Scope:
        """Return the shop and the domain."""
        return self.shop, self.domain

    @property
    def is_active(self) -> bool:
        """Return whether the load can still delete anything."""
        return self.state in (LoadState.RUNNING, LoadState.HELD)

    @property
    def is_empty(self) -> bool:
        """Return whether the ERP says that it has no rows at all; such a load deletes nothing."""
        return self.count == 0 and self.seen == 0

    @property
    def knows_rows(self) -> bool:
        """Return whether it is known that the load has rows, or has none: until then an empty chunk waits."""
        return self.seen > 0 or self.is_empty

    def version_of(self, chunk: Chunk) -> int | None:
        """Return the version of a chunk's tombstones; without chunks the load's own."""
        return self.version if chunk.number == WHOLE else chunk.version

    def count_of(self, chunk: Chunk) -> int | None:
        """Return the number of distinct keys of a chunk; None while it is not known."""
        if chunk.number != WHOLE:
            return chunk.count
        return self.count if self.chunks is None else None


def begin_load(load: Load, message: LoadBegun) -> Load | Refusal:
    """Return the load that has begun; the same one if the message is a repeat."""
    if load.version is None:
        return replace(load, version=message.version)
    return load if load.version == message.version else _CHANGED


def complete_load(load: Load, message: LoadCompleted) -> Load | Refusal:
    """Return the load that the ERP has sent to its end; the same one if the message is a repeat."""
    if load.count is None:
        return replace(load, chunks=message.chunks, count=message.count)
    return load if (load.chunks, load.count) == (message.chunks, message.count) else _CHANGED


def announce_chunk(chunk: Chunk, message: LoadChunk) -> Chunk | Refusal:
    """Return the announced chunk; the same one if the message is a repeat, is too old, or came after the deletions.

    A chunk that was read again has a higher version, and is counted anew from its announcement.
    """
    if chunk.state is ChunkState.SETTLED or (chunk.version is not None and message.version < chunk.version):
        return chunk
    announced = (message.version, message.range, message.count)
    if chunk.version is None:
        version, keys, count = announced
        return replace(chunk, version=version, range=keys, count=count)
    if (chunk.version, chunk.range, chunk.count) == announced:
        return chunk
    if message.version == chunk.version:
        return _CHANGED
    return Chunk(chunk.number, message.version, message.range, message.count)


def judge_chunk(load: Load, chunk: Chunk) -> Chunk:
    """Return the chunk in the state that its counts say."""
    count = load.count_of(chunk)
    if chunk.state is ChunkState.SETTLED:
        return chunk
    if count is not None and load.version_of(chunk) is not None:
        if chunk.seen == count:
            return chunk if chunk.is_complete else _restarted(chunk, ChunkState.COMPLETE, None)
        if chunk.seen > count:
            return _restarted(chunk, ChunkState.INCOMPLETE, ChunkReason.TOO_MANY_KEYS)
    if chunk.discarded:
        return _restarted(chunk, ChunkState.INCOMPLETE, ChunkReason.DISCARDED)
    if chunk.quarantined:
        return _restarted(chunk, ChunkState.INCOMPLETE, ChunkReason.QUARANTINED)
    return _restarted(chunk, ChunkState.OPEN, None)


def _restarted(chunk: Chunk, state: ChunkState, reason: ChunkReason | None) -> Chunk:
    return replace(chunk, state=state, reason=reason, would_delete=0, cursor=None)


def is_finished(load: Load, settled: Collection[int]) -> bool:
    """Return whether a load has begun, was sent to its end, and has settled every chunk."""
    if load.version is None or load.count is None:
        return False
    if load.chunks is None:
        return WHOLE in settled
    return sum(1 <= number <= load.chunks for number in settled) == load.chunks


def is_expired(load: Load, now: datetime, resumed_at: datetime | None, timeout: timedelta) -> bool:
    """Return whether nothing of a load has come for too long; the time of a pause doesn't count."""
    last = load.changed_at if resumed_at is None else max(load.changed_at, resumed_at)
    return load.state is LoadState.RUNNING and now - last > timeout


def deletes_allowed(live: int, deleted: int, percent: float) -> int:
    """Return the number of keys that a load may delete without a confirmation."""
    return max(FEWEST_DELETES, int((live + deleted) * percent / 100))


def tombstone_id(load_id: str) -> str:
    """Return the event id of the tombstones of a load."""
    return f"{_HIGHEST}{load_id}"
