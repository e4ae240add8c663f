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
from storage.tables import orders, switches, workers
from storage.workers import WorkerRegistry
from tests.support.event_samples import sample_event
from tests.support.order_events import decoded_order, placed
from tests.support.order_queue_harness import OrderQueueHarness

HOUR = timedelta(hours=1)


class Seen(OrderQueueHarness):
    """A desk that a monitor reads."""

    @property
    def reading(self) -> Reading:
        """What there is now."""
        return Gauges(self.engine).read()

    def grow_older(self, table: str, column: str, by: timedelta) -> None:
        """Moves every time of a column into the past."""
        of = {"switches": switches, "orders": orders, "workers": workers}[table].c[column]
        with self.engine.begin() as connection:
            at = connection.scalar(select(func.max(of, type_=of.type)))
            connection.execute(update(of.table).values({column: at - by}))


@pytest.fixture
def seen(any_database_url: str) -> Iterator[Seen]:
    seen = Seen(any_database_url)
    yield seen
    seen.engine.dispose()


def test_an_empty_database_shows_one_shop_all_on_and_nothing_to_do(seen: Seen) -> None:
    reading = seen.reading
    assert reading.off == {("main", domain): None for domain in DOMAIN_NAMES}
    assert set(reading.orders) == {("main", state.value) for state in OrderState}
    counts = [*reading.missed.values(), *reading.quarantined.values(), *reading.orders.values()]
    assert (set(counts), reading.oldest_waiting, reading.workers) == ({0}, {"main": 0.0}, {})


def test_a_scope_is_off_for_as_long_as_the_longest_of_its_switches(seen: Seen) -> None:
    seen.change("pause", shop="north")
    seen.grow_older("switches", "since", 2 * HOUR)
    seen.change("pause", domains=["stock"])
    off = seen.reading.off
    assert off["north", "stock"] == pytest.approx(7200, abs=60)
    assert off["north", "orders"] == pytest.approx(7200, abs=60)
    seen.change("resume", shop="north")
    off = seen.reading.off
    assert off["north", "stock"] == pytest.approx(0, abs=60)
    assert off["north", "orders"] is None


def test_missed_keys_and_refused_messages_are_counted_where_they_belong(seen: Seen) -> None:
    seen.change("pause", domains=["stock"])
    seen.commit(*(parse_event("stock", "main", sample_event("stock", product_code=code)) for code in ("a", "b")))
    refusal = Refusal(Reason.ROUTING_KEY, "", "no shop")
    rubbish = RejectedDelivery("nobody", "receipts", refusal, b"{", "nobody.receipts", "application/json", {}, False)
    seen.orders.commit([rubbish])
    reading = seen.reading
    assert (reading.missed["main", "stock"], reading.missed["main", "prices"]) == (2, 0)
    assert (reading.quarantined["receipts"], reading.quarantined["stock"]) == (1, 0)
    assert {shop for shop, _ in reading.off} == {"main"}


def test_an_order_waits_until_the_erp_has_it_also_while_it_is_tried(seen: Seen) -> None:
    seen.orders.commit([decoded_order(placed("a"), "north")])
    seen.grow_older("orders", "received_at", HOUR)
    assert seen.reading.oldest_waiting == {"north": pytest.approx(3600, abs=60)}
    [order] = seen.dispatch.claim(lambda due: [(shop, 1) for shop in due.open])
    reading = seen.reading
    assert (order.shop, reading.orders["north", "sending"], reading.orders["north", "waiting"]) == ("north", 1, 0)
    assert reading.oldest_waiting["north"] == pytest.approx(3600, abs=60)


def test_a_worker_was_last_seen_at_its_last_beat(seen: Seen) -> None:
    WorkerRegistry(seen.fence, "w1", ["stock"]).beat()
    assert seen.reading.workers == {"w1": pytest.approx(0, abs=30)}
    seen.grow_older("workers", "last_seen", HOUR)
    assert seen.reading.workers == {"w1": pytest.approx(3600, abs=60)}


def test_a_database_without_tables_is_said_to_be_so_and_not_guessed_at(any_database_url: str) -> None:
    seen = Seen(any_database_url)
    with seen.engine.begin() as connection:
        connection.execute(text("DROP TABLE quarantine"))
    with pytest.raises(Unavailable, match="comporta migrate"):
        Gauges(seen.engine).read()
    seen.engine.dispose()


def test_the_ping_of_a_database_that_is_away_fails() -> None:
    seen = Seen("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(StorageError):
        Gauges(seen.engine).ping()
