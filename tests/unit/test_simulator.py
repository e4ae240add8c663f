"""The simulated ERP: what it sends is what the contract takes, but for the faults it was asked for."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.erp import Faults, SimulatedErp
from comporta.simulator.invalid import INVALID_EVENTS, InvalidCase
from comporta.simulator.messages import ErpMessage, EventWriter
from comporta.simulator.nfe import SimulatorDataMissing, nfe_catalogue
from comporta.simulator.state import CHANGES, SHARES, key_of
from schemas.check_digits import is_gtin
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.reasons import Reason
from tests.support.simulator_messages import parse_message, refusal_reason, resend, sequences

WRONG_GTIN = "7997846900945"
FAULTLESS = Faults(duplicates=0, reordered=0, bad=0, deletes=0)


@pytest.fixture(scope="module")
def invoices() -> Catalogue:
    return nfe_catalogue()


@pytest.fixture(scope="module")
def sound(invoices: Catalogue) -> Catalogue:
    products = tuple(product for product in invoices.products if product.get("gtin") != WRONG_GTIN)
    return Catalogue(products, invoices.price_tables, invoices.prices, invoices.stock, invoices.customers)


def final_state(messages: Iterable[ErpMessage]) -> dict[tuple[str, tuple[Any, ...]], ChangeEvent]:
    newest: dict[tuple[str, tuple[Any, ...]], ChangeEvent] = {}
    for message in messages:
        if refusal_reason(message) is None:
            event = parse_message(message)
            known = newest.get((event.domain, event.key))
            if known is None or (known.version, known.event_id) < (event.version, event.event_id):
                newest[event.domain, event.key] = event
    return newest


class TestAnEventWriter:
    def test_numbers_its_events_and_gives_them_ids_in_the_same_order(self) -> None:
        writer = EventWriter("main", first_sequence=9)
        messages = [writer.write("products", {"code": "1"}, "2026-01-01T00:00:00Z", "deleted") for _ in range(3)]
        assert sequences(messages) == [9, 10, 11]
        ids = [message.event_id for message in messages]
        assert ids == sorted(ids)
        assert len(set(ids)) == 3

    def test_addresses_an_event_by_shop_and_domain(self) -> None:
        message = EventWriter("loja-2").write("stock", {"product_code": "1"}, "2026-01-01T00:00:00Z", "deleted")
        assert message.routing_key == "loja-2.stock"

    def test_names_the_entity_in_the_subject(self) -> None:
        key = {"product_code": "7891000", "branch": "1", "warehouse": "MATRIZ", "lot": ""}
        document = EventWriter("main").document("stock", key, "2026-01-01T00:00:00Z", "deleted")
        assert document["subject"] == "7891000/1/MATRIZ"
        assert document["type"] == "erp.stock.deleted.v1"


class TestTheInvoices:
    def test_give_every_product_a_positive_price_and_a_balance(self, invoices: Catalogue) -> None:
        codes = {product["code"] for product in invoices.products}
        assert len(codes) == len(invoices.products) >= 80
        assert {price["product_code"] for price in invoices.prices} == codes
        assert {balance["product_code"] for balance in invoices.stock} == codes

    def test_keep_a_wrong_gtin_as_it_is(self, invoices: Catalogue) -> None:
        gtins = [product["gtin"] for product in invoices.products if "gtin" in product]
        assert [gtin for gtin in gtins if not is_gtin(gtin)] == [WRONG_GTIN]
        assert "SEM GTIN" in gtins

    def test_keep_all_decimals_of_a_price(self, invoices: Catalogue) -> None:
        assert "84.9000000000" in {price["price"] for price in invoices.prices}

    def test_tell_people_from_companies_and_foreigners(self, invoices: Catalogue) -> None:
        kinds = Counter(customer["kind"] for customer in invoices.customers)
        assert set(kinds) == {"PF", "PJ", "foreign"}
        assert sum(kinds.values()) == 17

    def test_leave_out_a_customer_whose_document_is_a_placeholder(self, invoices: Catalogue) -> None:
        assert "11111111111" not in {customer["document"] for customer in invoices.customers}

    def test_place_a_customer_by_the_code_of_the_municipality(self, invoices: Catalogue) -> None:
        [address] = next(customer["addresses"] for customer in invoices.customers if customer["name"] == "ROBERTO")
        assert (address["city_ibge"], address["state"], address["zip"]) == ("3115508", "MG", "37440123")

    def test_that_are_not_installed_are_asked_for_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "nfelib", None)
        with pytest.raises(SimulatorDataMissing, match=r"pip install 'comporta\[demo\]'"):
            nfe_catalogue()


class TestTheInitialLoad:
    def test_is_accepted_whole_but_for_the_wrong_gtin(self, invoices: Catalogue) -> None:
        messages = list(SimulatedErp(1, "main", invoices).initial_load())
        refused = [message for message in messages if refusal_reason(message)]
        assert [refusal_reason(message) for message in refused] == [Reason.GTIN_CHECK_DIGIT]
        assert WRONG_GTIN.encode() in refused[0].body

    def test_holds_no_field_that_nobody_reads(self, sound: Catalogue) -> None:
        assert not any(parse_message(message).unknown for message in SimulatedErp(1, "main", sound).initial_load())

    def test_speaks_of_every_domain_products_first(self, sound: Catalogue) -> None:
        spoken = list(dict.fromkeys(message.domain for message in SimulatedErp(1, "main", sound).initial_load()))
        assert spoken == list(DOMAINS)

    def test_gives_a_product_an_https_picture_named_by_its_code(self) -> None:
        product = {"code": "A/1 ç", "name": "n", "active": True, "base_unit": "UN"}
        [image] = Catalogue(products=(product,)).images
        assert image["url"] == "https://images.example.com/products/A%2F1%20%C3%A7.jpg"


class TestTheChanges:
    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def test_are_all_accepted_when_no_faults_are_asked_for(self, sound: Catalogue, seed: int) -> None:
        messages = list(islice(SimulatedErp(seed, "main", sound, faults=FAULTLESS).changes(), 200))
        assert [refusal_reason(message) for message in messages if refusal_reason(message)] == []
        assert sequences(messages) == list(range(1, 201))

    def test_tell_a_change_again_in_its_version_under_a_new_id(self, sound: Catalogue) -> None:
        faults = Faults(duplicates=0, reordered=0, bad=0, deletes=0, retold=0.3)
        messages = list(islice(SimulatedErp(3, "main", sound, faults=faults).changes(), 500))
        told: dict[int, list[ChangeEvent]] = {}
        for event in map(parse_message, messages):
            told.setdefault(event.version, []).append(event)
        again = [events for events in told.values() if len(events) > 1]
        assert len(again) > 50
        assert all(event.data == events[0].data for events in again for event in events)
        assert {events[1].event_id < events[0].event_id for events in again} == {True, False}

    def test_are_the_same_bytes_for_the_same_seed(self, sound: Catalogue) -> None:
        one, same, other = (SimulatedErp(seed, "main", sound) for seed in (7, 7, 8))
        assert list(islice(one.changes(), 300)) == list(islice(same.changes(), 300))
        assert list(islice(one.changes(), 300)) != list(islice(other.changes(), 300))

    def test_are_mostly_of_stock_and_prices(self, sound: Catalogue) -> None:
        counts = Counter(message.domain for message in islice(SimulatedErp(1, "main", sound).changes(), 2000))
        assert counts["stock"] > counts["prices"] > counts["products"] > 0
        assert counts["stock"] + counts["prices"] > 1600

    def test_take_their_time_from_the_clock(self, sound: Catalogue) -> None:
        noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
        message = next(SimulatedErp(1, "main", sound, faults=FAULTLESS, clock=lambda: noon).changes())
        assert parse_message(message).occurred_at == noon

    def test_go_on_from_the_first_sequence(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=FAULTLESS, first_sequence=1_000)
        assert sequences(islice(erp.changes(), 2)) == [1_000, 1_001]

    def test_have_a_share_for_every_kind_of_change(self) -> None:
        assert SHARES.keys() == CHANGES.keys()

    def test_need_something_that_can_change(self) -> None:
        with pytest.raises(ValueError, match="nothing that could change"):
            SimulatedErp(1, "main", Catalogue())

    @settings(max_examples=10, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def test_leave_the_receiver_with_what_the_erp_holds(self, sound: Catalogue, seed: int) -> None:
        faults = Faults(duplicates=0.2, reordered=0.2, bad=0.1, deletes=0.1, late=0.1)
        erp = SimulatedErp(seed, "main", sound, faults=faults)
        received = final_state([*erp.initial_load(), *islice(erp.changes(), 500)])
        for domain, key, data in erp.state():
            event = received.pop((domain, key))
            assert event.deleted is (data is None)
            assert data is None or event.data == DOMAINS[domain].state.model_validate(data)
        assert received == {}


class TestAFault:
    def test_of_repetition_sends_the_same_bytes_again(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=Faults(duplicates=0.5, reordered=0, bad=0, deletes=0))
        bodies: dict[str, set[bytes]] = {}
        for message in islice(erp.changes(), 400):
            bodies.setdefault(message.event_id, set()).add(message.body)
        assert len(bodies) < 300
        assert all(len(seen) == 1 for seen in bodies.values())

    def test_of_order_sends_an_older_change_of_the_same_entity_after_a_newer_one(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=Faults(duplicates=0, reordered=1, bad=0, deletes=0))
        newer, older = (parse_message(message) for message in islice(erp.changes(), 2))
        assert newer.key == older.key
        assert newer.version == older.version + 1

    def test_of_lateness_sends_an_older_change_well_after_a_newer_one_of_its_entity(self, sound: Catalogue) -> None:
        faults = Faults(duplicates=0, reordered=0, bad=0, deletes=0, late=0.2)
        events = [
            parse_message(message) for message in islice(SimulatedErp(1, "main", sound, faults=faults).changes(), 3000)
        ]
        place = {event.version: position for position, event in enumerate(events)}
        # Of two neighbours in number the older comes later, once, and never later than it may.
        late = [version for version in place if place.get(version + 1, 3000) < place[version]]
        assert len(late) > 100
        assert all(events[place[version]].key == events[place[version + 1]].key for version in late)
        assert len(place) == len(events)
        assert 500 < max(place[version] - place[version + 1] for version in late) < 1500

    def test_of_lateness_comes_as_soon_as_asked(self, sound: Catalogue) -> None:
        faults = Faults(duplicates=0, reordered=0, bad=0, deletes=0, late=1)
        erp = SimulatedErp(1, "main", sound, faults=faults, late_by=1)
        assert sequences(islice(erp.changes(), 5)) == [2, 1, 4, 3, 6]

    def test_of_deletion_names_only_the_key(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=Faults(duplicates=0, reordered=0, bad=0, deletes=1))
        message = next(erp.changes())
        assert parse_message(message).deleted
        assert set(orjson.loads(message.body)["data"]) <= set(DOMAINS[message.domain].key_fields)

    def test_of_content_is_refused_in_every_way_there_is(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=Faults(duplicates=0, reordered=0, bad=1, deletes=0))
        seen = {refusal_reason(message) for message in islice(erp.changes(), 500)}
        assert seen == {spoiler.reason for spoiler in INVALID_EVENTS}

    @pytest.mark.parametrize("spoiler", INVALID_EVENTS, ids=lambda spoiler: f"{spoiler.domain}-{spoiler.reason}")
    def test_of_content_is_refused_for_its_own_reason(self, invoices: Catalogue, spoiler: InvalidCase) -> None:
        writer = EventWriter("main")
        for data in getattr(invoices, spoiler.domain):
            document = writer.document(spoiler.domain, data, "2026-01-01T00:00:00Z")
            message = writer.message(spoiler.domain, document)._replace(body=spoiler.corrupt(document))
            assert refusal_reason(message) == spoiler.reason

    @pytest.mark.parametrize("wrong", [{"bad": -0.1}, {"bad": 0.6, "deletes": 0.6}])
    def test_is_a_probability(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="probabilities"):
            Faults(**wrong)


class TestAnAnswerToAResync:
    def test_tells_the_present_state_under_a_new_sequence(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=FAULTLESS)
        sent = list(islice(erp.changes(), 500))
        last = [parse_message(message) for message in sent if message.domain == "prices"][-1]
        code = last.key[DOMAINS["prices"].key_fields.index("product_code")]
        named = {"table_code": "NFE", "product_code": code, "valid_from": "1970-01-01T00:00:00.000000Z"}
        [again] = map(parse_message, resend(erp, "prices", [named]))
        assert (again.key, again.data) == (last.key, last.data)
        assert again.version == 501

    def test_tells_that_an_entity_is_deleted(self, sound: Catalogue) -> None:
        erp = SimulatedErp(1, "main", sound, faults=Faults(duplicates=0, reordered=0, bad=0, deletes=1))
        gone = next(erp.changes())
        [again] = resend(erp, gone.domain, [orjson.loads(gone.body)["data"]])
        assert parse_message(again).deleted

    def test_is_silent_about_what_it_never_held(self, sound: Catalogue) -> None:
        assert list(resend(SimulatedErp(1, "main", sound), "products", [{"code": "never"}])) == []


class TestAChangeOfStock:
    @given(seed=st.integers(), on_hand=st.integers(-50, 50))
    def test_is_an_absolute_state_that_adds_up(self, seed: int, on_hand: int) -> None:
        place = {"product_code": "1", "branch": "1", "warehouse": "M", "unit": "UN"}
        data = CHANGES["stock"](Random(seed), place | {"on_hand": f"{on_hand}.0000"}, "2026-01-01T00:00:00Z")
        message = EventWriter("main").write("stock", data, "2026-01-01T00:00:00Z")
        assert refusal_reason(message) is None
        assert key_of("stock", data) == ("1", "1", "M", "")
