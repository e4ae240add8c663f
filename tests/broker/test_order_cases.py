"""The order files in `tests/cases/orders`: sums that add up, orders that contradict themselves, a cancellation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broker.connection import open_connection
from schemas.topology import ORDERS_IN
from storage.views import QuarantineFilter
from tests.support.order_pipeline import send_orders, take_orders
from tests.support.pipeline import Pipeline

CASES = Path(__file__).parents[1] / "cases" / "orders"


def place(pipeline: Pipeline, file: str, backwards: bool = False) -> list[bytes]:
    """Publish the lines of a file as the shop does, each in a batch of its own; return them."""
    lines = (CASES / file).read_bytes().splitlines()[:: -1 if backwards else 1]
    for line in lines:
        pipeline.publish(line, exchange=ORDERS_IN, key="main")
        take_orders(pipeline, 1)
    return lines


def at_the_erp(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Hand over what may leave; return the data of each order on the ERP's queue."""
    send_orders(pipeline)
    handed: dict[str, dict[str, Any]] = {}
    with open_connection(pipeline.url, name="test ERP") as connection, connection.channel() as channel:
        while (message := channel.basic_get("erp.orders", no_ack=True)) is not None:
            data = json.loads(message.body)["data"]
            handed[data["order_id"]] = data
    return handed


def test_taxes_on_top_insurance_and_freight_add_up_and_reach_the_erp(pipeline: Pipeline) -> None:
    lines = place(pipeline, "sums.jsonl")
    placed = {order["order_id"]: order for order in (json.loads(line)["data"] for line in lines)}
    assert at_the_erp(pipeline) == placed
    assert placed.keys() == {"tax-on-top", "nfe-ipi", "insurance"}
    assert placed["nfe-ipi"]["items"][0]["taxes"] == [{"kind": "IPI", "value": "14565.07"}]


def test_orders_that_contradict_themselves_are_refused_each_for_its_own_reason(pipeline: Pipeline) -> None:
    place(pipeline, "contradictory.jsonl")
    assert at_the_erp(pipeline) == {}
    refused = {row["key"]: (row["reason"], row["pointer"]) for row in pipeline.database.views.rows(QuarantineFilter())}
    assert refused == {
        "qty-price": ("line_sum", "/data/items/0/total"),
        "negative-line": ("negative_total", "/data/items/0/total"),
        "masked-cpf-wrong": ("cpf_check_digit", "/data/customer/document"),
    }


@pytest.mark.parametrize("cancelled_first", [False, True])
def test_an_order_that_is_cancelled_while_off_never_leaves(pipeline: Pipeline, cancelled_first: bool) -> None:
    pipeline.change("pause", domains=["orders"])
    place(pipeline, "cancelled-while-held.jsonl", backwards=cancelled_first)
    pipeline.change("resume", domains=["orders"])
    assert at_the_erp(pipeline) == {}
    row = pipeline.orders()["main/K1"]
    assert (row["state"], row["cancel_reason"], row["attempts"]) == ("cancelled", "customer", 0)
