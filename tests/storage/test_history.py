"""History of keys: versions with their outcomes, bounded for each key, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from control.upkeep import run_upkeep
from rules.retention import Retention
from storage.database import open_database
from storage.event_store import EventStore
from storage.history_tables import history
from storage.shop_rows import ShopStore
from storage.upkeep import Upkeep
from storage.views.history import Change, HistoryView
from tests.support.views_harness import ViewsHarness, change_event


class Kept(ViewsHarness):
    """A store that keeps three versions of each key."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.store = EventStore(self.fence, self.switchboard, "w1", history=3)
        self.view = HistoryView(self.engine)

    def only_key(self, domain: str = "prices") -> list[Change]:
        """Return the versions of the only key of a domain."""
        with self.engine.connect() as connection:
            [key] = set(connection.scalars(select(history.c.key).where(history.c.domain == domain)))
        return self.view.of_keys([("main", domain, key)])[("main", domain, key)]

    def count(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(history)) or 0


@pytest.fixture
def kept(any_database_url: str) -> Iterator[Kept]:
    open_database(any_database_url).close()
    kept = Kept(any_database_url)
    yield kept
    kept.engine.dispose()


def test_a_change_is_told_with_the_value_before(kept: Kept) -> None:
    kept.commit(change_event("prices", version=1, price="10.00"))
    kept.commit(change_event("prices", version=2, price="12.50"))
    newest, oldest = kept.only_key()
    assert (newest.version, newest.outcome, newest.changed) == (2, "applied", {"price": ("10.00", "12.50")})
    assert (oldest.version, oldest.changed) == (1, {})


def test_a_discarded_version_names_the_pause_that_discarded_it(kept: Kept) -> None:
    kept.commit(change_event("prices", version=1, price="10.00"))
    reply = kept.change("pause", domains=["prices"], reason="a new price list")
    kept.commit(change_event("prices", version=2, price="9.00"))
    kept.change("resume", domains=["prices"])
    newest = kept.only_key()[0]
    assert (newest.outcome, newest.changed) == ("discarded", {"price": ("10.00", "9.00")})
    assert newest.pause is not None
    assert (newest.pause.epoch, newest.pause.reason) == (reply.epoch, "a new price list")


def test_no_key_has_more_versions_than_are_kept_and_repeats_push_no_change_out(kept: Kept) -> None:
    for version in range(1, 7):
        kept.commit(change_event("prices", version=version, price=f"{version}.00"))
    for _ in range(5):
        kept.commit(change_event("prices", version=1, price="1.00"))
    found = kept.only_key()
    assert [change.version for change in found if change.outcome == "applied"] == [6, 5, 4]
    assert len([change for change in found if change.outcome == "superseded"]) == 3


def test_an_event_tells_what_became_of_it(kept: Kept) -> None:
    event = change_event("prices", version=5)
    kept.commit(event)
    kept.commit(event)
    assert [found.outcome for found in kept.view.of_event(event.event_id)] == ["superseded", "applied"]
    assert kept.view.of_event("unheard-of") == []


def test_a_deletion_is_told_and_what_follows_it_has_no_value_before(kept: Kept) -> None:
    kept.commit(change_event("stock", version=1))
    kept.commit(change_event("stock", version=2))
    assert {change.deleted for change in kept.only_key("stock")} == {False}


def test_customers_have_no_history_and_nothing_is_kept_unless_it_is_set(kept: Kept) -> None:
    kept.commit(change_event("customers"))
    assert kept.count() == 0
    EventStore(kept.fence, kept.switchboard, "w2").commit([change_event("prices")])
    assert kept.count() == 0


def test_a_shop_that_is_removed_takes_its_history_along(kept: Kept) -> None:
    kept.commit(change_event("prices"))
    assert ShopStore(kept.fence).count("main")["history"] == 1


def test_the_history_goes_once_no_versions_are_kept_any_more(kept: Kept) -> None:
    for version in range(1, 4):
        kept.commit(change_event("prices", version=version))
    kept_on = Upkeep(kept.fence, Retention(), "one")
    assert kept_on.claim()
    assert (run_upkeep(kept_on, threading.Event())["history"], kept.count()) == (0, 3)
    off = Upkeep(kept.fence, Retention(history=timedelta(0)), "one")
    assert off.counts()["history"] == 3
    assert (run_upkeep(off, threading.Event())["history"], kept.count()) == (3, 0)
    assert "history" not in off.counts()
