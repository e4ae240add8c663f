"""The simulator's pace: the average rate, and no flood after a delay."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import pytest

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.erp import SimulatedErp
from comporta.simulator.shop import SimulatedShop
from comporta.simulator.traffic import erp_traffic, paced, traffic
from producers.messages import OutgoingMessage

PRODUCT = {"code": "P1", "name": "n", "active": True, "base_unit": "UN"}
ORDER = {"items": [{"line": 1, "product_code": "1", "quantity": "1", "unit_price": "1", "total": "1"}]}


class FakeClock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def taken(rate: float, seconds: float, clock: FakeClock) -> Iterator[float]:
    start = clock.now
    for _ in paced(count(), rate, clock=clock.read, sleep=clock.sleep):
        if clock.now - start > seconds:
            return
        yield clock.now - start


@pytest.mark.parametrize("rate", [0.5, 1, 7, 200, 30_000])
def test_the_rate_is_kept_on_average(rate: float) -> None:
    assert sum(1 for _ in taken(rate, 10, FakeClock())) == pytest.approx(10 * rate, rel=0.001, abs=1)


def test_nothing_waits_for_the_first() -> None:
    assert next(taken(1, 10, FakeClock())) == 0


def test_after_a_delay_no_more_than_a_tenth_of_a_second_is_made_up_for() -> None:
    clock = FakeClock()
    moments = taken(100, 60, clock)
    list(islice(moments, 5))
    clock.now += 30
    after = [moment for moment in islice(moments, 100) if moment < 30.05 + 0.002]
    assert len(after) <= 16


def test_the_initial_load_is_not_held_up() -> None:
    clock = FakeClock()
    erp = SimulatedErp(1, "main", Catalogue(products=(PRODUCT,)))
    load = len(list(SimulatedErp(1, "main", Catalogue(products=(PRODUCT,))).initial_load()))
    messages = list(islice(erp_traffic(erp, 1, clock=clock.read, sleep=clock.sleep), load + 4))
    assert clock.now == 103
    assert {message.exchange for message in messages} == {"erp.events"}
    assert {message.routing_key for message in messages} == {"main.products", "main.images", "main.packagings"}


def test_a_seed_gives_the_same_messages() -> None:
    def first(seed: int) -> list[object]:
        clock = FakeClock()
        erp = SimulatedErp(seed, "main", Catalogue(products=(PRODUCT,)))
        return list(islice(erp_traffic(erp, 100, clock=clock.read, sleep=clock.sleep), 200))

    assert first(3) == first(3) != first(4)


def test_orders_stand_evenly_among_the_changes_and_the_initial_load_comes_first() -> None:
    clock = FakeClock()
    erp = SimulatedErp(1, "main", Catalogue(products=(PRODUCT,)))
    shop = SimulatedShop(1, "main", [ORDER])
    messages = traffic(erp, 30, shop, 10, clock=clock.read, sleep=clock.sleep)
    load = len(list(SimulatedErp(1, "main", Catalogue(products=(PRODUCT,))).initial_load()))
    assert {message.exchange for message in islice(messages, load)} == {"erp.events"}
    among = [message.exchange for message in islice(messages, 400)]
    assert 100 + 9 < clock.now < 100 + 10
    assert [among[at : at + 4].count("shop.orders") for at in range(0, 400, 4)] == [1] * 100


def test_without_a_shop_nobody_places_orders() -> None:
    def first(shop: bool) -> list[OutgoingMessage]:
        erp, clock = SimulatedErp(1, "main", Catalogue(products=(PRODUCT,))), FakeClock()
        if shop:
            return list(islice(traffic(erp, 100, None, 0, clock=clock.read, sleep=clock.sleep), 50))
        return list(islice(erp_traffic(erp, 100, clock=clock.read, sleep=clock.sleep), 50))

    assert first(shop=True) == first(shop=False)
