"""A refused order is found by its number: in the API, on the page and in the search."""

from __future__ import annotations

import pytest

from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from tests.support.order_events import placed
from tests.support.web_harness import WebHarness


@pytest.fixture
def refused(web: WebHarness) -> str:
    """The id of a refused order's message in the quarantine, among others."""
    for order_id, shop in (("O1", "other"), ("O1", "main"), ("O2", "main")):
        refusal = Refusal(Reason.ORDER_SUM, "/data/total", "must be the sum")
        message = RejectedDelivery(shop, "orders", refusal, placed(order_id), shop, "", {}, redelivered=False)
        web.storage.orders.commit([message])
    [row] = web.get("/api/quarantine", key="O1", shop="main")
    assert (row["key"], row["domain"], row["reason"]) == ("O1", "orders", "order_sum")
    return str(row["id"])


def test_the_api_names_the_message_and_the_reason(web: WebHarness, refused: str) -> None:
    answer = web.request("GET", "/api/orders/main/O1")
    assert answer.status_code == 404
    assert f"it was refused (order_sum): see /api/quarantine/{refused}" in answer.json()["detail"]
    assert web.get(f"/api/quarantine/{refused}")["key"] == "O1"
    assert "refused" not in web.request("GET", "/api/orders/main/O3").json()["detail"]


def test_the_page_leads_to_the_refused_messages_of_an_order(web: WebHarness, refused: str) -> None:
    answer = web.request("GET", "/order?shop=main&id=O1", headers={"accept": "text/html"})
    assert answer.status_code == 303
    page = web.request("GET", answer.headers["location"], headers={"accept": "text/html"}).text
    assert page.count("/quarantine/message?id=") == 1
    assert f"/quarantine/message?id={refused}" in page
    assert "must be the sum" in page
    assert web.request("GET", "/order?shop=main&id=O3", headers={"accept": "text/html"}).status_code == 404


def test_the_search_finds_it(web: WebHarness, refused: str) -> None:
    assert [row["id"] for row in web.get("/api/biography", text="O1", shop="main")["quarantined"]] == [refused]
