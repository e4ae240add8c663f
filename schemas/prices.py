"""Price tables and the prices in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import model_validator

from schemas.fields import Currency, Key, KeyQuantity, Message, Money, OptionalKey, PositiveMoney, Text, Time, fault
from schemas.reasons import Reason

__all__ = ["Price", "PriceKey", "PriceTable", "PriceTableKey"]

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class PriceTableKey(Message):
    """Names one price table."""

    table_code: Key


class PriceTable(PriceTableKey):
    """A named list of prices in one currency (ISO 4217)."""

    name: Text
    currency: Currency
    active: bool
    valid_from: Time | None = None
    valid_to: Time | None = None


class PriceKey(Message):
    """Names one price: its table, product, packaging, least quantity and beginning."""

    table_code: Key
    product_code: Key
    packaging_code: OptionalKey = ""
    min_qty: KeyQuantity = "1"
    valid_from: Time = _ALWAYS


class Price(PriceKey):
    """What one packaging costs from a quantity and a moment on, in the currency of its table."""

    price: PositiveMoney
    list_price: Money | None = None
    valid_to: Time | None = None
    active: bool = True

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise fault(Reason.WINDOW_EMPTY, "valid_to must lie after valid_from")
        return self
