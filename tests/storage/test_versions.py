"""The kind of version of a feed, and versions that an operator forgets; on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control.actions import OperatorActions
from rules.actions import AuditContext, CountChanged
from rules.outcomes import Outcome
from rules.versions import FORGOTTEN
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Reason, Refusal
from storage.database import Database, open_database
from storage.event_store import EventStore
from storage.versions import VersionScope, VersionStore
from storage.views import AuditFilter, MissedFilter, QuarantineFilter
from tests.support.event_samples import SAMPLES, sample_event
from tests.support.storage_harness import StorageHarness, reject_event_at, stock_change

ANA = AuditContext("ana", "http", "the counter was restored")


class Place(StorageHarness):
    """A database with an operator at it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.database: Database = open_database(url)
        self.operator = OperatorActions(self.database, lambda _messages: [])

    def worker(self) -> EventStore:
        return EventStore(self.fence, self.switchboard, "w2")

    def reasons(self) -> list[str]:
        return [row["reason"] for row in self.views.rows(QuarantineFilter())]

    def last_action(self) -> tuple[Any, ...]:
        row = next(row for row in self.views.rows(AuditFilter()) if row["action"] == "versions-forget")
        return row["by"], row["reason"], row["shop"], row["domains"], row["count"], row["result"], row["subject"]

    def forget(self, *keys: tuple[Any, ...], domain: str = "stock", shop: str = "main") -> tuple[int, int, int]:
        return self.operator.forget_versions(VersionScope(shop, domain, keys or None), ANA)


@pytest.fixture
def place(any_database_url: str) -> Iterator[Place]:
    place = Place(any_database_url)
    yield place
    place.database.close()
    place.engine.dispose()


def by_time(days: float = 0.0, key: str = "P1", *, shop: str = "main", **envelope: Any) -> ChangeEvent:
    time = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    body = sample_event("stock", envelope={"sequence": None, "time": time, **envelope}, product_code=key)
    return parse_event("stock", shop, body)


def test_the_first_event_decides_the_kind_of_a_feed_for_every_worker(place: Place) -> None:
    assert place.commit(by_time(), stock_change(5)) == {Outcome.APPLIED: 1, Outcome.QUARANTINED: 1}
    for store in (place.store, place.worker()):
        batch = [stock_change(6, "P2")]
        assert store.commit(batch, reject_event_at(batch)).rejected[0].refusal.reason is Reason.VERSION_KIND
    # Another domain, and another shop, have kinds of their own.
    assert place.commit(stock_change(5, shop="other")) == {Outcome.APPLIED: 1}
    assert place.commit(parse_event("prices", "main", sample_event("prices"))) == {Outcome.APPLIED: 1}


def test_a_time_too_far_ahead_decides_nothing(place: Place) -> None:
    outcomes = place.commit(by_time(1.01, id="a"), stock_change(5), by_time(id="b"))
    assert outcomes == {Outcome.APPLIED: 1, Outcome.QUARANTINED: 2}
    assert place.reasons() == ["version_kind", "version_kind"]
    assert place.commit(by_time(1.01, shop="late")) == {Outcome.QUARANTINED: 1}
    assert place.commit(stock_change(5, shop="late")) == {Outcome.APPLIED: 1}


def test_a_time_may_lie_as_far_ahead_as_the_setting_says(place: Place) -> None:
    assert place.commit(by_time(0.99)) == {Outcome.APPLIED: 1}
    strict = EventStore(place.fence, place.switchboard, "w2", timedelta(seconds=60))
    batch = [by_time(0.5, "P2"), by_time(0, "P3")]
    assert [each.refusal.reason for each in strict.commit(batch, reject_event_at(batch)).rejected] == ["time_ahead"]


def test_a_sequence_is_no_time_and_may_be_as_high(place: Place) -> None:
    assert place.commit(stock_change(2**62)) == {Outcome.APPLIED: 1}


def test_an_event_that_is_discarded_decides_too(place: Place) -> None:
    place.change("pause")
    assert place.commit(stock_change(5)) == {Outcome.DISCARDED: 1}
    place.change("resume")
    batch = [by_time()]
    assert [each.refusal.reason for each in place.worker().commit(batch, reject_event_at(batch)).rejected] == [
        Reason.VERSION_KIND
    ]


def test_workers_that_begin_a_feed_at_once_agree_on_its_kind(place: Place) -> None:
    batches = [
        [by_time(key=f"P{n}") if number % 2 else stock_change(1, f"P{n}") for n in range(5)] for number in range(4)
    ]
    committed: list[Any] = []

    def work(batch: list[ChangeEvent]) -> None:
        committed.append(place.worker().commit(batch, reject_event_at(batch)))

    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(len(each.rejected) for each in committed) == [0, 0, 5, 5]
    assert {row["version"] > 1 for row in place.rows()} in ({True}, {False})


def test_what_the_database_refuses_decides_nothing(place: Place) -> None:
    class Stopped(Exception):
        pass

    def fail(_position: int, _refusal: Refusal) -> Any:
        raise Stopped

    with pytest.raises(Stopped):
        place.store.commit([by_time(), stock_change(5)], fail)
    assert place.commit(stock_change(5)) == {Outcome.APPLIED: 1}


def test_a_dry_run_foresees_what_the_rules_refuse(place: Place) -> None:
    place.commit(stock_change(5, id="a"))
    batch = [by_time(key="P2"), stock_change(5, id="a"), stock_change(5, id="a", action="deleted"), stock_change(6)]
    foreseen = place.database.dry_run.predict(batch)
    assert [(each.outcome.value, each.refusal and each.refusal.reason.value) for each in foreseen] == [
        ("quarantined", "version_kind"),
        ("superseded", None),
        ("quarantined", "content_changed"),
        ("applied", None),
    ]
    later: dict[tuple[str, str], bool] = {}
    elsewhere = parse_event("images", "main", sample_event("images"))
    assert place.database.dry_run.predict([elsewhere], later)[0].refusal is None
    assert later == {("main", "images"): False}


@pytest.mark.parametrize("later", [[], [stock_change(6)]], ids=["alone", "before a newer one"])
def test_a_wrong_event_makes_no_right_one_wrong_that_follows_it(place: Place, later: list[ChangeEvent]) -> None:
    right, wrong = stock_change(5, id="a"), stock_change(5, id="a", action="deleted")
    place.commit(right)
    batch = [wrong, stock_change(5, id="a"), stock_change(9, "P2"), *later]
    outcomes = [Outcome.SUPERSEDED, Outcome.APPLIED, *(Outcome.APPLIED for _ in later)]
    assert [each.outcome for each in place.database.dry_run.predict(batch)][1:] == outcomes
    committed = place.worker().commit(batch, reject_event_at(batch))
    assert [each.refusal.reason for each in committed.rejected] == ([] if later else [Reason.CONTENT_CHANGED])
    assert committed.tally["main", "stock", Outcome.APPLIED] == 1 + len(later)
    assert place.rows()[0]["deleted"] is False


def test_the_order_of_members_is_no_other_content(place: Place) -> None:
    def product(**attributes: str) -> ChangeEvent:
        return parse_event("products", "main", sample_event("products", attributes=attributes))

    assert place.commit(product(colour="red", size="M")) == {Outcome.APPLIED: 1}
    assert place.commit(product(size="M", colour="red")) == {Outcome.SUPERSEDED: 1}
    assert place.database.dry_run.predict([product(size="M", colour="red")], {})[0].outcome is Outcome.SUPERSEDED
    assert place.commit(product(size="L", colour="red")) == {Outcome.QUARANTINED: 1}
    assert place.reasons() == ["content_changed"]


def test_forgotten_keys_take_the_next_event_whatever_its_version(place: Place) -> None:
    place.commit(stock_change(2**61, "P1"), stock_change(2**61, "P2"), stock_change(2**61, "P3", action="deleted"))
    keys = [(code, *place_of("stock")) for code in ("P1", "P3", "P9")]
    assert place.operator.forget_versions(VersionScope("main", "stock", tuple(keys)), ANA, dry_run=True) == (2, 0, 0)
    assert place.forget(*keys) == (2, 0, 2)
    assert place.last_action() == ("ana", ANA.reason, "main", ["stock"], 2, "done", "3 keys")
    assert place.commit(*(stock_change(1, code) for code in ("P1", "P2", "P3"))) == {
        Outcome.APPLIED: 2,
        Outcome.SUPERSEDED: 1,
    }
    assert place.forget(*keys) == (2, 0, 2)


def place_of(domain: str) -> tuple[str, str, str]:
    data = SAMPLES[domain][1]
    return data["branch"], data["warehouse"], data.get("lot", "")


@pytest.mark.parametrize("domain", SAMPLES)
def test_a_whole_domain_is_forgotten_and_its_kind_decided_anew(place: Place, domain: str) -> None:
    place.commit(parse_event(domain, "main", sample_event(domain)), parse_event(domain, "other", sample_event(domain)))
    assert place.forget(domain=domain) == (1, 0, 1)
    assert [row["version"] for row in place.rows(domain) if row["shop"] == "main"] == [FORGOTTEN]
    again = parse_event(domain, "main", sample_event(domain, envelope={"sequence": None}))
    old = parse_event(domain, "other", sample_event(domain, envelope={"sequence": None}))
    # By this worker, which remembers the feed as it was.
    assert place.commit(again, old) == {Outcome.APPLIED: 1, Outcome.QUARANTINED: 1}
    assert place.last_action()[4:] == (1, "done", "every key")


def test_a_key_forgotten_while_it_is_missed_is_made_good_by_the_next_event(place: Place) -> None:
    place.commit(stock_change(3, "P1"))
    place.change("pause")
    place.commit(*(stock_change(2**61, code) for code in ("P1", "P2")))
    assert place.forget() == (1, 2, 2)
    # What is discarded afterwards is what is missed.
    place.commit(stock_change(5, "P1"))
    assert {row["key"]["product_code"]: row["version"] for row in place.views.rows(MissedFilter())} == {
        "P1": 5,
        "P2": FORGOTTEN,
    }
    place.change("resume")
    place.commit(stock_change(4, "P1"), stock_change(1, "P2"))
    assert [row["key"]["product_code"] for row in place.views.rows(MissedFilter())] == ["P1"]
    place.commit(stock_change(5, "P1"))
    assert place.views.rows(MissedFilter()) == []


def test_far_more_keys_than_expected_are_not_forgotten(place: Place) -> None:
    place.commit(*(stock_change(1, f"P{number}") for number in range(502)))
    with pytest.raises(CountChanged):
        place.operator.forget_versions(VersionScope("main", "stock"), ANA, expected=1)
    assert {row["version"] for row in place.rows()} == {1}
    assert place.operator.forget_versions(VersionScope("main", "stock"), ANA, expected=450).forgotten == 502


def test_keys_with_times_and_quantities_are_forgotten_in_steps(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.versions._AT_ONCE", 2)
    monkeypatch.setattr("storage.versions._PAGE", 4)
    events = [
        parse_event("prices", "main", sample_event("prices", min_qty=quantity, valid_from=f"2026-01-0{day}T00:00:00Z"))
        for quantity in ("2", "10", "2.5")
        for day in range(1, 4)
    ]
    place.commit(*events)
    assert place.forget(domain="prices") == (9, 0, 9)
    place.commit(*events)
    assert place.forget(*(event.key for event in events[:5]), domain="prices") == (5, 0, 5)


def test_a_run_that_ends_in_the_middle_is_repeated(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.versions._AT_ONCE", 2)
    monkeypatch.setattr("storage.versions._PAGE", 4)
    place.commit(*(stock_change(2**61, f"P{number}") for number in range(5)))
    forgetting = VersionStore(place.fence).forget(VersionScope("main", "stock"), "none")
    assert next(forgetting) == 2
    forgetting.close()
    assert sorted(row["version"] for row in place.rows()) == [FORGOTTEN] * 2 + [2**61] * 3
    assert place.forget() == (3, 0, 3)
    assert place.commit(*(stock_change(1, f"P{number}") for number in range(5))) == {Outcome.APPLIED: 5}


def test_a_key_of_a_customer_is_named_in_the_audit(place: Place) -> None:
    place.commit(parse_event("customers", "main", sample_event("customers", code="C1")))
    place.forget(("C1",), domain="customers")
    assert json.loads(place.last_action()[6]) == {"code": "C1"}
