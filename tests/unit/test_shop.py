"""The simulated shop: its orders are what the contract takes, but for the faults it was asked for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comporta.simulator.invalid import INVALID_ORDERS, InvalidCase
from comporta.simulator.messages import Data
from comporta.simulator.nfe import nfe_orders
from comporta.simulator.shop import SimulatedShop
from producers.messages import OutgoingMessage
from schemas.check_digits import is_cnpj, is_cpf
from schemas.orders import ReceivedOrder, parse_order
from schemas.reasons import Reason, Refused
from tests.support.simulator_messages import order_body

seeds = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def invoices() -> tuple[Data, ...]:
    return tuple(nfe_orders())


def refusal(body: bytes) -> Reason | None:
    try:
        parse_order("main", body)
    except Refused as refused:
        return refused.refusal.reason
    return None


def some(shop: SimulatedShop, count: int = 200) -> list[OutgoingMessage]:
    return list(islice(shop.placed(), count))


class TestTheInvoicesAsOrders:
    def test_are_all_taken_and_hold_no_field_that_nobody_reads(self, invoices: tuple[Data, ...]) -> None:
        orders = [parse_order("main", order_body(order)) for order in invoices]
        assert len(orders) == 18
        assert not any(order.unknown for order in orders)

    def test_are_of_people_companies_and_foreigners(self, invoices: tuple[Data, ...]) -> None:
        documents = [order["customer"]["document"] for order in invoices]
        assert [document for document in documents if is_cpf(document)]
        assert [document for document in documents if is_cnpj(document)]
        assert [document for document in documents if not is_cpf(document) and not is_cnpj(document)]

    def test_keep_freight_carrier_discounts_and_installments(self, invoices: tuple[Data, ...]) -> None:
        order = next(order for order in invoices if order["order_id"] == "47428")
        assert order["freight"] == {"type": "CIF", "value": "52.64", "carrier": "TRANSP E ENCOMENDAS LTDA"}
        assert (order["payment"], order["total"]) == ({"method": "boleto", "installments": 1}, "347.28")
        assert sum(Decimal(item.get("discount", 0)) for order in invoices for item in order["items"]) > 0


class TestAShopWithoutFaults:
    @settings(max_examples=8, deadline=None)
    @given(seed=seeds)
    def test_places_only_orders_that_are_taken_each_with_an_id_of_its_own(
        self, invoices: tuple[Data, ...], seed: int
    ) -> None:
        messages = some(SimulatedShop(seed, "loja", invoices, duplicates=0, bad=0))
        assert {(message.exchange, message.routing_key) for message in messages} == {("shop.orders", "loja")}
        orders = [parse_order("loja", message.body) for message in messages]
        assert len({order.order_id for order in orders}) == len({order.event_id for order in orders}) == 200
        assert [order.event_id for order in orders] == [message.message_id for message in messages]

    def test_goes_on_from_the_first_number(self, invoices: tuple[Data, ...]) -> None:
        shop = SimulatedShop(3, "main", invoices, duplicates=0, bad=0, first_number=41)
        assert [parse_order("main", message.body).order_id for message in some(shop, 2)] == ["3-00000041", "3-00000042"]

    def test_takes_its_time_from_the_clock(self, invoices: tuple[Data, ...]) -> None:
        noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
        [message] = some(SimulatedShop(1, "main", invoices, duplicates=0, bad=0, clock=lambda: noon), 1)
        assert parse_order("main", message.body).placed_at == noon


class TestAShop:
    @settings(max_examples=8, deadline=None)
    @given(seed=seeds)
    def test_sends_new_orders_repeats_changed_ones_and_what_must_be_refused(
        self, invoices: tuple[Data, ...], seed: int
    ) -> None:
        known: dict[str, ReceivedOrder] = {}
        seen: Counter[str] = Counter()
        for message in some(SimulatedShop(seed, "main", invoices, duplicates=0.2, bad=0.3), 400):
            if reason := refusal(message.body):
                assert reason in {spoiler.reason for spoiler in INVALID_ORDERS}
                seen["refused"] += 1
                continue
            order = parse_order("main", message.body)
            first = known.setdefault(order.order_id, order)
            assert (first.event_id == order.event_id) is (first.digest == order.digest)
            seen["new" if first is order else "repeated" if first == order else "changed"] += 1
        assert set(seen) == {"new", "repeated", "changed", "refused"}
        assert seen["new"] > max(seen["repeated"], seen["refused"])

    def test_sends_the_same_bytes_for_the_same_seed(self, invoices: tuple[Data, ...]) -> None:
        one, same, other = (some(SimulatedShop(seed, "main", invoices, bad=0.2)) for seed in (7, 7, 8))
        assert one == same != other

    @pytest.mark.parametrize("faults", [{"duplicates": 1.0, "bad": 0.0}, {"duplicates": 0.0, "bad": 1.0}])
    def test_may_have_nothing_but_faults(self, invoices: tuple[Data, ...], faults: dict[str, float]) -> None:
        assert len(some(SimulatedShop(1, "main", invoices, **faults))) == 200

    @pytest.mark.parametrize("faults", [{"duplicates": -0.1}, {"bad": 0.6, "duplicates": 0.6}])
    def test_has_faults_that_are_probabilities(self, invoices: tuple[Data, ...], faults: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="probabilities"):
            SimulatedShop(1, "main", invoices, **faults)

    def test_needs_something_to_make_orders_of(self) -> None:
        with pytest.raises(ValueError, match="nothing to make orders of"):
            SimulatedShop(1, "main", [])


@pytest.mark.parametrize("spoiler", INVALID_ORDERS, ids=lambda spoiler: str(spoiler.reason))
def test_a_bad_order_is_refused_for_its_own_reason(invoices: tuple[Data, ...], spoiler: InvalidCase) -> None:
    for order in invoices:
        assert refusal(spoiler.corrupt(orjson.loads(order_body(order)))) == spoiler.reason
