"""Known shops: who becomes known by a message, what an unknown one's messages become, and how a shop is erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from comporta.runtime.shop_list import ShopList
from control.shops import ShopActions
from control.switchboard import Switchboard
from rules.actions import AuditContext, Conflict, NotFound
from rules.outcomes import Outcome, RejectedDelivery
from rules.shops import ShopRules
from schemas.control import Command, ControlMessage, Reply
from schemas.events import ChangeEvent
from schemas.reasons import Refusal
from storage.event_store import EventStore
from storage.order_store import OrderStore
from storage.shop_rows import of_shop, shop_tables
from storage.shops import known_shops
from storage.tables import feeds, ledger, quarantine, shops, switches
from storage.views import AuditFilter, QuarantineFilter
from tests.support.order_events import decoded_order, placed
from tests.support.storage_harness import StorageHarness, reject_event_at, stock_change

ANA = AuditContext("ana", "cli", "closed")


class Place(StorageHarness):
    """A database whose workers follow rules for shops."""

    def follow(self, rules: ShopRules) -> None:
        """Start a worker, a switchboard and operators' actions with these rules."""
        self.store = EventStore(self.fence, self.switchboard, "w1", shop_rules=rules)
        self.orders = OrderStore(self.fence, "w1", shop_rules=rules)
        self.switchboard = Switchboard(self.fence, self.announced.append, rules)
        self.actions = ShopActions(self.fence, rules)

    def known(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(known_shops(connection))

    def counted(self, table: Any) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def pause(self, shop: str, action: Any = "pause", **fields: Any) -> Reply:
        message = ControlMessage.model_validate({"reason": "test", "shop": shop, **fields})
        return self.switchboard.change(Command(action, message, "amqp", user_id="ana"))


@pytest.fixture
def place(any_database_url: str) -> Iterator[Place]:
    place = Place(any_database_url)
    place.follow(ShopRules())
    yield place
    place.engine.dispose()


@pytest.fixture
def sqlite_place(sqlite_url: str) -> Iterator[Place]:
    place = Place(sqlite_url)
    place.follow(ShopRules())
    yield place
    place.engine.dispose()


def of_shops(*shops: str, version: int = 1) -> list[ChangeEvent]:
    return [stock_change(version, shop=shop) for shop in shops]


def rejected_order(refusal: Refusal) -> RejectedDelivery:
    return RejectedDelivery("nroth", "orders", refusal, b"{}", "nroth", "", {}, False)


def test_a_shop_becomes_known_by_its_first_event_or_order(place: Place) -> None:
    place.commit(*of_shops("north"))
    place.orders.commit([decoded_order(placed("1"), "south")])
    assert place.known() == ["north", "south"]


def test_beyond_the_bound_a_shop_is_quarantined_and_counts_under_no_shop(place: Place) -> None:
    place.follow(ShopRules(most=2))
    assert place.commit(*of_shops("a", "b", "c")) == {Outcome.APPLIED: 2, Outcome.QUARANTINED: 1}
    [row] = place.views.rows(QuarantineFilter())
    assert (row["shop"], row["reason"]) == ("c", "unknown_shop")
    assert place.known() == ["a", "b"]
    assert place.commit(*of_shops("a", "b", "d", version=2)) == {Outcome.APPLIED: 2, Outcome.QUARANTINED: 1}
    with place.engine.connect() as connection:
        assert set(connection.scalars(select(ledger.c.shop))) == {"a", "b", "?"}
        assert set(connection.scalars(select(feeds.c.shop))) == {"a", "b"}


def test_every_worker_keeps_the_bound(place: Place) -> None:
    place.follow(ShopRules(most=1))
    others = EventStore(place.fence, place.switchboard, "w2", shop_rules=ShopRules(most=1))
    place.commit(*of_shops("a"))
    batch = of_shops("a", "b")
    assert others.commit(batch, reject_event_at(batch)).tally["a", "stock", Outcome.SUPERSEDED] == 1
    assert place.known() == ["a"]


def test_a_closed_table_takes_events_and_orders_of_its_shops_alone(place: Place) -> None:
    place.follow(ShopRules(open=False))
    assert place.actions.add("north", ANA) is True
    assert place.actions.add("north", ANA) is False
    assert place.commit(*of_shops("north", "nroth")) == {Outcome.APPLIED: 1, Outcome.QUARANTINED: 1}
    stranger = decoded_order(placed("1"), "nroth")._replace(reject=rejected_order)
    tally = place.orders.commit([decoded_order(placed("1"), "north"), stranger]).tally
    assert {outcome: count for (_, _, outcome), count in tally.items()} == {
        Outcome.APPLIED: 1,
        Outcome.QUARANTINED: 1,
    }
    assert place.known() == ["north"]
    # Known from then on, without a restart.
    place.actions.add("nroth", ANA)
    assert place.commit(*of_shops("nroth", version=2)) == {Outcome.APPLIED: 1}
    assert [row["action"] for row in place.views.rows(AuditFilter())] == ["shop-add"] * 3


def test_a_list_of_shops_is_read_again_when_it_changes(sqlite_place: Place, tmp_path: Path) -> None:
    path = tmp_path / "shops"
    path.write_text("# ours\nnorth\n\nsouth  # new\n")
    sqlite_place.follow(ShopRules(open=False, listed=ShopList(path)))
    assert sqlite_place.commit(*of_shops("north", "east")) == {Outcome.APPLIED: 1, Outcome.QUARANTINED: 1}
    with pytest.raises(Conflict, match="COMPORTA_SHOPS names a file"):
        sqlite_place.actions.add("east", ANA)
    path.write_text("east\n")
    assert sqlite_place.commit(*of_shops("north", "east", version=2)) == {Outcome.APPLIED: 1, Outcome.QUARANTINED: 1}
    assert [(shop.shop, shop.admitted) for shop in sqlite_place.actions.known()] == [("east", True), ("north", False)]
    path.unlink()
    assert sqlite_place.commit(*of_shops("east", version=3)) == {Outcome.APPLIED: 1}


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_shop_that_nothing_has_named_is_refused_with_the_nearest_ones(place: Place, action: str) -> None:
    place.commit(*of_shops("loja-1", "loja-2", "atacado"))
    reply = place.pause("loja1", action)
    assert reply.result == "refused"
    assert str(reply.error).startswith("invalid: ")
    assert "loja-1" in str(reply.error)
    assert "atacado" not in str(reply.error)
    [row] = place.views.rows(AuditFilter())
    assert (row["action"], row["shop"], row["result"], row["by"]) == (action, "loja1", "refused", "ana")


def test_a_new_shop_is_paused_before_its_first_event_if_the_message_says_so(place: Place) -> None:
    place.commit(*of_shops("north"))
    assert place.pause("south", new_shop=True).result == "off"
    assert place.commit(*of_shops("south")) == {Outcome.DISCARDED: 1}
    assert place.pause("south", "resume").result == "on"
    assert place.pause("north").result == "off"
    assert place.pause("*").result == "off"


def test_the_default_shop_can_be_paused_while_none_is_known(sqlite_place: Place) -> None:
    assert sqlite_place.pause("mian").result == "refused"
    assert sqlite_place.pause("main").result == "off"


def test_a_removed_shop_leaves_no_row_behind_and_the_others_keep_theirs(place: Place) -> None:
    place.commit(*of_shops("gone", "stays"), *(stock_change(1, f"P{number}", shop="gone") for number in range(2_500)))
    place.orders.commit([decoded_order(placed("1"), "stays")])
    assert place.commit(stock_change(1, shop="gone", action="changed")) == {Outcome.SUPERSEDED: 1}
    place.pause("gone")
    place.commit(stock_change(2, "P1", shop="gone"))
    dry = place.actions.remove("gone", ANA, dry_run=True)
    assert (dry.rows["stock"], dry.rows["missed"], dry.removed, dry.obstacles) == (2_500, 1, 0, [])
    assert place.counted(quarantine) == 0
    removal = place.actions.remove("gone", ANA)
    assert removal.removed == sum(dry.rows.values())
    with place.engine.connect() as connection:
        for table in (*shop_tables(), shops, switches):
            left = connection.scalar(select(func.count()).select_from(table).where(of_shop(table, "gone")))
            assert left == 0, table.name
    assert len(place.rows()) == 1
    assert place.known() == ["stays"]
    [row] = place.views.rows(AuditFilter(action="shop-remove"))
    assert (row["shop"], row["by"], row["reason"], row["count"]) == ("gone", "ana", "closed", removal.removed)
    assert "stock 2500" in str(row["subject"])
    with pytest.raises(NotFound):
        place.actions.remove("gone", ANA)
    # Every worker asks again, and its next event makes it known.
    assert place.commit(*of_shops("gone")) == {Outcome.APPLIED: 1}
    assert place.known() == ["gone", "stays"]


def test_a_shop_that_is_on_or_has_orders_on_their_way_is_removed_only_by_force(sqlite_place: Place) -> None:
    sqlite_place.commit(*of_shops("north"))
    sqlite_place.orders.commit([decoded_order(placed("1"), "north")])
    with pytest.raises(Conflict, match="pause the shop first; the ERP does not have 1 of its orders"):
        sqlite_place.actions.remove("north", ANA)
    sqlite_place.pause("north", domains=["stock"])
    with pytest.raises(Conflict, match=r"price_tables, .*orders are on"):
        sqlite_place.actions.remove("north", ANA)
    assert sqlite_place.actions.remove("north", ANA, force=True).removed > 0
    assert sqlite_place.known() == []
