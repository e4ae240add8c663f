"""The index that leads to a missed key, the narrow one or the primary key of an upgraded database, with all actions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, text

from rules.actions import AuditContext
from schemas.domains import DOMAINS
from storage.audit import AuditEntry, AuditLog
from storage.engine import open_engine
from storage.entities import key_text
from storage.missed import MissedKeys, Piece
from storage.missed_index import VALUES, is_narrow, place_of
from storage.missed_requests import MissedRequests
from storage.missed_rows import clear_missed
from storage.switches import missed_domains, read_for_batch
from storage.tables import missed
from storage.versions import VersionScope, VersionStore
from storage.views import MissedFilter
from tests.support.storage_harness import StorageHarness, stock_change
from tests.support.views_harness import change_event
from tests.support.wide_missed import widen_missed

NASTY = ['"', "\\", '\\"', '","branch":"', '"lot":', ":", "branch", "{", "}", "é", "a", "b", "~", "!", "#", "", "0"]
FIXED = {"valid_from": datetime(2026, 1, 1, tzinfo=UTC)}


class IndexHarness(StorageHarness):
    """Missed stock keys."""

    def discard(self, *keys: str, version: int = 1) -> None:
        self.change("pause")
        self.commit(*(stock_change(version, key) for key in sorted(keys)))

    def missed(self, **filters: Any) -> list[str]:
        return [row["key"]["product_code"] for row in self.views.rows(MissedFilter(**filters), 1000)]


@pytest.fixture(params=["narrow", "wide"])
def harness(request: pytest.FixtureRequest, database_url: str) -> Iterator[IndexHarness]:
    harness = IndexHarness(database_url)
    if request.param == "wide":
        widen_missed(harness.engine)
    with harness.engine.connect() as connection:
        assert is_narrow(connection) is (request.param == "narrow")
    yield harness
    harness.engine.dispose()


def stock_key(code: str) -> str:
    return key_text("stock", stock_change(1, code).key)


def nasty_key(domain: str, first: str, second: str) -> str:
    names = DOMAINS[domain].key_fields
    values = [FIXED.get(name, value) for name, value in zip(names, [first, second, *NASTY], strict=False)]
    return key_text(domain, values)


def test_a_new_database_has_the_narrow_index_and_an_upgraded_one_the_primary_key(harness: IndexHarness) -> None:
    indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'missed' AND indexdef LIKE 'CREATE UNIQUE%'"
    with harness.engine.connect() as connection:
        narrow = is_narrow(connection)
        assert list(connection.scalars(text(indexes))) == ["missed_values" if narrow else "missed_pkey"]


def test_a_key_is_recorded_once_and_cleared_by_its_version(harness: IndexHarness) -> None:
    codes = [f"P{number}" for number in range(20)]
    harness.discard(*codes)
    harness.discard(*codes, version=2)
    assert sorted(harness.missed()) == sorted(codes)
    harness.change("resume")
    harness.commit(*(stock_change(1, code) for code in codes[:5]))
    assert sorted(harness.missed()) == sorted(codes)
    harness.commit(*(stock_change(2, code) for code in codes[:5]))
    assert sorted(harness.missed()) == sorted(codes[5:])


def test_pieces_hold_each_key_once_and_requests_are_remembered(harness: IndexHarness) -> None:
    codes = [f"P{number:02}" for number in range(25)]
    harness.discard(*codes)
    keys = MissedKeys(harness.fence)
    scopes = keys.scopes(MissedFilter())
    pieces = list(keys.pieces(MissedFilter(), scopes, 10))
    assert [len(piece.keys) for piece in pieces] == [10, 10, 5]
    named = [json.loads(key)["product_code"] for piece in pieces for key in piece.keys]
    assert named == codes
    MissedRequests(harness.fence, after=timedelta(0)).remember([*pieces[:1], Piece("main", "stock", ("gone",))], "ana")
    asked = [row["key"]["product_code"] for row in harness.views.rows(MissedFilter(), 1000) if row["asked_by"] == "ana"]
    assert sorted(asked) == codes[:10]


def test_exact_keys_are_found_and_every_row_is_read(harness: IndexHarness) -> None:
    harness.discard("P1", "P2", "P3")
    [first, *_] = [row["key"] for row in harness.views.rows(MissedFilter())]
    text_of_first = key_text("stock", [first[name] for name in DOMAINS["stock"].key_fields])
    assert harness.missed(shop="main", domain="stock", keys=(text_of_first,)) == [first["product_code"]]
    assert harness.missed(keys=(text_of_first,)) == [first["product_code"]]
    every = [row["key"]["product_code"] for row in harness.views.every(MissedFilter())]
    assert sorted(every) == ["P1", "P2", "P3"]


def test_versions_are_forgotten(harness: IndexHarness) -> None:
    harness.discard("P1", "P2", "P3")
    store = VersionStore(harness.fence)
    keys = tuple(event.key for event in (stock_change(1, "P1"), stock_change(1, "P2")))
    for scope, number in ((VersionScope("main", "stock", keys), 2), (VersionScope("main", "stock"), 3)):
        assert store.count(scope).missed == number
        with AuditLog(harness.fence).open(AuditEntry("versions-forget", AuditContext("ana", "cli"))) as entry:
            assert sum(store.forget(scope, entry.id)) == number
        harness.discard("P1", "P2", "P3", version=2)


def test_a_batch_reads_no_more_than_its_keys(harness: IndexHarness) -> None:
    fill = text(
        "INSERT INTO missed (domain, shop, key, version, event_id, discarded_at) "
        "SELECT 'stock', 'main', replace(:key, 'P0', 'P' || n), 1, 'e', now() FROM generate_series(1, 40000) AS n"
    )
    with harness.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(fill, {"key": stock_key("P0")})
        connection.exec_driver_sql("ANALYZE missed")
    with harness.fence.shared() as connection:
        # As from the sixth execution on, when the plan no longer depends on the values.
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        scans = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'missed'")
        before = connection.scalar(scans)
        state = read_for_batch(connection)
        assert state.missed
        assert missed_domains(connection, DOMAINS) == {"stock"}
        clear_missed(connection, "products", [change_event("products")], narrow=state.narrow)
        events = [stock_change(1, f"P{number}") for number in range(1, 51)]
        clear_missed(connection, "stock", events, narrow=state.narrow)
        assert connection.scalar(scans) == before
        assert connection.scalar(select(func.count()).select_from(missed)) == 40_000 - 50


def test_the_place_of_a_key_is_the_same_in_python_and_in_the_database(database_url: str) -> None:
    keys = {
        (
            domain,
            key_text(domain, [FIXED.get(name, value) for name, value in zip(kind.key_fields, values, strict=True)]),
        )
        for domain, kind in DOMAINS.items()
        for first, second in product(NASTY, NASTY)
        for values in [[first, second, *NASTY][: len(kind.key_fields)]]
    }
    query = text(
        "SELECT domain, key, " + VALUES.replace(":", "\\:") + " AS place "
        "FROM json_to_recordset(CAST(:rows AS json)) AS given(domain text, key text)"
    )
    engine = open_engine(database_url)
    with engine.connect() as connection:
        rows = orjson.dumps([{"domain": domain, "key": key} for domain, key in keys]).decode()
        places = {(row.domain, row.key): row.place for row in connection.execute(query, {"rows": rows})}
    engine.dispose()
    assert places == {(domain, key): place_of(domain, key, narrow=True) for domain, key in keys}
    for domain, kind in DOMAINS.items():
        ordered = [
            places[domain, key].encode()
            for _, key in sorted((key.encode(), key) for each, key in keys if each == domain)
        ]
        # In the order of the keys, and unique like them.
        assert sorted(set(ordered)) == ordered, domain
        assert not [place for place in ordered for name in kind.key_fields if f'"{name}":'.encode() in place]
    assert place_of("another", '{"code":"1"}', narrow=True) == '{"code":"1"}'
