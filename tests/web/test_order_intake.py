"""`POST /orders` stores orders at once, or refuses them with the reasons."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from schemas.topology import EVENTS, ORDERS_IN
from tests.support.event_samples import sample_event
from tests.support.order_events import placed
from tests.support.web_harness import WebHarness

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def post(
    web: WebHarness, body: bytes, content_type: str = STRUCTURED, path: str = "/orders", **headers: str
) -> httpx.Response:
    named = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return web.request("POST", path, content=body, headers=named)


def batch(*orders: bytes) -> bytes:
    return b"[" + b",".join(orders) + b"]"


def states(web: WebHarness) -> dict[str, str]:
    return {f"{row['shop']}/{row['order_id']}": row["state"] for row in web.get("/api/orders")}


def stored(answer: httpx.Response) -> tuple[int, int]:
    assert answer.status_code == 202, answer.text
    return answer.json()["accepted"], answer.json()["repeated"]


@pytest.mark.parametrize("off", [False, True])
def test_orders_are_stored_once_whatever_is_off(web: WebHarness, off: bool) -> None:
    if off:
        web.storage.change("pause")
    assert stored(post(web, placed("a"))) == (1, 0)
    assert stored(post(web, batch(placed("a"), placed("b"), placed("b")), BATCH)) == (3, 2)
    assert stored(post(web, placed("a"), path="/orders?shop=other")) == (1, 0)
    assert stored(post(web, batch(), BATCH)) == (0, 0)
    assert states(web) == {"main/a": "waiting", "main/b": "waiting", "other/a": "waiting"}
    assert web.database.views.totals()["orders"] == {"applied": 3, "superseded": 2}
    assert web.database.views.balance() is not None


def test_the_data_alone_is_an_order_with_its_attributes_as_headers(web: WebHarness) -> None:
    data = json.dumps(json.loads(placed("a"))["data"]).encode()
    attributes = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/shop", "ce_type": "shop.order.placed.v1"}
    assert stored(post(web, data, "application/json", **attributes)) == (1, 0)
    assert post(web, data, "application/json").status_code == 400
    assert states(web) == {"main/a": "waiting"}


def problem(answer: httpx.Response, status: int = 400) -> list[tuple[int | None, str, str]]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return [(error.get("index"), error["reason"], error["pointer"]) for error in answer.json()["errors"]]


def test_one_refused_order_of_a_batch_refuses_all_with_the_reasons(web: WebHarness) -> None:
    answer = post(web, batch(placed("a"), placed("b", total="1.00"), placed("c", currency="XXY")), BATCH)
    assert problem(answer) == [(1, "order_sum", "/data/total"), (2, "currency_unknown", "/data/currency")]
    assert answer.json()["detail"] == "2 of 3 orders are refused; nothing was stored"
    assert states(web) == {}
    assert web.get("/api/quarantine") == []


def test_an_order_that_contradicts_an_earlier_one_refuses_all(web: WebHarness) -> None:
    post(web, placed("a"))
    answer = post(web, batch(placed("b"), placed("a", notes="changed"), placed("c"), placed("c", notes="two")), BATCH)
    assert problem(answer) == [(1, "order_changed", "/data"), (3, "order_changed", "/data")]
    assert states(web) == {"main/a": "waiting"}


@pytest.mark.parametrize(
    ("body", "content_type", "path", "status", "reason"),
    [
        (b"{", STRUCTURED, "/orders", 400, "malformed_json"),
        (b"{}", BATCH, "/orders", 400, "batch_format"),
        (b"{}", "text/plain", "/orders", 415, "content_type"),
        (placed(), STRUCTURED, "/orders?shop=A", 400, "routing_key"),
        (sample_event("stock"), STRUCTURED, "/orders", 400, "unknown_type"),
        (b"[]", STRUCTURED, "/orders", 400, "not_an_event"),
    ],
)
def test_a_request_that_is_no_order_is_refused_by_name(
    web: WebHarness, body: bytes, content_type: str, path: str, status: int, reason: str
) -> None:
    [(_, code, _)] = problem(post(web, body, content_type, path), status)
    assert code == reason


def outcomes(answer: httpx.Response) -> list[tuple[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [(event["outcome"], event.get("reason")) for event in answer.json()["events"]]


@pytest.mark.parametrize("path", ["/orders", "/events"])
def test_a_dry_run_foretells_orders_and_stores_nothing(web: WebHarness, path: str) -> None:
    post(web, placed("a"))
    orders = batch(placed("a"), placed("b"), placed("a", notes="changed"), placed("c", total="1.00"), placed("b"))
    assert outcomes(post(web, orders, BATCH, f"{path}?dry_run=true")) == [
        ("superseded", None),
        ("applied", None),
        ("quarantined", "order_changed"),
        ("quarantined", "order_sum"),
        ("superseded", None),
    ]
    assert states(web) == {"main/a": "waiting"}
    assert web.published == []


def test_events_and_orders_of_one_request_go_to_their_exchanges(web: WebHarness) -> None:
    answer = post(web, batch(sample_event("stock"), placed("a")), BATCH, "/events?shop=s1")
    assert answer.status_code == 202
    routes = [(message.exchange, message.routing_key) for message in web.published]
    assert routes == [(EVENTS, "s1.stock"), (ORDERS_IN, "s1")]
