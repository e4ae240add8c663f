"""Settlement of full loads: counting and deleting what their chunks have not named, in small steps.

A step looks for work outside the fence, counts there, and forgets keys there. What it writes of loads and rows follows
in a fenced transaction, which locks the load last, after the rows that it deletes, and takes everything back if a batch
has changed the load or the chunk meanwhile. One process at a time takes steps.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, exists, func, or_, select, text, update

from rules.full_load import (
    DEFAULT_MAX_DELETES,
    DEFAULT_TIMEOUT,
    FEWEST_DELETES,
    Chunk,
    ChunkReason,
    ChunkState,
    LoadState,
    deletes_allowed,
    is_expired,
    is_finished,
)
from rules.switches import Switches
from schemas.events import ChangeEvent
from storage.changes import record_if_on
from storage.entities import apply_and_return
from storage.fence import Fence
from storage.load_cleanup import forget_keys, forget_loads
from storage.load_keys import count_live, count_page, page_end, unnamed_keys
from storage.load_missed import settle_missed
from storage.load_tables import load_chunks, loads
from storage.load_tombstones import tombstones
from storage.loads import (
    StoredLoad,
    active_loads,
    end_load,
    lock_load,
    next_chunk,
    read_chunk,
    ready_loads,
    superseded_load,
    write_chunk,
    write_load,
)
from storage.missed_index import is_narrow
from storage.missed_rows import clear_missed
from storage.switches import read_switches

__all__ = ["LoadSettlement", "pending_deletes"]

# So few rows, and so few tombstones, that a pause, which waits for the running step, waits for milliseconds.
_PAGE = 1_000
_MOST_TOMBSTONES = 250
# Pages that are counted in one step, outside the fence.
_COUNTED = 10
_ANYTHING = select(or_(exists(1).where(~load_chunks.c.cleared), exists(1).where(loads.c.ended_at.is_(None))))
_TURN = text("SELECT pg_try_advisory_xact_lock(:space, :number)").bindparams(space=0x434F4D50, number=2)


class _Changed(Exception):
    """A batch has changed the load since the step read it: the step is taken back, and another one follows."""


class _Count(NamedTuple):
    """A complete chunk, and the same chunk with a page of its rows counted."""

    stored: StoredLoad
    chunk: Chunk
    counted: Chunk


class LoadSettlement:
    """Settlement of every load; `max_deletes` is a percentage of the rows of a shop's domain."""

    def __init__(
        self,
        fence: Fence,
        max_deletes: float = DEFAULT_MAX_DELETES,
        timeout: timedelta = DEFAULT_TIMEOUT,
        page: int = _PAGE,
    ) -> None:
        self._fence = fence
        self._max_deletes = max_deletes
        self._timeout = timeout
        self._page = page
        self._has_more = False
        # Missed keys of a finished load that were looked at already, by the load's number; lost without harm.
        self._missed_after: dict[int, str] = {}

    def step(self) -> bool:
        """Take one step; return whether another may follow at once."""
        # Asked outside the fence, since mostly there is nothing; after a step there mostly is.
        if not (self._has_more or self._is_anything_to_do()):
            return False
        self._has_more = False
        try:
            more = self._take_step()
        except _Changed:
            more = True
        self._has_more = more
        return more

    def _take_step(self) -> bool:
        with self._fence.outside() as connection:
            found = self._look(connection)
        if isinstance(found, bool):
            return found
        with self._fence.shared() as connection:
            switches = read_switches(connection)
            # A batch or the heartbeat ends the pause first, so that all see it alike.
            if switches.overdue or not _is_our_turn(connection):
                return False
            if found is None:
                return self._step(connection, switches)
            if switches.stops(*found.stored.load.scope):
                return False
            return self._write(connection, found.stored, found.counted, switches.now, expected=found.chunk)

    def _look(self, connection: Connection) -> _Count | bool | None:
        """Return a count to be written, None if the fence is needed for something else, or whether more may follow.

        Keys that are needed no longer are forgotten first: most looks find either those or a chunk to count.
        """
        switches = read_switches(connection)
        if switches.overdue or not _is_our_turn(connection):
            return False
        more = forget_keys(connection)
        active = active_loads(connection)
        if superseded_load(active) is not None:
            return None
        for stored in ready_loads(connection) if active else ():
            if not switches.stops(*stored.load.scope) and (chunk := next_chunk(connection, stored)) is not None:
                if chunk.state is not ChunkState.COMPLETE or stored.load.is_empty:
                    return None
                return _Count(stored, chunk, self._count(connection, stored, chunk))
        if any(self._end_of(connection, stored, switches) for stored in active):
            return None
        return forget_loads(connection, switches.now) if more is None else more

    def _is_anything_to_do(self) -> bool:
        with self._fence.glance() as connection:
            return bool(connection.scalar(_ANYTHING))

    def _step(self, connection: Connection, switches: Switches) -> bool:
        # Before all else: the newer load may be about to end, and would then supersede nothing.
        active = active_loads(connection)
        older = superseded_load(active)
        if older is not None:
            return self._end(connection, older, LoadState.SUPERSEDED, switches.now)
        for stored in ready_loads(connection):
            if not switches.stops(*stored.load.scope) and (chunk := next_chunk(connection, stored)) is not None:
                return self._settle(connection, stored, chunk, switches.now)
        return any(self._wind_up(connection, stored, switches) for stored in active)

    def _end_of(self, connection: Connection, stored: StoredLoad, switches: Switches) -> LoadState | None:
        """Return the state in which a load may end now; None if it goes on."""
        if switches.stops(*stored.load.scope):
            return None
        if is_finished(stored.load, _settled(connection, stored)):
            return LoadState.COMPLETED
        expired = is_expired(stored.load, switches.now, _resumed_at(switches, stored), self._timeout)
        return LoadState.EXPIRED if expired else None

    def _wind_up(self, connection: Connection, stored: StoredLoad, switches: Switches) -> bool:
        match self._end_of(connection, stored, switches):
            case None:
                return False
            case LoadState.COMPLETED:
                return self._finish(connection, stored, switches.now)
            case state:
                return self._end(connection, stored, state, switches.now)

    def _settle(self, connection: Connection, stored: StoredLoad, chunk: Chunk, now: datetime) -> bool:
        if stored.load.is_empty:
            settled = replace(chunk, state=ChunkState.SETTLED, reason=ChunkReason.NO_ROWS)
            return self._write(connection, stored, settled, now, expected=chunk)
        if chunk.state is ChunkState.COMPLETE:
            # It has completed since: it is counted outside the fence first.
            return True
        return self._delete(connection, stored, chunk, now)

    def _count(self, connection: Connection, stored: StoredLoad, chunk: Chunk) -> Chunk:
        more, end = count_page(connection, stored.load, stored.number, chunk, _COUNTED * self._page)
        counted = replace(chunk, would_delete=chunk.would_delete + more, cursor=end)
        if end is not None:
            return counted
        # A chunk that has nothing to delete needs no second pass; what a held load has waits for its operator.
        is_done = not counted.would_delete and stored.load.state is not LoadState.HELD
        return replace(counted, state=ChunkState.SETTLED if is_done else ChunkState.COUNTED)

    def _delete(self, connection: Connection, stored: StoredLoad, chunk: Chunk, now: datetime) -> bool:
        load = stored.load
        end = page_end(connection, load, chunk, self._page)
        keys = unnamed_keys(connection, load, stored.number, chunk, end, _MOST_TOMBSTONES)
        if len(keys) == _MOST_TOMBSTONES:
            # The next step begins with the last of them, which is deleted then.
            end = keys[-1]
        if load.deleted + len(keys) > max(load.allowed or 0, FEWEST_DELETES):
            # Rows came meanwhile that the chunk has not named either: counted anew, they meet the guard.
            again = replace(chunk, state=ChunkState.COMPLETE, would_delete=0, cursor=None)
            return self._write(connection, stored, again, now, expected=chunk)
        applied: list[ChangeEvent] = []
        written = 0
        if keys:
            events = tombstones(load, load.version_of(chunk) or 0, keys)
            applied = apply_and_return(connection, load.domain, events, now)
            written = len(applied)
            clear_missed(connection, load.domain, events, narrow=is_narrow(connection))
        deleted = replace(
            chunk,
            would_delete=max(chunk.would_delete - written, 0) if end is not None else 0,
            deleted=chunk.deleted + written,
            cursor=end,
            state=ChunkState.COUNTED if end is not None else ChunkState.SETTLED,
        )
        more = self._write(connection, stored, deleted, now, expected=chunk, deleted=written)
        record_if_on(connection, applied, now)
        return more

    def _write(
        self,
        connection: Connection,
        stored: StoredLoad,
        chunk: Chunk,
        now: datetime,
        *,
        expected: Chunk,
        deleted: int = 0,
    ) -> bool:
        """Write a chunk, if the load and the chunk are as the step has read them."""
        locked = _locked(connection, stored)
        if read_chunk(connection, locked, chunk.number) != expected:
            raise _Changed
        write_chunk(connection, locked, chunk, now)
        load = replace(locked.load, deleted=locked.load.deleted + deleted)
        if chunk.state is ChunkState.COUNTED and expected.state is ChunkState.COMPLETE:
            total = load.deleted + pending_deletes(connection, locked.number)
            if total > max(load.allowed or 0, FEWEST_DELETES):
                allowed = deletes_allowed(count_live(connection, load), load.deleted, self._max_deletes)
                load = replace(load, allowed=max(allowed, load.allowed or 0))
                if total > (load.allowed or 0):
                    load = replace(load, state=LoadState.HELD)
        if load != locked.load:
            write_load(connection, load)
        return True

    def _finish(self, connection: Connection, stored: StoredLoad, now: datetime) -> bool:
        if not stored.load.is_empty:
            after = settle_missed(connection, stored, self._missed_after.get(stored.number, ""), now)
            if after is not None:
                self._missed_after[stored.number] = after
                return True
        self._missed_after.pop(stored.number, None)
        return self._end(connection, stored, LoadState.COMPLETED, now)

    def _end(self, connection: Connection, stored: StoredLoad, state: LoadState, now: datetime) -> bool:
        locked = _locked(connection, stored)
        if locked.load.changed_at != stored.load.changed_at and state is LoadState.EXPIRED:
            raise _Changed
        if state is LoadState.EXPIRED:
            missing = {"state": ChunkState.INCOMPLETE.value, "reason": ChunkReason.MISSING.value}
            open_chunks = (load_chunks.c.load == stored.number, load_chunks.c.state == ChunkState.OPEN.value)
            connection.execute(update(load_chunks).where(*open_chunks).values(missing))
        end_load(connection, locked.load, state, now)
        return True


def pending_deletes(connection: Connection, number: int) -> int:
    """Return the number of keys that the counted chunks of a load have still to delete."""
    counted = (load_chunks.c.load == number, load_chunks.c.state == ChunkState.COUNTED.value)
    return int(connection.scalar(select(func.sum(load_chunks.c.would_delete)).where(*counted)) or 0)


def _is_our_turn(connection: Connection) -> bool:
    return connection.dialect.name != "postgresql" or bool(connection.scalar(_TURN))


def _locked(connection: Connection, stored: StoredLoad) -> StoredLoad:
    locked = lock_load(connection, stored.load.scope, stored.load.load_id)
    if locked is None or (locked.load.state, locked.load.version) != (stored.load.state, stored.load.version):
        raise _Changed
    return locked


def _settled(connection: Connection, stored: StoredLoad) -> set[int]:
    if stored.load.version is None or stored.load.count is None:
        return set()
    settled = (load_chunks.c.load == stored.number, load_chunks.c.state == ChunkState.SETTLED.value)
    return set(connection.scalars(select(load_chunks.c.chunk).where(*settled)))


def _resumed_at(switches: Switches, stored: StoredLoad) -> datetime | None:
    changes = (switch.changed_at for switch in switches.by_scope.values() if switch.touches(*stored.load.scope))
    return max(changes, default=None)
