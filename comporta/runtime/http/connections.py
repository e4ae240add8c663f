"""Table of open connections: at the limit the one that is missed least gives way to a new one."""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from typing import Protocol

from comporta.runtime.http.limits import RESERVED_CONNECTIONS, HttpLimits

__all__ = ["Connection", "ConnectionTable", "Stage"]


class Stage(IntEnum):
    """State of a connection; those of a lower stage give way first."""

    LEAVING = 0
    """Answered for the last time; the rest of its input is dropped."""
    SILENT = 1
    """Without a complete request head."""
    IDLE = 2
    """Between two requests."""
    STALLED = 3
    """Does not take its response."""
    SENDING = 4
    """Sends the body of a request."""
    WORKING = 5
    """Waits for its response; gives way to nobody."""


class Connection(Protocol):
    """Connection as the table sees it: its address, its stage and the time since which it has it."""

    address: str
    stage: Stage
    since: float

    def evict(self) -> None:
        """Close the connection at once."""

    def check(self, now: float) -> None:
        """Close the connection if it is past one of its limits."""


class ConnectionTable:
    """Table of a server's connections, used in the thread of its event loop."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        # Insertion order is the order of age, so that the oldest of a stage is found at once.
        self._stages: dict[Stage, dict[Connection, None]] = {stage: {} for stage in Stage}
        self._addresses: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
        self._most = limits.connections
        self.evicted = 0

    def __len__(self) -> int:
        return sum(len(stage) for stage in self._stages.values())

    @property
    def crowded(self) -> bool:
        """Return whether only the reserve is left, since no connection could give way."""
        return len(self) > self._most

    def admit(self, connection: Connection) -> bool:
        """Add a connection, in place of another where there are too many; False if there is no room for it."""
        if not self._make_room_at(connection.address):
            return False
        if len(self) >= self._most and not self.evict(1) and len(self) >= self._most + RESERVED_CONNECTIONS:
            return False
        self._stages[connection.stage][connection] = None
        self._addresses[connection.address][connection] = None
        return True

    def move(self, connection: Connection, stage: Stage, now: float) -> None:
        """Record that a connection has reached another stage."""
        if connection.stage is stage:
            return
        members = self._stages[connection.stage]
        # A connection that was not admitted, or was evicted, is in no stage.
        if connection in members:
            del members[connection]
            self._stages[stage][connection] = None
        connection.stage, connection.since = stage, now

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._stages[connection.stage].pop(connection, None)
        neighbours = self._addresses.get(connection.address)
        if neighbours is not None:
            neighbours.pop(connection, None)
            if not neighbours:
                del self._addresses[connection.address]

    def evict(self, number: int) -> int:
        """Close up to so many connections that can give way; return their number."""
        done = 0
        for stage in Stage:
            while stage is not Stage.WORKING and done < number and self._stages[stage]:
                self._evict(next(iter(self._stages[stage])))
                done += 1
        return done

    def halve(self) -> int:
        """Lower the limit to half of what is open, so that the rest of the process has descriptors; return how many
        connections were closed for it. The limit rises again by one at each check."""
        self._most = max(1, min(self._most, len(self) // 2))
        return self.evict(len(self) - self._most)

    def check(self, now: float) -> None:
        """Close the connections that are past one of their limits."""
        self._most = min(self._most + 1, self._limits.connections)
        for stage in self._stages.values():
            for connection in list(stage):
                connection.check(now)

    def _make_room_at(self, address: str) -> bool:
        neighbours = self._addresses.get(address, {})
        if len(neighbours) < self._limits.per_address or self._limits.exempt(address):
            return True
        least = min(neighbours, key=lambda one: (one.stage, one.since))
        if least.stage is Stage.WORKING:
            return False
        self._evict(least)
        return True

    def _evict(self, connection: Connection) -> None:
        self.remove(connection)
        self.evicted += 1
        connection.evict()
