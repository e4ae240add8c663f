"""What a monitor reads: every known shop and domain, zeros included, by the database's clock; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from rules.orders import OrderState
from rules.outcomes import RejectedDelivery
from schemas.domains import DOMAIN_NAMES
from schemas.events import parse_event
from schemas.reasons import Reason, Refusal
from storage.errors import StorageError, Unavailable
from storage.gauges import Gauges, Reading
from storage.outbox import Outbox
from storage.tables import orders, outbox, switches, workers
from storage.workers import WorkerRegistry
from tests.support.event_samples import sample_event
from tests.support.order_events import decoded_order, placed
from tests.support.order_queue_harness import OrderQueueHarness

HOUR = timedelta(hours=1)


class GaugesHarness(OrderQueueHarness):
    """Order queue with the gauges that a monitor reads."""

    @property
    def reading(self) -> Reading:
        """What there is now."""
        return Gauges(self.engine).read()

    def grow_older(self, table: str, column: str, by: timedelta) -> None:
        """Moves every time of a column into the past."""
        of = {"switches": switches, "orders": orders, "outbox": outbox, "workers": workers}[table].c[column]
        with self.engine.begin() as connection:
            at = connection.scalar(select(func.max(of, type_=of.type)))
            connection.execute(update(of.table).values({column: at - by}))


@pytest.fixture
def harness(any_database_url: str) -> Iterator[GaugesHarness]:
    harness = GaugesHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_an_empty_database_shows_one_shop_all_on_and_nothing_to_do(harness: GaugesHarness) -> None:
    reading = harness.reading
    assert reading.off == {("main", domain): None for domain in DOMAIN_NAMES}
    assert set(reading.orders) == {("main", state.value) for state in OrderState}
    counts = [*reading.missed.values(), *reading.quarantined.values(), *reading.orders.values()]
    assert (set(counts), reading.oldest_waiting, reading.workers) == ({0}, {"main": 0.0}, {})


def test_a_scope_is_off_for_as_long_as_the_longest_of_its_switches(harness: GaugesHarness) -> None:
    harness.change("pause", shop="north", new_shop=True)
    harness.grow_older("switches", "since", 2 * HOUR)
    harness.change("pause", domains=["stock"])
    off = harness.reading.off
    assert off["north", "stock"] == pytest.approx(7200, abs=60)
    assert off["north", "orders"] == pytest.approx(7200, abs=60)
    harness.change("resume", shop="north")
    off = harness.reading.off
    assert off["north", "stock"] == pytest.approx(0, abs=60)
    assert off["north", "orders"] is None


def test_missed_keys_and_refused_messages_are_counted_where_they_belong(harness: GaugesHarness) -> None:
    harness.change("pause", domains=["stock"])
    harness.commit(*(parse_event("stock", "main", sample_event("stock", product_code=code)) for code in ("a", "b")))
    refusal = Refusal(Reason.ROUTING_KEY, "", "no shop")
    rubbish = RejectedDelivery("nobody", "receipts", refusal, b"{", "nobody.receipts", "application/json", {}, False)
    harness.orders.commit([rubbish])
    reading = harness.reading
    assert (reading.missed["main", "stock"], reading.missed["main", "prices"]) == (2, 0)
    assert (reading.quarantined["receipts"], reading.quarantined["stock"]) == (1, 0)
    assert {shop for shop, _ in reading.off} == {"main"}


def test_an_order_waits_until_the_erp_has_it_also_while_it_is_tried(harness: GaugesHarness) -> None:
    harness.orders.commit([decoded_order(placed("a"), "north")])
    harness.grow_older("orders", "received_at", HOUR)
    assert harness.reading.oldest_waiting == {"north": pytest.approx(3600, abs=60)}
    [order] = harness.queue.claim(lambda due: [(shop, 1) for shop in due.open])
    reading = harness.reading
    assert (order.shop, reading.orders["north", "sending"], reading.orders["north", "waiting"]) == ("north", 1, 0)
    assert reading.oldest_waiting["north"] == pytest.approx(3600, abs=60)


def test_a_notice_waits_until_it_is_published(harness: GaugesHarness) -> None:
    harness.orders.commit([decoded_order(placed("a"), "north"), decoded_order(placed("a"), "south")])
    harness.grow_older("outbox", "at", HOUR)
    assert harness.reading.oldest_notice["north"] == pytest.approx(3600, abs=60)
    relay = Outbox(harness.fence, "w1")
    relay.close([row.position for row in relay.exchange([]) if row.shop == "north"])
    assert harness.reading.oldest_notice == {"north": 0.0, "south": pytest.approx(3600, abs=60)}


def test_a_worker_was_last_seen_at_its_last_beat(harness: GaugesHarness) -> None:
    WorkerRegistry(harness.fence, "w1", ["stock"]).beat()
    assert harness.reading.workers == {"w1": pytest.approx(0, abs=30)}
    harness.grow_older("workers", "last_seen", HOUR)
    assert harness.reading.workers == {"w1": pytest.approx(3600, abs=60)}


def test_a_database_without_tables_is_said_to_be_so_and_not_guessed_at(any_database_url: str) -> None:
    harness = GaugesHarness(any_database_url)
    with harness.engine.begin() as connection:
        connection.execute(text("DROP TABLE quarantine"))
    with pytest.raises(Unavailable, match="comporta migrate"):
        Gauges(harness.engine).read()
    harness.engine.dispose()


def test_the_ping_of_a_database_that_is_away_fails() -> None:
    harness = GaugesHarness("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StorageError):
        Gauges(harness.engine).ping()
