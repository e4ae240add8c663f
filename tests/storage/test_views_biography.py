"""A key's biography: where a product, a customer, a document, a price table or an order stands."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from storage.tables import missed, orders, quarantine
from storage.views import mentions
from tests.support.order_events import decoded_receipt, internalized
from tests.support.views_harness import START, ViewsHarness, change_event, rejected_delivery

CPF, MASKED = "52998224725", "529.982.247-25"
CNPJ = "12ABC34501DE35"


@pytest.fixture
def harness(any_database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_a_product_stands_in_every_table_that_names_it(harness: ViewsHarness) -> None:
    harness.store.commit(
        [
            change_event("products", code="P1", version=7),
            change_event("images", product_code="P1"),
            change_event("packagings", product_code="P1"),
            change_event("prices", product_code="P1", table_code="T1", price="12.3400"),
            change_event("prices", product_code="P1", table_code="T2"),
            change_event("prices", product_code="P2", table_code="T1"),
            change_event("stock", product_code="P1", shop="other"),
            change_event("stock", product_code="P10"),
        ]
    )
    found = harness.views.biography(" P1 ")
    assert [(row["domain"], row["shop"]) for row in found.entities] == [
        ("products", "main"),
        ("images", "main"),
        ("packagings", "main"),
        ("prices", "main"),
        ("prices", "main"),
        ("stock", "other"),
    ]
    first = found.entities[0]
    assert (first["key"], first["version"], first["event_id"], first["deleted"]) == ({"code": "P1"}, 7, "e1", False)
    assert first["state"]["name"]
    price = found.entities[3]
    assert price["key"]["table_code"] == "T1"
    assert price["state"]["price"].startswith("12.34")
    assert (found.bounds, found.more) == ([], [])
    assert {row["shop"] for row in harness.views.biography("P1", "other").entities} == {"other"}


def test_prices_of_a_product_are_found_in_the_tables_of_every_shop(harness: ViewsHarness) -> None:
    places = [(f"shop-{number}", f"T{number % 3}") for number in range(12)] + [("shop-0", "T9")]
    events = [change_event("prices", product_code="P1", table_code=table, shop=shop) for shop, table in places]
    harness.store.commit([*events, change_event("prices", product_code="P2", table_code="T1", shop="shop-12")])
    found = harness.views.biography("P1").entities
    assert sorted((row["shop"], row["key"]["table_code"]) for row in found) == sorted(places)
    assert len(harness.views.biography("P1", "shop-0").entities) == 2


def test_a_price_table_leads_to_itself_and_its_prices(harness: ViewsHarness) -> None:
    harness.store.commit(
        [
            change_event("price_tables", table_code="T1"),
            change_event("prices", table_code="T1"),
            change_event("prices", table_code="T2"),
        ]
    )
    found = harness.views.biography("T1")
    assert [(row["domain"], row["key"]["table_code"]) for row in found.entities] == [
        ("price_tables", "T1"),
        ("prices", "T1"),
    ]


@pytest.mark.parametrize("text", [CPF, MASKED, "C1"])
def test_a_customer_is_found_by_code_and_document_which_is_never_shown(harness: ViewsHarness, text: str) -> None:
    harness.store.commit(
        [
            change_event("customers", code="C1", kind="PF", document=CPF),
            change_event("customers", code="C2", document="11144477735"),
        ]
    )
    harness.accept_orders("A", "B", customer={"code": "C1", "document": CPF, "name": "Ana"})
    harness.accept_orders("C", customer={"document": "11144477735", "name": "Rui"})
    harness.store.commit([rejected_delivery(b'{"data":{"code":"C1","document":"529.982.247-25"}}', domain="customers")])
    found = harness.views.biography(text)
    assert [row["key"]["code"] for row in found.entities] == ["C1"]
    assert found.entities[0]["state"]["document"] == "***.982.247-**"
    assert sorted(row["order_id"] for row in found.orders) == ["A", "B"]
    assert {place for row in found.orders for place in row["stands_as"]} == {"customer"}
    assert len(found.quarantined) == 1
    assert CPF not in str(found)
    assert MASKED not in str(found)


def test_a_company_is_found_by_its_document_in_letters_and_digits(harness: ViewsHarness) -> None:
    harness.store.commit([change_event("customers", code="C9", kind="PJ", document=CNPJ)])
    found = harness.views.biography("12.abc.345/01de-35")
    assert found.entities[0]["state"]["document"] == "12.***.***/****-35"


def test_what_is_missed_is_said_even_of_prices_whose_key_begins_with_the_table(harness: ViewsHarness) -> None:
    harness.change("pause")
    harness.store.commit(
        [
            change_event("stock", product_code="P1"),
            change_event("stock", product_code="P10"),
            change_event("products", code="P1"),
            change_event("prices", product_code="P1", table_code="T1"),
            change_event("prices", product_code="P2", table_code="T1"),
            change_event("customers", code="C1"),
        ]
    )
    found = harness.views.biography("P1")
    assert sorted(row["domain"] for row in found.missed) == ["prices", "products", "stock"]
    assert found.entities == []
    assert [row["domain"] for row in harness.views.biography("T1").missed] == ["prices", "prices"]


def test_a_missed_customer_is_found_by_the_document_it_had_before(harness: ViewsHarness) -> None:
    harness.store.commit([change_event("customers", code="C1", kind="PF", document=CPF)])
    harness.change("pause")
    harness.store.commit([change_event("customers", code="C1", kind="PF", document=CPF, version=2)])
    assert [row["version"] for row in harness.views.biography(MASKED).missed] == [2]


def test_an_order_is_found_by_each_of_its_numbers_and_by_what_it_holds(harness: ViewsHarness) -> None:
    harness.accept_orders("web-1", display_number="#100", price_table="T1")
    harness.orders.commit([decoded_receipt(internalized("web-1", "ERP-9"))])
    harness.accept_orders("web-2")
    for text, place in [("web-1", "order"), ("#100", "order"), ("ERP-9", "order"), ("T1", "price_table")]:
        assert [(row["order_id"], row["stands_as"]) for row in harness.views.biography(text).orders] == [
            ("web-1", [place])
        ]
    assert [row["stands_as"] for row in harness.views.biography("P1").orders] == [["product"], ["product"]]
    assert harness.views.biography("web-1").orders[0]["state"] == "internalized"


def test_refused_messages_that_hold_it_are_found_and_a_short_text_only_as_a_whole(harness: ViewsHarness) -> None:
    harness.store.commit(
        [
            rejected_delivery(b'{"data":{"product_code":"P1"}}'),
            rejected_delivery(b'{"data":{"product_code":"P12"}}'),
            rejected_delivery(b'{"data":{"product_code":7891000}}'),
            rejected_delivery(b"\xff\xfe7891000"),
        ]
    )
    assert [row["size"] for row in harness.views.biography("P1").quarantined] == [30]
    assert len(harness.views.biography("7891000").quarantined) == 2
    harness.store.commit([rejected_delivery(shop="?")])
    assert harness.views.biography("P1", "main").quarantined[0]["shop"] == "main"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("P-7123", True),
        ("sextavado", True),
        ("AÇO", False),
        ("P-712", False),
        ("529.982.247-25", True),
        ("52998224725", True),
        ("WEB-4711", True),
        ("SEXTAVADO 7", True),
        ("sexta_ado", False),
        ("nothing", False),
    ],
)
def test_codes_names_documents_and_numbers_of_an_old_refused_message_are_found(
    harness: ViewsHarness, text: str, found: bool
) -> None:
    data = {"code": "P-7123", "name": "Parafuso sextavado 7 aço", "customer": {"document": "529.982.247-25"}}
    old = rejected_delivery(orjson.dumps({"id": "e1", "data": {**data, "items": [{"display_number": "WEB-4711"}]}}))
    harness.store.commit([old])
    newer = {"at": START, "shop": "main", "domain": "stock", "reason": "not_json", "pointer": "", "sentence": ""}
    newer |= {"routing_key": "", "content_type": "", "headers": {}, "body": b"{}", "digest": "", "worker": "w"}
    harness.fill(quarantine, [{**newer, "id": f"z{number:05}", "search_text": "\nother\n"} for number in range(5_001)])
    assert bool(harness.views.biography(text).quarantined) is found
    assert bool(harness.views.biography(text, "main").quarantined) is found
    assert harness.views.biography(text, "elsewhere").quarantined == []


def test_what_no_index_leads_to_is_searched_within_bounds_and_the_answer_says_so(
    harness: ViewsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "_ORDERS_SEARCHED", 2)
    monkeypatch.setattr(mentions, "_MESSAGES_SEARCHED", 1)
    monkeypatch.setattr(mentions, "_MISSED_SEARCHED", 1)
    harness.accept_orders("a", "b", "c")
    harness.store.commit([rejected_delivery(b'["P1"]'), rejected_delivery(b'["P1"] ')])
    row = {"domain": "prices", "shop": "main", "version": 1, "event_id": "e", "discarded_at": START}
    harness.fill(
        missed,
        [{**row, "key": f'{{"table_code":"T{number}","product_code":"P1"}}'} for number in range(2)],
    )
    found = harness.views.biography("P1")
    assert [row["order_id"] for row in found.orders] == ["c", "b"]
    assert [row["size"] for row in found.quarantined] == [7]
    assert len(found.missed) == 1
    assert sorted(found.bounds) == [("missed", 1), ("orders", 2), ("quarantine.body", 1)]
    # What an index leads to is found wherever it is.
    assert [row["order_id"] for row in harness.views.biography("a").orders] == ["a"]


def test_a_table_with_more_rows_than_are_shown_is_named(harness: ViewsHarness) -> None:
    harness.store.commit([change_event("stock", product_code="P1", branch=str(number)) for number in range(101)])
    found = harness.views.biography("P1")
    assert (len(found.entities), found.more) == (100, ["stock"])


def test_nothing_is_found_of_what_is_not_there(harness: ViewsHarness) -> None:
    found = harness.views.biography("'; DROP TABLE orders; --%_")
    assert not any(found[1:])
    with harness.engine.connect() as connection:
        assert connection.execute(orders.select()).all() == []
