"""Other people's programs read the contract: AsyncAPI's own parser, and a validator in JavaScript."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.asyncapi import asyncapi_document
from schemas.domains import DOMAINS
from schemas.full_load import LOAD_TYPES
from schemas.order_news import CANCEL_REFUSED, CANCEL_TO_ERP, CANCELLED, ERP_CANCELLED, INVOICED, SHIPPED
from schemas.orders import PLACED, TO_ERP
from schemas.receipts import INTERNALIZED, REJECTED
from schemas.topology import EXCHANGES, QUEUES
from tests.support.contract_samples import INVALID, VALID
from tests.support.node import Node
from tests.support.schema_limits import INTEGER_WITH_A_POINT, NO_JSON_VALUE, beyond_a_schema
from tests.support.schema_validators import SCHEMAS

DOCUMENT = asyncapi_document()
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
# What takes a computation; this validator leaves formats alone.
COMPUTED = {
    "gtin_check_digit", "cpf_check_digit", "cnpj_check_digit", "currency_unknown", "time_format", "number_range",
    "key_format",
}  # fmt: skip


def test_the_parser_of_asyncapi_finds_nothing_wrong(node: Node) -> None:
    found = node("asyncapi.mjs", DOCUMENT)
    assert [said for said in found["said"] if said["severity"] < 2] == []
    assert (found["version"], set(found["channels"])) == ("3.0.0", set(CHANNELS))


def test_the_parser_of_asyncapi_finds_a_channel_that_is_not_there(node: Node) -> None:
    broken = {**DOCUMENT, "channels": {**CHANNELS}}
    del broken["channels"]["status"]
    assert [said for said in node("asyncapi.mjs", broken)["said"] if said["severity"] == 0]


def amqp(channel: dict[str, Any]) -> dict[str, Any]:
    return dict(channel.get("bindings", {}).get("amqp", {}))


def test_every_exchange_is_described_as_it_is_declared() -> None:
    exchanges = [amqp(channel)["exchange"] for channel in CHANNELS.values() if "exchange" in amqp(channel)]
    assert {each["name"]: each["type"] for each in exchanges} == EXCHANGES
    assert all(each["durable"] and not each["autoDelete"] for each in exchanges)


def test_every_queue_is_described_as_it_is_declared() -> None:
    described = {channel["address"]: channel for channel in CHANNELS.values() if "queue" in amqp(channel)}
    assert described.keys() == QUEUES.keys()
    for name, queue in QUEUES.items():
        channel = described[name]
        assert amqp(channel)["queue"] == {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
        assert channel["x-arguments"] == queue.arguments
        assert channel["x-bindings"] == [{"exchange": queue.exchange, "routingKey": key} for key in queue.routing_keys]


def test_both_events_of_a_domain_go_to_its_queue_under_its_routing_key() -> None:
    for name, domain in DOMAINS.items():
        both = {f"erp.{domain.entity}.{action}.v1" for action in ("changed", "deleted")}
        published, queued = CHANNELS[f"events.{name}"], CHANNELS[f"queue.comporta.{name}"]
        assert published["address"] == f"{{shop}}.{name}"
        assert published["messages"].keys() == queued["messages"].keys() == both | LOAD_TYPES.keys()
        bulk = CHANNELS[f"events.{name}.bulk"], CHANNELS[f"queue.comporta.{name}.bulk"]
        assert bulk[0]["address"] == f"{{shop}}.{name}.bulk"
        assert bulk[0]["messages"].keys() == bulk[1]["messages"].keys() == published["messages"].keys()


@pytest.mark.parametrize(
    ("flow", "address", "messages", "action"),
    [
        ("orders.placed", "{shop}", {PLACED, CANCELLED}, "receive"),
        ("orders.erp", "{shop}", {TO_ERP, CANCEL_TO_ERP}, "send"),
        (
            "receipts",
            "{shop}.receipts",
            {INTERNALIZED, REJECTED, ERP_CANCELLED, CANCEL_REFUSED, INVOICED, SHIPPED},
            "receive",
        ),
    ],
)
def test_orders_come_from_the_shop_and_go_to_the_erp_and_receipts_come_back(
    flow: str, address: str, messages: set[str], action: str
) -> None:
    assert (CHANNELS[flow]["address"], CHANNELS[flow]["messages"].keys()) == (address, messages)
    assert DOCUMENT["operations"][f"{action}.{flow}"]["channel"] == {"$ref": f"#/channels/{flow}"}


def test_a_validator_in_javascript_agrees_on_every_sample(node: Node) -> None:
    samples = [sample for sample in (*VALID, *INVALID) if sample.reason not in NO_JSON_VALUE]
    pairs = [(sample, name) for sample in samples for name in sample.schemas]
    asked = [{"schema": name, "instance": json.loads(sample.body)} for sample, name in pairs]
    answers = node("schemas.mjs", {"schemas": SCHEMAS, "samples": asked})
    taken = {id(sample) for (sample, _), answer in zip(pairs, answers, strict=True) if answer}
    assert [sample.name for sample in samples if not sample.reason and id(sample) not in taken] == []
    wrong = [sample for sample in samples if sample.reason and id(sample) in taken]
    unsaid = [each for each in wrong if each.reason in COMPUTED or beyond_a_schema(each.reason, each.pointer)]
    assert [sample.name for sample in wrong if sample not in unsaid] == [INTEGER_WITH_A_POINT]
