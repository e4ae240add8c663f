"""Limits of the HTTP server: which connection gives way, which address may hold more, and which lines are logged."""

from __future__ import annotations

import asyncio
import logging
import resource

import pytest

from comporta.runtime.http import limits
from comporta.runtime.http.connections import ConnectionTable, Stage
from comporta.runtime.http.limits import RESERVED_CONNECTIONS, HttpLimits, HttpSettings, file_limit, trusted_proxies
from comporta.runtime.http.quiet_log import OncePerSecond
from comporta.runtime.http.turns import Turns


class FakeConnection:
    """Connection of the table that remembers whether it gave way."""

    def __init__(self, address: str = "192.0.2.1", stage: Stage = Stage.SILENT, since: float = 0.0) -> None:
        self.address, self.stage, self.since = address, stage, since
        self.evicted = False

    def evict(self) -> None:
        self.evicted = True

    def check(self, now: float) -> None:
        raise AssertionError("not asked for")


class QuietConnection(FakeConnection):
    """Connection that is past no limit."""

    def check(self, now: float) -> None:
        pass


def table_of(connections: int, per_address: int = 1000) -> ConnectionTable:
    return ConnectionTable(HttpLimits(connections, per_address, exempt=trusted_proxies("127.0.0.1,10.0.0.0/8")))


def test_the_oldest_that_has_asked_for_nothing_gives_way_first() -> None:
    table = table_of(4)
    working, idle, old, young = (
        FakeConnection(stage=stage) for stage in (Stage.WORKING, Stage.IDLE, Stage.SILENT, Stage.SILENT)
    )
    for connection in (working, idle, old, young):
        assert table.admit(connection)
    for loser in (old, young):
        assert table.admit(FakeConnection(stage=Stage.WORKING))
        assert loser.evicted
    assert table.admit(FakeConnection(stage=Stage.WORKING))
    assert (idle.evicted, working.evicted, len(table), table.crowded) == (True, False, 4, False)


def test_when_all_are_at_work_a_reserve_is_left_and_then_nothing() -> None:
    table = table_of(2)
    for _ in range(2):
        assert table.admit(FakeConnection(stage=Stage.WORKING))
    assert not table.crowded
    for _ in range(RESERVED_CONNECTIONS):
        assert table.admit(FakeConnection(stage=Stage.WORKING))
        assert table.crowded
    assert not table.admit(FakeConnection())


def test_without_descriptors_half_of_the_connections_give_way_and_the_limit_recovers() -> None:
    table = table_of(12)
    connections = [QuietConnection() for _ in range(10)]
    for connection in connections:
        assert table.admit(connection)
    assert table.halve() == 5
    assert [connection.evicted for connection in connections] == [True] * 5 + [False] * 5
    assert table.admit(QuietConnection())
    assert len(table) == 5
    for _ in range(3):
        table.check(0.0)
    for _ in range(5):
        assert table.admit(QuietConnection())
    assert len(table) == 8


def test_a_stage_counts_from_its_beginning() -> None:
    table = table_of(2)
    first, second = FakeConnection(), FakeConnection()
    assert table.admit(first)
    assert table.admit(second)
    table.move(first, Stage.SENDING, 1.0)
    table.move(first, Stage.SILENT, 2.0)
    assert (first.stage, first.since) == (Stage.SILENT, 2.0)
    assert table.admit(FakeConnection())
    assert (first.evicted, second.evicted) == (False, True)


def test_a_connection_that_gave_way_is_not_counted_again() -> None:
    table = table_of(1)
    first = FakeConnection()
    assert table.admit(first)
    assert table.admit(FakeConnection())
    table.move(first, Stage.WORKING, 1.0)
    table.remove(first)
    assert len(table) == 1


@pytest.mark.parametrize(("address", "held"), [("192.0.2.7", 2), ("127.0.0.1", 5), ("10.1.2.3", 5)])
def test_an_address_holds_its_share_unless_it_is_a_proxy(address: str, held: int) -> None:
    table = table_of(100, per_address=2)
    connections = [FakeConnection(address, since=number) for number in range(5)]
    for connection in connections:
        assert table.admit(connection)
    assert [connection.evicted for connection in connections] == [True] * (5 - held) + [False] * held


def test_an_address_whose_requests_are_all_at_work_gets_no_more() -> None:
    table = table_of(100, per_address=1)
    assert table.admit(FakeConnection(stage=Stage.WORKING))
    assert not table.admit(FakeConnection())
    assert table.admit(FakeConnection("192.0.2.8"))


def test_descriptors_bound_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, connections in ((1024, 752), (128, 48), (resource.RLIM_INFINITY, 1_000_000)):
        monkeypatch.setattr(limits.resource, "getrlimit", lambda _which, files=files: (files, files))
        assert file_limit() == connections
        assert HttpLimits.of(HttpSettings()).connections == min(500, connections)


def test_any_address_may_be_a_proxy() -> None:
    assert trusted_proxies("*")("192.0.2.1")
    assert trusted_proxies("2001:db8::/32, unix:")("2001:db8::1")
    assert not trusted_proxies("")("127.0.0.1")
    assert not trusted_proxies("127.0.0.1")("not an address")


def test_warnings_are_logged_once_a_second_and_errors_always() -> None:
    now = [0.0]
    throttle = OncePerSecond(lambda: now[0])

    def passes(level: int = logging.WARNING) -> str | None:
        record = logging.LogRecord("x", level, "x", 1, "refused: %s", ("noise",), None)
        return record.getMessage() if throttle.filter(record) else None

    assert [passes(), passes(), passes(), passes(logging.ERROR)] == ["refused: noise", None, None, "refused: noise"]
    now[0] = 1.5
    assert passes() == "refused: noise (2 more since the last line)"


def test_no_connection_keeps_the_event_loop_for_long() -> None:
    parsed: list[str] = []
    now = [0.0]

    class Body:
        def __init__(self, name: str, pieces: int) -> None:
            self.name, self.pieces = name, pieces

        def parse_piece(self) -> bool:
            parsed.append(self.name)
            now[0] += 0.004
            self.pieces -= 1
            return self.pieces > 0

    async def run() -> None:
        turns = Turns(asyncio.get_running_loop(), lambda: now[0])
        turns.add(Body("a", 3))
        turns.add(Body("b", 2))
        for _ in range(5):
            await asyncio.sleep(0)
            parsed.append("|")

    asyncio.run(run())
    assert "".join(parsed).rstrip("|") == "ab|ab|a"
