"""Recorder of full loads: what a batch says of them, in the transaction that commits the batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection

from rules.full_load import Chunk, ChunkState, Load, announce_chunk, begin_load, complete_load, judge_chunk
from rules.outcomes import Outcome, Plan, RejectedDelivery
from rules.switches import Scope
from rules.versions import TIME_AHEAD
from schemas.binary import amqp_attributes
from schemas.domains import DOMAINS, NO_SHOP
from schemas.events import ChangeEvent, load_json
from schemas.full_load import LoadBegun, LoadChunk, LoadCompleted, LoadMessage
from schemas.load_parts import WHOLE, LoadPart, part_in
from schemas.reasons import Refusal, Refused
from storage.feeds import read_feeds
from storage.load_counts import count_keys
from storage.load_keys import add_keys, clear_keys, keys_of
from storage.loads import StoredLoad, lock_load, open_load, read_chunks, write_chunk, write_load

__all__ = ["LoadRecord", "LoadWork", "load_work", "record_loads"]

_LoadKey = tuple[str, str, str]
_part_of: Callable[[ChangeEvent], tuple[str, str, LoadPart | None]] = attrgetter("shop", "domain", "load")


@dataclass(frozen=True, slots=True)
class LoadWork:
    """The part of a batch that concerns full loads: events that were applied or superseded, and those that were not.

    `positions` has the place of each item in the batch by its identity (`id`), if a chunk is announced in it.
    """

    named: Sequence[ChangeEvent] = ()
    discarded: Sequence[ChangeEvent] = ()
    quarantined: Sequence[tuple[Scope, LoadPart]] = ()
    messages: Sequence[LoadMessage] = ()
    positions: Mapping[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.named or self.discarded or self.quarantined or self.messages)


_NOTHING = LoadWork()


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """The outcome of each message by its identity (`id`), the refused ones, and whether something can be settled."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    refused: list[tuple[LoadMessage, Refusal]] = field(default_factory=list)
    progress: bool = False


@dataclass(slots=True)
class _Part:
    """The part of a batch that concerns one load; the events that name its keys are sorted by chunk."""

    named: dict[int, list[ChangeEvent]] = field(default_factory=dict)
    discarded: list[ChangeEvent] = field(default_factory=list)
    quarantined: Counter[int] = field(default_factory=Counter)
    messages: list[LoadMessage] = field(default_factory=list)

    @property
    def only_names(self) -> bool:
        """Return whether it names keys and does nothing else, as most batches of a load."""
        return bool(self.named) and not (self.discarded or self.quarantined or self.messages)


def load_work(plan: Plan, batch: Sequence[object]) -> LoadWork:
    """Return the part of a batch's plan that concerns full loads; of an ordinary batch it is empty."""
    if not (plan.loaded or plan.unloaded or plan.messages or plan.quarantine or plan.refused):
        return _NOTHING
    refused = {id(item) for item, _ in plan.refused}
    quarantined = [
        ((item.shop, item.domain), item.load) for item, _ in plan.refused if isinstance(item, ChangeEvent) and item.load
    ]
    for rejected in plan.quarantine:
        if rejected.domain in DOMAINS and rejected.shop != NO_SHOP and (part := part_of_rejected(rejected)):
            quarantined.append(((rejected.shop, rejected.domain), part))
    named = [event for event in plan.loaded if id(event) not in refused] if refused else plan.loaded
    announced = any(isinstance(message, LoadChunk) for message in plan.messages)
    positions = {id(item): position for position, item in enumerate(batch)} if announced else {}
    return LoadWork(named, plan.unloaded, quarantined, plan.messages, positions)


def part_of_rejected(item: RejectedDelivery) -> LoadPart | None:
    """Return the part of a load that a refused delivery names, None if it names none that can be read."""
    try:
        attributes = amqp_attributes(item.headers)
        if attributes is None and b"loadid" in item.body:
            attributes = load_json(item.body)
    except Refused:
        return None
    return part_in(attributes) if isinstance(attributes, dict) else None


def record_loads(connection: Connection, work: LoadWork, now: datetime, latest: int) -> LoadRecord:
    """Write what a batch says of loads; `latest` is the highest version that a time may stand for.

    The loads are locked in one order, after every row of the batch: so two batches never wait for each other.
    """
    record = LoadRecord()
    parts = _by_load(connection, work, record, latest)
    progress = False
    for (shop, domain, load_id), part in sorted(parts.items()):
        if part.only_names and not _judged_chunks(connection, (shop, domain, load_id), part, now):
            continue
        stored = lock_load(connection, (shop, domain), load_id)
        if stored is None:
            # Only the first batch of a load: each of the others would pay for it.
            open_load(connection, (shop, domain), load_id, now)
            stored = lock_load(connection, (shop, domain), load_id)
        if stored is None or not stored.load.is_active:
            _ignore(record, part.messages)
            continue
        progress |= _LoadWriter(connection, stored, now, record, work.positions).write(part)
    return replace(record, progress=progress)


def _judged_chunks(connection: Connection, load: _LoadKey, part: _Part, now: datetime) -> Collection[int]:
    """Count the keys of each open chunk; leave those chunks in the part that have to be read and judged."""
    shop, domain, load_id = load
    for chunk, events in sorted(part.named.items()):
        counted = count_keys(connection, (shop, domain), LoadPart(load_id, chunk), events, now)
        if counted is None:
            continue
        if counted.may_be_complete:
            # Its keys are recorded: only its state is left.
            part.named[chunk] = []
        else:
            del part.named[chunk]
    return part.named


def _by_load(connection: Connection, work: LoadWork, record: LoadRecord, latest: int) -> Mapping[_LoadKey, _Part]:
    parts: defaultdict[_LoadKey, _Part] = defaultdict(_Part)
    for (shop, domain, load), events in groupby(work.named, _part_of):
        if load is not None:
            parts[shop, domain, load.load_id].named.setdefault(load.chunk, []).extend(events)
    for event in work.discarded:
        if event.load is not None:
            parts[event.shop, event.domain, event.load.load_id].discarded.append(event)
    for (shop, domain), part in work.quarantined:
        parts[shop, domain, part.load_id].quarantined[part.chunk] += 1
    ahead = _ahead(connection, work.messages, latest)
    for message in work.messages:
        if id(message) in ahead:
            record.refused.append((message, TIME_AHEAD))
        else:
            parts[message.shop, message.domain, message.load_id].messages.append(message)
    return parts


def _ahead(connection: Connection, messages: Iterable[LoadMessage], latest: int) -> set[int]:
    """Return the messages of feeds whose versions are times, with a version too far ahead of the database's clock.

    A tombstone of such a version would freeze its key.
    """
    high = [message for message in messages if not isinstance(message, LoadCompleted) and message.version > latest]
    if not high:
        return set()
    by_time = read_feeds(connection, {(message.shop, message.domain) for message in high})
    return {id(message) for message in high if by_time.get((message.shop, message.domain))}


def _ignore(record: LoadRecord, messages: Iterable[LoadMessage]) -> None:
    for message in messages:
        record.outcomes[id(message)] = Outcome.SUPERSEDED


class _LoadWriter:
    """One load, locked, while a batch changes it."""

    def __init__(
        self,
        connection: Connection,
        stored: StoredLoad,
        now: datetime,
        record: LoadRecord,
        positions: Mapping[int, int],
    ) -> None:
        self._connection = connection
        self._stored = stored
        self._now = now
        self._record = record
        self._positions = positions
        # The place in the batch from which on a chunk is counted anew.
        self._anew: dict[int, int] = {}
        self._load = replace(stored.load, changed_at=max(now, stored.load.changed_at))
        self._chunks: dict[int, Chunk] = {}
        self._before: dict[int, Chunk] = {}

    def write(self, part: _Part) -> bool:
        """Write the part of a batch; return whether a chunk has all its keys now, or the load may have ended."""
        numbers = {*part.named, *part.quarantined} | {event.load.chunk for event in part.discarded if event.load}
        numbers |= {message.chunk for message in part.messages if isinstance(message, LoadChunk)}
        if any(isinstance(message, LoadBegun | LoadCompleted) for message in part.messages):
            numbers.add(WHOLE)
        self._before = {chunk.number: chunk for chunk in read_chunks(self._connection, self._stored, numbers)}
        self._chunks = {number: self._before.get(number, Chunk(number)) for number in numbers}
        # First: the chunk of a new version is counted anew from its announcement.
        for message in part.messages:
            self._take(message)
        for number, events in sorted(part.named.items()):
            self._add_keys(number, events)
        discarded = Counter(event.load.chunk for event in part.discarded if event.load and self._counts(event))
        self._add_failures(discarded, part.quarantined)
        return self._finish()

    def _take(self, message: LoadMessage) -> None:
        changed: Load | Chunk | Refusal
        match message:
            case LoadBegun():
                changed = begin_load(self._load, message)
                unchanged = changed is self._load
            case LoadCompleted():
                changed = complete_load(self._load, message)
                unchanged = changed is self._load
            case LoadChunk():
                changed = announce_chunk(self._chunks[message.chunk], message)
                unchanged = changed is self._chunks[message.chunk]
        match changed:
            case Refusal():
                self._record.refused.append((message, changed))
                return
            case Load():
                self._load = changed
            case Chunk():
                self._announced(changed, self._positions[id(message)])
        self._record.outcomes[id(message)] = Outcome.SUPERSEDED if unchanged else Outcome.APPLIED

    def _counts(self, event: ChangeEvent) -> bool:
        """Return whether an event is of the last reading of its chunk, rather than of one before."""
        since = self._anew.get(event.load.chunk) if event.load else None
        return since is None or self._positions[id(event)] > since

    def _announced(self, chunk: Chunk, position: int) -> None:
        old = self._chunks[chunk.number]
        if old.version not in (None, chunk.version):
            self._anew[chunk.number] = position
        if old.seen and not chunk.seen:
            clear_keys(self._connection, self._stored.number, chunk.number)
            self._load = replace(self._load, seen=self._load.seen - old.seen)
        self._chunks[chunk.number] = chunk

    def _add_keys(self, number: int, events: Sequence[ChangeEvent]) -> None:
        chunk = self._chunks[number]
        counted = [event for event in events if self._counts(event)] if number in self._anew else events
        if not counted or chunk.state is ChunkState.SETTLED:
            return
        keys = keys_of(self._load.domain, counted)
        more = add_keys(self._connection, self._stored.number, number, keys)
        self._chunks[number] = replace(chunk, seen=chunk.seen + more)
        self._load = replace(self._load, seen=self._load.seen + more)

    def _add_failures(self, discarded: Counter[int], quarantined: Counter[int]) -> None:
        for number in {*discarded, *quarantined}:
            chunk = self._chunks[number]
            self._chunks[number] = replace(
                chunk,
                discarded=chunk.discarded + discarded[number],
                quarantined=chunk.quarantined + quarantined[number],
            )

    def _finish(self) -> bool:
        progress = self._load.version != self._stored.load.version or self._load.count != self._stored.load.count
        for number, chunk in sorted(self._chunks.items()):
            judged = judge_chunk(self._load, chunk)
            before = self._before.get(number)
            # A load has a whole chunk only if it has no others, or if an event of it names none.
            is_whole = self._load.count is not None and self._load.chunks is None
            empty = number == WHOLE and before is None and judged == Chunk(WHOLE) and not is_whole
            if judged != before and not empty:
                write_chunk(self._connection, self._stored, judged, self._now)
            progress |= judged.is_complete and not (before is not None and before.is_complete)
        write_load(self._connection, self._load)
        return progress
