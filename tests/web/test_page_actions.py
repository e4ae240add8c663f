"""Actions of the page beside switching: the count first, exactly those rows, then the result."""

from __future__ import annotations

import pytest

from comporta.web.request import Role
from schemas.reasons import Reason
from storage.views import AuditFilter, QuarantineFilter
from tests.support.page_client import PageClient
from tests.support.views_harness import change_event, rejected_delivery
from tests.support.web_harness import WebHarness

BAD_KEYS = [f"shop=main&domain=stock&key={key}" for key in ("{", "[]", "{}")]


def keep(web: WebHarness, *items: object) -> list[str]:
    """Puts messages into the quarantine; returns their ids, the newest first."""
    web.storage.store.commit(items)  # type: ignore[arg-type]
    return [row["id"] for row in web.database.views.rows(QuarantineFilter())]


def test_a_rejected_order_is_sent_again_and_a_finished_one_is_not(web: WebHarness) -> None:
    web.storage.accept_orders("O/1", "O2")
    web.storage.set_order("O/1", state="rejected")
    web.storage.set_order("O2", state="internalized")
    client = PageClient(web)
    assert client.get_page("/order?shop=main&id=O2").all("form", action="/orders/retry") == []
    sent = client.get_page("/order?shop=main&id=O/1").form("/orders/retry")
    assert "Order O/1 will be sent again" in client.post_form("/orders/retry", **sent).text
    assert web.database.views.order("main", "O/1")["state"] == "waiting"  # type: ignore[index]
    assert "The order does not exist" in client.post_form("/orders/retry", 409, shop="main", id="O2").text


def test_many_orders_are_sent_again_once_their_number_is_known(web: WebHarness) -> None:
    web.storage.accept_orders("O1", "O2", "O3")
    for order in ("O1", "O2"):
        web.storage.set_order(order, state="rejected")
    client = PageClient(web)
    page = client.get_page("/orders/retry")
    assert "2 rejected orders go to the ERP once more" in page.text
    web.storage.set_order("O3", state="rejected")
    assert "3 now" in client.post_form("/orders/retry-many", 409, **page.form("/orders/retry-many")).text
    again = client.get_page("/orders/retry").form("/orders/retry-many")
    assert "3 orders will be sent again" in client.post_form("/orders/retry-many", **again).text
    assert web.database.views.status().orders == {"main": {"waiting": 3}}


def test_stuck_orders_are_shown_and_sent_again(web: WebHarness) -> None:
    web.storage.accept_orders("O1", "O2", "O3")
    for order in ("O1", "O2"):
        web.storage.set_order(order, state="stuck", last_error="HTTP 500", failures=20)
    client = PageClient(web)
    assert client.get_page("/orders?state=stuck").all("form", action="/orders/retry")
    page = client.get_page("/orders/retry?state=stuck")
    assert "2 stuck orders" in page.text
    assert (
        "2 orders will be sent again" in client.post_form("/orders/retry-many", **page.form("/orders/retry-many")).text
    )
    assert web.database.views.status().orders == {"main": {"waiting": 3}}


def test_missed_keys_are_requested_again_after_saying_how_many(web: WebHarness) -> None:
    web.storage.discard("P1", "P2")
    client = PageClient(web)
    [link] = [each["href"] for each in client.get_page("/missed").all("a") if "/missed/resync" in each["href"]]
    page = client.get_page(link)
    assert "send 2 keys again: Stock, shop main" in page.text
    done = client.post_form("/missed/resync", **page.form("/missed/resync"))
    assert "asked for 2 keys in 1 messages" in done.text
    assert [message.routing_key for message in web.published] == ["main.stock"]


def test_one_message_is_replayed_at_once_and_dropped_only_after_a_question(web: WebHarness) -> None:
    second, first = keep(web, rejected_delivery(b"1"), rejected_delivery(b"2"))
    client = PageClient(web)
    page = client.get_page(f"/quarantine/message?id={first}")
    assert "on its way again" in client.post_form("/quarantine/replay", **page.form("/quarantine/replay")).text
    assert [message.body for message in web.published] == [b"1"]
    question = client.get_page(f"/quarantine/drop?id={second}")
    assert "1 message is removed for good" in question.text
    assert "dropped" in client.post_form("/quarantine/drop", **question.form("/quarantine/drop")).text
    assert web.database.views.rows(QuarantineFilter()) == []
    gone = f"/quarantine/message?id={first}"
    assert "is in the quarantine" in client.get_page(gone, 404).text
    # A page that still shows it loses its buttons.
    refreshed = client.get_page(gone, headers={"hx-request": "true", "hx-target": "live"})
    assert "is in the quarantine" in refreshed.text
    assert "/quarantine/replay" not in refreshed.answer.text


@pytest.mark.parametrize("what", ["replay", "drop"])
def test_many_messages_are_only_those_of_the_filter_and_of_the_number_shown(web: WebHarness, what: str) -> None:
    keep(web, rejected_delivery(b"1"), rejected_delivery(b"2"), rejected_delivery(b"3", reason=Reason.TOO_LONG))
    client = PageClient(web)
    [link] = [
        each["href"]
        for each in client.get_page("/quarantine?reason=no_version").all("a")
        if each["href"].startswith(f"/quarantine/{what}?") and "id=" not in each["href"]
    ]
    question = client.get_page(link)
    assert "2 messages" in question.text
    filled = question.form(f"/quarantine/{what}-many")
    client.post_form(f"/quarantine/{what}-many", 409, **{**filled, "expected": "3"})
    client.post_form(f"/quarantine/{what}-many", 409, **{**filled, "expected": "all"})
    assert len(web.database.views.rows(QuarantineFilter())) == 3
    client.post_form(f"/quarantine/{what}-many", **filled)
    assert [row["reason"] for row in web.database.views.rows(QuarantineFilter())] == ["too_long"]
    assert len(web.published) == (2 if what == "replay" else 0)


def test_what_can_not_be_replayed_stays_and_says_why(sqlite_web: WebHarness) -> None:
    [stray] = keep(sqlite_web, rejected_delivery(b"1", shop="?", reason=Reason.ROUTING_KEY))
    page = PageClient(sqlite_web).post_form("/quarantine/replay", 409, id=stray)
    assert "names no shop" in page.text
    assert len(sqlite_web.database.views.rows(QuarantineFilter())) == 1


def test_the_audit_names_the_operator(sqlite_web: WebHarness) -> None:
    [message] = keep(sqlite_web, rejected_delivery(b"1"))
    PageClient(sqlite_web).post_form("/quarantine/drop", id=message)
    [entry] = sqlite_web.database.views.rows(AuditFilter())
    assert (entry["action"], entry["by"], entry["user_id"], entry["source"]) == ("drop", "ana", "ana", "http")


def test_the_repair_sheet_counts_down(web: WebHarness) -> None:
    web.storage.discard("P1", "P2")
    client = PageClient(web)
    text = client.get_page("/repairs").text
    assert "2 of 2 left" in text or "Left: 2." in text


def test_the_versions_of_a_key_are_forgotten_with_a_reason(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock", product_code="P1", version=2**61)])
    client = PageClient(web)
    [link] = [
        each["href"] for each in client.get_page("/search?text=P1").all("a") if "/versions/forget" in each["href"]
    ]
    asked = client.get_page(link).form("/versions/forget")
    assert "a reason is required" in client.post_form("/versions/forget", 409, **asked).text
    done = client.post_form("/versions/forget", **{**asked, "reason": "poisoned"})
    assert "1 key is forgotten" in done.text
    assert "forgotten: the next event wins" in client.get_page("/search?text=P1").text
    assert "Versions forgotten" in client.get_page("/audit").text
    assert PageClient(web, Role.VIEWER).get_page("/search?text=P1").all("a", class_="button quiet") == []


def test_the_versions_of_a_shops_domain_are_forgotten_once_their_number_is_known(web: WebHarness) -> None:
    web.storage.store.commit([change_event("stock", product_code=f"P{number}") for number in range(3)])
    client = PageClient(web)
    [link] = [each["href"] for each in client.get_page("/").all("a") if "/versions/forget" in each["href"]]
    assert "Continue" in client.get_page(link).text
    asked = client.get_page("/versions/forget?shop=main&domain=stock")
    assert "3 keys forget their version: Stock, shop main" in asked.text
    form = asked.form("/versions/forget")
    assert "3 keys are forgotten" in client.post_form("/versions/forget", **{**form, "reason": "restored"}).text
    assert "0 keys forget their version" in client.get_page("/versions/forget?shop=main&domain=stock").text
    for asked_wrongly in ("shop=main&domain=orders", "shop=MAIN&domain=stock", *BAD_KEYS):
        client.get_page(f"/versions/forget?{asked_wrongly}", 400)
