"""One suite for what is remembered, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, select, update

from consumers.commit import commit
from consumers.delivery import Delivery
from control.switchboard import Switchboard
from rules.outcomes import Outcome, RejectedDelivery
from schemas.control import Command, ControlMessage, Reply
from schemas.events import parse_event
from schemas.reasons import Reason, Refusal
from storage.all_tables import every_table
from storage.engine import open_engine
from storage.entity_tables import ENTITY_TABLES
from storage.errors import SchemaOutdated
from storage.fence import PostgresFence, fence_holders
from storage.migrate import alembic_config, migrate, newest_revision, require_current
from storage.tables import metadata, switches
from storage.views import AuditFilter, MissedFilter, QuarantineFilter
from tests.support.event_samples import SAMPLES, sample_event
from tests.support.storage_harness import StorageHarness, stock_change


@pytest.fixture
def harness(any_database_url: str) -> Iterator[StorageHarness]:
    harness = StorageHarness(any_database_url)
    yield harness
    harness.engine.dispose()


@pytest.mark.parametrize("domain", SAMPLES)
def test_every_domain_is_written_and_deleted(harness: StorageHarness, domain: str) -> None:
    assert harness.commit(parse_event(domain, "main", sample_event(domain))) == {Outcome.APPLIED: 1}
    deleted = sample_event(domain, action="deleted", envelope={"sequence": "18447"})
    assert harness.commit(parse_event(domain, "main", deleted)) == {Outcome.APPLIED: 1}
    assert [(row["deleted"], row["version"]) for row in harness.rows(domain)] == [(True, 18447)]


def test_digits_times_and_lists_are_kept(harness: StorageHarness) -> None:
    body = sample_event("products", category_path=["a", "b"], attributes={"cor": "azul"}, net_weight_kg="1.5000")
    harness.commit(parse_event("products", "main", body))
    [row] = harness.rows("products")
    assert (row["category_path"], row["attributes"]) == (["a", "b"], {"cor": "azul"})
    assert row["net_weight_kg"] == Decimal("1.5")
    assert row["occurred_at"] == datetime(2026, 11, 23, 7, 22, 51, 123456, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["-23:59", "-16:00", "-10:00", "+09:59", "+15:59", "+16:00", "+23:59"])
def test_a_time_of_any_zone_is_its_instant(harness: StorageHarness, zone: str) -> None:
    begin = datetime.fromisoformat(f"2026-11-23T07:22:51{zone}")
    named, plain = (
        sample_event("prices", valid_from=text, valid_to=f"2026-11-25T00:00:00{zone}", envelope={"time": text})
        for text in (begin.isoformat(), begin.astimezone(UTC).isoformat())
    )
    assert harness.commit(parse_event("prices", "main", named)) == {Outcome.APPLIED: 1}
    assert harness.commit(parse_event("prices", "main", plain)) == {Outcome.SUPERSEDED: 1}
    [row] = harness.rows("prices")
    assert (row["valid_from"], row["occurred_at"]) == (begin, begin)


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ((2, "a"), (1, "z"), Outcome.SUPERSEDED),
        ((2, "a"), (2, "a"), Outcome.SUPERSEDED),
        ((2, "b"), (2, "a"), Outcome.SUPERSEDED),
        ((2, "a"), (2, "b"), Outcome.APPLIED),
        ((2, "z"), (2, "á"), Outcome.APPLIED),
        ((9, "a"), (10, "a"), Outcome.APPLIED),
    ],
)
def test_the_highest_version_and_then_the_highest_id_wins(
    harness: StorageHarness, first: tuple[int, str], second: tuple[int, str], outcome: Outcome
) -> None:
    harness.commit(stock_change(first[0], id=first[1]))
    assert harness.commit(stock_change(second[0], id=second[1])) == {outcome: 1}


def test_shops_do_not_touch_each_other(harness: StorageHarness) -> None:
    harness.commit(stock_change(5, shop="a"))
    assert harness.commit(stock_change(1, shop="b"), stock_change(4, shop="a")) == {
        Outcome.APPLIED: 1,
        Outcome.SUPERSEDED: 1,
    }


@pytest.mark.parametrize(
    ("applied", "discarded", "then", "missed"),
    [
        (None, 5, None, True),
        (4, 5, None, True),
        (5, 5, None, False),
        (6, 5, None, False),
        (None, 5, 4, True),
        (None, 5, 5, False),
        (None, 5, 6, False),
    ],
)
def test_a_key_is_missed_until_the_same_or_a_newer_version_is_applied(
    harness: StorageHarness, applied: int | None, discarded: int, then: int | None, missed: bool
) -> None:
    if applied is not None:
        harness.commit(stock_change(applied))
    harness.change("pause")
    assert harness.commit(stock_change(discarded)) == {Outcome.DISCARDED: 1}
    harness.change("resume")
    if then is not None:
        harness.commit(stock_change(then))
    assert bool(harness.views.rows(MissedFilter())) is missed


def test_a_row_that_the_database_refuses_is_quarantined_alone(database_url: str) -> None:
    harness = StorageHarness(database_url)
    long = "".join(chr(0x4E00 + (7919 * n) % 20000) for n in range(255))
    body = sample_event("stock", product_code=long, branch=long[::-1], warehouse=long[7:], lot=long[3:])
    items = [(Delivery("comporta.stock", 1, body, "main.stock", False, {}), parse_event("stock", "main", body))]
    good = [
        (Delivery("comporta.stock", n, b"", "main.stock", False, {}), stock_change(n, f"P{n}")) for n in range(2, 9)
    ]
    commit(harness.store, [*good[:3], *items, *good[3:]])
    assert len(harness.rows()) == 7
    assert [row["reason"] for row in harness.views.rows(QuarantineFilter())] == ["refused_by_database"]
    assert sum(harness.views.totals()["stock"].values()) == 8
    harness.engine.dispose()


def test_every_change_of_a_switch_is_counted_audited_and_announced(harness: StorageHarness) -> None:
    replies = [
        harness.change("pause", "m1"),
        harness.change("pause", "m1"),
        harness.change("pause"),
        harness.change("resume"),
        harness.change("resume"),
    ]
    assert [(reply.result, reply.epoch) for reply in replies] == [
        ("off", 1),
        ("unchanged", 1),
        ("unchanged", 1),
        ("on", 2),
        ("unchanged", 2),
    ]
    assert [row["result"] for row in reversed(harness.views.rows(AuditFilter()))] == [reply.result for reply in replies]
    assert [each.result for each in harness.announced] == ["off", "on"]
    assert replies[2].still_off[0].since == replies[0].still_off[0].since


def test_a_pause_that_has_run_out_stops_nothing_though_nobody_swept(harness: StorageHarness) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    assert harness.change("pause", until=until.isoformat()).result == "off"
    assert harness.commit(stock_change(1)) == {Outcome.DISCARDED: 1}
    with harness.engine.begin() as connection:
        connection.execute(update(switches).values(until=datetime.now(UTC) - timedelta(seconds=1)))
    assert harness.commit(stock_change(2)) == {Outcome.APPLIED: 1}
    assert [row["action"] for row in harness.views.rows(AuditFilter())] == ["expire", "pause"]
    assert harness.views.status().epoch == 2


def test_a_pause_waits_for_the_batch_in_hand_and_nothing_passes_after_it(harness: StorageHarness) -> None:
    inside, go, replies = threading.Event(), threading.Event(), list[Reply]()

    def batch() -> None:
        with harness.fence.shared():
            inside.set()
            go.wait(10)

    holder = threading.Thread(target=batch)
    pauser = threading.Thread(target=lambda: replies.append(harness.change("pause")))
    holder.start()
    assert inside.wait(10)
    pauser.start()
    pauser.join(0.2)
    assert not replies
    go.set()
    holder.join(10)
    pauser.join(10)
    assert replies[0].result == "off"
    assert harness.commit(stock_change(1)) == {Outcome.DISCARDED: 1}


def test_a_hanging_holder_of_the_fence_is_terminated(database_url: str) -> None:
    engine = open_engine(database_url)
    hanging = engine.connect()
    hanging.exec_driver_sql("SELECT pg_advisory_xact_lock_shared(1129270608, 1)")
    fence = PostgresFence(engine, report_after=0.1, limit=0.2)
    assert Switchboard(fence, lambda _: None).change(
        Command("pause", ControlMessage(reason="test"), "amqp")
    ).result == ("off")
    hanging.invalidate()
    hanging.close()
    engine.dispose()


def test_the_watch_spares_a_holder_who_has_got_the_fence_meanwhile(database_url: str) -> None:
    engine = open_engine(database_url)
    fence = PostgresFence(engine)
    with fence.exclusive() as connection:
        [own] = [holder.pid for holder in fence_holders(connection)]
        fence._report(own, terminate=True)
        assert connection.scalar(select(1)) == 1
    engine.dispose()


def _is_portable(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    # Indexes of one database alone are made by the migration, where its extensions are there.
    return kind != "index" or not (name or "").startswith(("search_", "missed_values"))


def test_the_migrations_make_what_the_tables_say(any_database_url: str) -> None:
    engine: Engine = open_engine(any_database_url)
    assert migrate(engine)[0] == migrate(engine)[1]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "include_object": _is_portable})
        assert compare_metadata(context, every_table()) == []
        if engine.dialect.name == "postgresql":
            options = "SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL AND relkind = 'r'"
            made = {name: said for name, said in connection.exec_driver_sql(options) if name in metadata.tables}
            assert made == {name: ["fillfactor=90"] for name in ENTITY_TABLES}
    engine.dispose()


def test_the_newest_revision_by_file_names_is_the_head_of_the_migrations() -> None:
    assert newest_revision() == ScriptDirectory.from_config(alembic_config()).get_current_head()


def test_an_empty_database_is_named_with_the_way_out(tmp_path: Any) -> None:
    with pytest.raises(SchemaOutdated, match="comporta migrate"):
        require_current(open_engine(f"sqlite:///{tmp_path / 'empty.db'}"))


def test_a_database_of_a_newer_program_is_named_with_the_way_out(any_database_url: str) -> None:
    engine = open_engine(any_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for attempt in (migrate, require_current):
        with pytest.raises(SchemaOutdated, match="9999, newer than this program knows: upgrade Comporta"):
            attempt(engine)
    engine.dispose()


def test_rubbish_makes_no_shop_known(harness: StorageHarness) -> None:
    refusal = Refusal(Reason.MALFORMED_JSON, "", "no JSON")
    harness.store.commit([RejectedDelivery("ghost", "stock", refusal, b"?", "ghost.stock", "", {}, redelivered=False)])
    assert harness.views.status().effective.keys() == {"main"}
    assert harness.views.status().quarantined == {"stock": 1}


def test_the_end_of_a_pause_changes_only_when_a_message_names_one(harness: StorageHarness) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    harness.change("pause", until=end.isoformat(), by="ana")
    assert harness.change("pause", by="bia").changed_ends == []
    reply = harness.change("pause", until=None, by="bia")
    assert (reply.result, [(each.old, each.new) for each in reply.changed_ends]) == ("unchanged", [(end, None)])
    [switch] = harness.views.status().switches
    assert (switch.by, switch.until) == ("ana", None)
    assert switch.end_change is not None
    assert (switch.end_change.before, switch.end_change.by) == (end, "bia")
    assert [row["subject"] for row in harness.views.rows(AuditFilter())][:2] == [
        f"*/*: {end.isoformat().replace('+00:00', 'Z')} → no end",
        None,
    ]
    harness.change("resume")
    harness.change("pause")
    assert [each.end_change for each in harness.views.status().switches] == [None]
