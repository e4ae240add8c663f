"""The ledger, its balance, the cost of a pause and a key's biography, over HTTP."""

from __future__ import annotations

from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness

CPF = "52998224725"


def test_the_ledger_is_shown_and_downloaded(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock"), rejected_delivery()])
    rows = web.get("/api/ledger", domain="stock")
    assert [(row["outcome"], row["count"], row["shop"]) for row in rows] == [
        ("applied", 1, None),
        ("quarantined", 1, None),
    ]
    assert web.get("/api/ledger", step="hour", outcome="applied", shop="main")[0]["shop"] == "main"
    assert [row["count"] for row in web.csv("/api/ledger")] == ["1", "1"]
    assert rows[0]["at"].endswith(":00Z")


def test_the_balance_says_what_came_in_and_that_nothing_is_lost(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock"), change_event("stock"), rejected_delivery()])
    balance = web.get("/api/ledger/balance")
    assert balance["total"] == {
        "received": 3,
        "applied": 1,
        "superseded": 1,
        "discarded": 0,
        "quarantined": 1,
        "difference": 0,
    }
    assert list(balance["domains"]) == ["stock"]
    assert web.get("/api/ledger/balance", since="2126-01-01T00:00:00Z")["total"]["received"] == 0


def test_the_cost_repeats_what_was_asked_and_what_it_is_told_from(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock"), change_event("prices")])
    web.storage.accept_orders("a")
    cost = web.get("/api/cost", shop="main", domains=["stock", "orders"], minutes=10)
    assert (cost["shop"], cost["domains"], cost["minutes"], cost["enough"]) == ("main", ["stock", "orders"], 10, False)
    assert (cost["basis"]["changes"], cost["basis"]["orders"]) == (1, 1)
    assert web.get("/api/cost", domains="stock,prices")["basis"]["changes"] == 2
    assert web.get("/api/cost")["domains"] == ["*"]


def test_a_biography_tells_all_of_a_key_and_hides_documents(web: WebHarness) -> None:
    web.storage.store.commit([change_event("customers", code="C1", kind="PF", document=CPF)])
    web.storage.accept_orders("a", customer={"code": "C1", "document": CPF, "name": "Ana"})
    answer = web.request("GET", "/api/biography?text=529.982.247-25")
    found = answer.json()
    assert CPF not in answer.text
    assert "529.982" not in answer.text
    assert (found["text"], found["entities"][0]["state"]["document"]) == ("***.982.247-**", "***.982.247-**")
    assert found["orders"][0]["stands_as"] == ["customer"]
    assert found["bounds"] == found["more"] == []


def test_one_order_and_one_message_are_shown_whole(web: WebHarness) -> None:
    web.storage.accept_orders("a/b", display_number="#7")
    order = web.get("/api/orders/main/a/b")
    assert (order["order_id"], order["display_number"], order["payload"]["total"]) == ("a/b", "#7", "19.98")
    web.storage.store.commit([rejected_delivery(b'{"a":\xff}')])
    [row] = web.get("/api/quarantine")
    message = web.get(f"/api/quarantine/{row['id']}")
    assert (message["body"], message["doc"]) == ('{"a":\\xff}', "/docs/reasons#no_version")
