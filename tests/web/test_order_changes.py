"""Orders held, released, cancelled and accepted as they are: by the API and on the page, one by one and by a filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from comporta.web.request import Role
from control.auth.tokens import Identity
from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.views import AuditFilter, QuarantineFilter
from tests.support.order_events import decoded_receipt, invoiced, placed, shipped
from tests.support.page_client import PageClient
from tests.support.problem_details import check_problem
from tests.support.web_harness import WebHarness, signed_in_as

STRUCTURED = "application/cloudevents+json"


@pytest.fixture
def operator_web(web: WebHarness) -> Iterator[WebHarness]:
    """The application as an operator sees it."""
    web.app = signed_in_as(web.app, Identity("ana", Role.OPERATOR))  # type: ignore[assignment]
    return web


def post(web: WebHarness, path: str, **body: Any) -> Any:
    return web.request("POST", path, json=body)


def done(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def states(web: WebHarness) -> dict[str, str]:
    return {row["order_id"]: row["state"] for row in web.get("/api/orders")}


def acts(web: WebHarness) -> list[tuple[Any, ...]]:
    """The acts of the audit, oldest first."""
    rows = reversed(web.database.views.rows(AuditFilter()))
    return [(row["action"], row["subject"], row["by"], row["reason"], row["count"]) for row in rows]


def refuse(web: WebHarness, body: bytes, reason: Reason = Reason.ORDER_SUM) -> str:
    """Quarantine an order; return the message's id."""
    refusal = Refusal(reason, "/data/total", "must equal the sum")
    rejected = RejectedDelivery("main", "orders", refusal, body, "main", STRUCTURED, {}, False)
    web.storage.orders.commit([rejected])
    return str(web.database.views.rows(QuarantineFilter())[0]["id"])


def test_one_order_is_held_released_and_cancelled(operator_web: WebHarness) -> None:
    web = operator_web
    web.storage.accept_orders("O/1")
    assert done(post(web, "/api/orders/main/O/1/hold", reason="address")) == {"state": "held", "cancellation": None}
    check_problem(post(web, "/api/orders/main/O/1/hold"), 409)
    assert done(post(web, "/api/orders/main/O/1/release"))["state"] == "waiting"
    assert done(post(web, "/api/orders/main/O/1/cancel", reason="customer"))["state"] == "cancelled"
    check_problem(post(web, "/api/orders/main/unknown/cancel"), 404)
    assert acts(web) == [
        ("hold", "O/1", "ana", "address", 1),
        ("release", "O/1", "ana", None, 1),
        ("cancel", "O/1", "ana", "customer", 1),
    ]


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [("hold", "waiting", "held"), ("release", "held", "waiting"), ("cancel", "waiting", "cancelled")],
)
def test_many_are_changed_by_a_filter_and_the_number_that_was_shown(
    operator_web: WebHarness, change: str, before: str, after: str
) -> None:
    web, path = operator_web, f"/api/orders/{change}"
    web.storage.accept_orders("O1", "O2", "O3")
    for order in ("O1", "O2"):
        web.storage.set_order(order, state=before)
    web.storage.set_order("O3", state="internalized", cancellation="told")
    asked = {"shop": "main"}
    assert done(post(web, path, filter=asked, dry_run=True)) == {"chosen": 2, "changed": 0}
    problem = check_problem(post(web, path, filter=asked, expected=3), 409)
    assert (problem["expected"], problem["now"]) == (3, 2)
    check_problem(post(web, path, filter=asked), 400)
    check_problem(post(web, path, filter={"shops": "main"}, expected=2), 400)
    assert states(web) == {"O1": before, "O2": before, "O3": "internalized"}
    assert done(post(web, path, filter=asked, expected=2, reason="x")) == {"chosen": 2, "changed": 2}
    assert states(web) == {"O1": after, "O2": after, "O3": "internalized"}
    assert acts(web) == [(change, "shop=main", "ana", "x", 2)]


def test_a_viewer_changes_no_order(web: WebHarness) -> None:
    web.storage.accept_orders("O1")
    page = PageClient(web, Role.VIEWER).get_page("/order?shop=main&id=O1")
    assert page.all("form", action="/orders/change") == []


def test_the_page_offers_what_the_state_allows_and_does_it(web: WebHarness) -> None:
    web.storage.accept_orders("O1")
    client, address = PageClient(web), "/order?shop=main&id=O1"

    def offered() -> set[str]:
        return {each["value"] for each in client.get_page(address).all("input", name="change")}

    def choose(change: str, status: int = 200) -> str:
        return client.post_form("/orders/change", status, change=change, shop="main", id="O1").text

    assert offered() == {"retry", "hold", "cancel"}
    assert "Order O1 is held" in choose("hold")
    assert offered() == {"release", "cancel"}
    assert "waits for the ERP again" in choose("release")
    assert "cancellation of order O1 is recorded" in choose("cancel")
    assert offered() == set()
    assert states(web) == {"O1": "cancelled"}
    choose("hold", 409)


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_many_orders_are_changed_on_the_page_once_their_number_is_known(web: WebHarness, language: str) -> None:
    web.storage.accept_orders("O1", "O2", "O3")
    web.storage.set_order("O3", state="internalized")
    client = PageClient(web, language=language)
    [link] = [
        each["href"] for each in client.get_page("/orders?state=waiting").all("a") if "change=hold" in each["href"]
    ]
    asked = client.get_page(link).form("/orders/change-many")
    assert asked["expected"] == ["2"]
    web.storage.accept_orders("O4")
    client.post_form("/orders/change-many", 409, **asked)
    asked = client.get_page(link).form("/orders/change-many")
    client.post_form("/orders/change-many", **{**asked, "why": "strike"})
    assert states(web) == {"O1": "held", "O2": "held", "O4": "held", "O3": "internalized"}
    assert acts(web) == [("hold", "state=waiting", "ana", "strike", 3)]


def test_an_order_is_accepted_as_it_is_and_shows_by_whom(operator_web: WebHarness) -> None:
    web = operator_web
    identity = refuse(web, placed("odd", total="1.00"))
    path = f"/api/quarantine/{identity}/accept"
    assert done(post(web, path, reason="paid")) == {"shop": "main", "order_id": "odd", "state": "waiting"}
    check_problem(post(web, path), 404)
    assert web.get("/api/quarantine") == []
    order = web.get("/api/orders/main/odd")
    assert order["payload"]["total"] == "1.00"
    assert (order["accepted_as_is"]["by"], order["accepted_as_is"]["reason"]) == ("ana", "paid")
    assert order["accepted_as_is"]["refusal"]["reason"] == "order_sum"
    assert acts(web) == [("accept", "odd", "ana", "paid", 1)]


def test_an_order_with_a_gap_is_not_accepted_and_stays(operator_web: WebHarness) -> None:
    web = operator_web
    identity = refuse(web, placed("gap", total="1.00", currency="XXY"))
    problem = check_problem(post(web, f"/api/quarantine/{identity}/accept"), 409)
    assert "currency" in problem["detail"]
    assert [row["id"] for row in web.get("/api/quarantine")] == [identity]
    assert states(web) == {}


def test_the_page_offers_to_accept_only_what_can_be(web: WebHarness) -> None:
    client = PageClient(web)
    odd = refuse(web, placed("odd", total="1.00"))
    page = client.get_page(f"/quarantine/message?id={odd}")
    assert (
        "Order odd is accepted as it is"
        in client.post_form("/quarantine/accept", **page.form("/quarantine/accept")).text
    )
    assert "Accepted as it is ana" in client.get_page("/order?shop=main&id=odd").text
    gap = refuse(web, placed("gap", currency="XXY"), Reason.CURRENCY_UNKNOWN)
    assert client.get_page(f"/quarantine/message?id={gap}").all("form", action="/quarantine/accept") == []


def test_an_order_shows_its_invoice_and_its_shipment(web: WebHarness) -> None:
    web.storage.accept_orders("O1")
    news = [shipped("O1", "BR123", carrier="Expresso"), invoiced("O1", "1001", issued_at="2026-11-24T10:00:00Z")]
    web.storage.orders.commit([decoded_receipt(each) for each in news])
    events = web.get("/api/orders/main/O1")["events"]
    assert [(each["event"], each["data"]["order_id"]) for each in events] == [("shipped", "O1"), ("invoiced", "O1")]
    text = PageClient(web).get_page("/order?shop=main&id=O1").text
    for shown in ("Invoiced", "Number 1001", "Shipped", "Tracking BR123", "Carrier Expresso"):
        assert shown in text


def test_chosen_orders_are_changed_and_those_whose_state_does_not_allow_it_are_left_out(web: WebHarness) -> None:
    web.storage.accept_orders("O/1", "O2", "O3")
    web.storage.set_order("O/1", state="rejected")
    web.storage.set_order("O2", state="cancelled")
    client = PageClient(web)
    boxes = client.get_page("/orders?attention=false").all("input", name="order")
    assert [box["value"] for box in boxes] == ["main/O/1", "main/O2", "main/O3"]
    for change, after in (("hold", "held"), ("release", "waiting"), ("cancel", "cancelled")):
        asked = client.get_page(f"/orders/change?change={change}&order=main/O/1&order=main/O2").form(
            "/orders/change-many"
        )
        assert (asked["expected"], asked["order"]) == (["1"], ["main/O/1", "main/O2"])
        client.post_form("/orders/change-many", **asked)
        assert states(web) == {"O/1": after, "O2": "cancelled", "O3": "waiting"}
    web.storage.set_order("O3", state="stuck")
    asked = client.get_page("/orders/change?change=retry&order=main/O3&order=main/O2").form("/orders/change-many")
    client.post_form("/orders/change-many", **asked)
    assert states(web)["O3"] == "waiting"
    assert acts(web)[0] == ("hold", "2 given", "ana", None, 1)


def test_the_api_changes_orders_by_name(operator_web: WebHarness) -> None:
    web = operator_web
    web.storage.accept_orders("O1", "O2")
    chosen = {"orders": [{"shop": "main", "order_id": "O2"}]}
    assert done(post(web, "/api/orders/hold", filter=chosen, expected=1)) == {"chosen": 1, "changed": 1}
    assert states(web) == {"O1": "waiting", "O2": "held"}


def test_the_time_in_a_state_begins_with_it_and_attempts_in_between_change_nothing(operator_web: WebHarness) -> None:
    web = operator_web
    web.storage.accept_orders("O1")

    def since() -> Any:
        return web.get("/api/orders/main/O1")["state_since"]

    waiting = since()
    assert waiting == web.get("/api/orders/main/O1")["received_at"]
    done(post(web, "/api/orders/main/O1/hold"))
    held = since()
    assert held > waiting
    done(post(web, "/api/orders/main/O1/release"))
    assert since() > held
    # Rows of before the column tell what is known.
    web.storage.set_order("O1", state_since=None)
    assert since() == waiting
    web.storage.set_order("O1", state="rejected")
    assert since() is None
    assert "for 0 s" not in PageClient(web).get_page("/orders?state=rejected").text
