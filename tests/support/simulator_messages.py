"""Simulator messages, read as the program reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from comporta.simulator.erp import SimulatedErp
from comporta.simulator.messages import Data, ErpMessage
from comporta.simulator.state import key_of
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Reason, Refused

__all__ = ["order_body", "parse_message", "refusal_reason", "resend", "sequences"]


def parse_message(message: ErpMessage) -> ChangeEvent:
    return parse_event(message.domain, message.shop, message.body)


def refusal_reason(message: ErpMessage) -> Reason | None:
    try:
        parse_message(message)
    except Refused as refused:
        return refused.refusal.reason
    return None


def sequences(messages: Iterable[ErpMessage]) -> list[int]:
    return [int(orjson.loads(message.body)["sequence"]) for message in messages]


def resend(erp: SimulatedErp, domain: str, keys: Iterable[Mapping[str, Any]]) -> Iterator[ErpMessage]:
    """Answer a resync request with the present state of the named entities; unknown keys give nothing."""
    held = {(name, key) for name, key, _ in erp.state()}
    for fields in keys:
        key = key_of(domain, fields)
        if (domain, key) in held:
            yield erp._tell(domain, key)


def order_body(order: Data) -> bytes:
    """Build an order's body as the shop publishes it."""
    return orjson.dumps(
        {"specversion": "1.0", "id": "e1", "source": "/shop/1", "type": "shop.order.placed.v1", "data": order}
    )
