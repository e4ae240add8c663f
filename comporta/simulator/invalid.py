"""Invalid messages as they occur in practice, each with the reason for which it must be refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import orjson

from comporta.simulator.messages import Data
from schemas.domains import ORDERS
from schemas.reasons import Reason

__all__ = ["INVALID_EVENTS", "INVALID_ORDERS", "InvalidCase"]

_NO_CPF = "12345678900"
_NO_GTIN = "7997846900945"


class InvalidCase(NamedTuple):
    """Invalid variant of a domain's event; `corrupt` takes a valid document and returns the invalid body."""

    domain: str
    reason: Reason
    corrupt: Callable[[Data], bytes]


def _with(**fields: object) -> Callable[[Data], bytes]:
    return lambda document: orjson.dumps(document | {"data": document["data"] | fields})


def _of_type(kind: str) -> Callable[[Data], bytes]:
    return lambda document: orjson.dumps(document | {"type": kind})


def _cut_short(document: Data) -> bytes:
    body = orjson.dumps(document)
    return body[: len(body) * 2 // 3]


def _without_unit(document: Data) -> bytes:
    data = {name: value for name, value in document["data"].items() if name != "base_unit"}
    return orjson.dumps(document | {"data": data})


def _with_nul(document: Data) -> bytes:
    return _with(name=document["data"]["name"] + "\0")(document)


def _with_total(difference: str) -> Callable[[Data], bytes]:
    return lambda order: _with(total=f"{Decimal(order['data']['total']) + Decimal(difference):f}")(order)


def _with_another_price(order: Data) -> bytes:
    [first, *others] = order["data"]["items"]
    return _with(items=[first | {"unit_price": f"{Decimal(first['unit_price']) + 1:f}"}, *others])(order)


def _with_document(document: str) -> Callable[[Data], bytes]:
    return lambda order: _with(customer=order["data"]["customer"] | {"document": document})(order)


def _with_a_line_twice(order: Data) -> bytes:
    [first, *others] = order["data"]["items"]
    return _with(items=[first, first, *others])(order)


INVALID_EVENTS: tuple[InvalidCase, ...] = (
    InvalidCase("stock", Reason.MALFORMED_JSON, _cut_short),
    InvalidCase("stock", Reason.NUMBER_NOT_STRING, _with(on_hand=12.5)),
    InvalidCase("stock", Reason.AVAILABLE_MISMATCH, _with(on_hand="5", reserved="2", available="5")),
    InvalidCase("stock", Reason.TIME_FORMAT, _with(as_of="23/11/2026 07:22")),
    InvalidCase("stock", Reason.UNKNOWN_VERSION, _of_type("erp.stock.changed.v2")),
    InvalidCase("stock", Reason.WRONG_DOMAIN, _of_type("erp.price.changed.v1")),
    InvalidCase("prices", Reason.NUMBER_RANGE, _with(price="1E+999999")),
    InvalidCase("prices", Reason.NUMBER_FORMAT, _with(price="1.234,56")),
    InvalidCase("prices", Reason.UNKNOWN_TYPE, _of_type("erp.discount.changed.v1")),
    InvalidCase("products", Reason.NUL_CHARACTER, _with_nul),
    InvalidCase("products", Reason.MISSING_FIELD, _without_unit),
    InvalidCase("products", Reason.GTIN_CHECK_DIGIT, _with(gtin=_NO_GTIN)),
    InvalidCase("customers", Reason.CPF_CHECK_DIGIT, _with(kind="PF", document=_NO_CPF)),
)
INVALID_ORDERS: tuple[InvalidCase, ...] = (
    InvalidCase(ORDERS, Reason.ORDER_SUM, _with_total("100")),
    InvalidCase(ORDERS, Reason.LINE_SUM, _with_another_price),
    InvalidCase(ORDERS, Reason.NEGATIVE_TOTAL, _with(total="-0.01")),
    InvalidCase(ORDERS, Reason.MALFORMED_JSON, _cut_short),
    InvalidCase(ORDERS, Reason.LINE_TWICE, _with_a_line_twice),
    InvalidCase(ORDERS, Reason.CPF_CHECK_DIGIT, _with_document(_NO_CPF)),
    InvalidCase(ORDERS, Reason.CPF_CHECK_DIGIT, _with_document("123.456.789-00")),
    InvalidCase(ORDERS, Reason.CURRENCY_UNKNOWN, _with(currency="R$")),
    InvalidCase(ORDERS, Reason.TOO_SHORT, _with(items=[])),
    InvalidCase(ORDERS, Reason.NUMBER_NOT_STRING, _with(total=99.9)),
    InvalidCase(ORDERS, Reason.UNKNOWN_VERSION, _of_type("shop.order.placed.v2")),
)
