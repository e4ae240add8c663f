"""Price tables and the prices in them."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationInfo, field_validator

from schemas.fields import Currency, KeyQuantity, Message, MoneyFromZero, Name, PositiveMoney, Time, fault
from schemas.keys import Key, OptionalKey
from schemas.reasons import Reason

__all__ = ["Price", "PriceKey", "PriceTable", "PriceTableKey"]

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


def _after_valid_from(valid_to: datetime | None, info: ValidationInfo) -> datetime | None:
    valid_from = info.data.get("valid_from")
    if valid_to is not None and valid_from is not None and valid_to <= valid_from:
        raise fault(Reason.WINDOW_EMPTY, "must lie after valid_from")
    return valid_to


class PriceTableKey(Message):
    """Names one price table."""

    table_code: Key


class PriceTable(PriceTableKey):
    """A named list of prices in one currency (ISO 4217)."""

    name: Name
    currency: Currency
    active: bool
    valid_from: Time | None = None
    valid_to: Time | None = None

    _window = field_validator("valid_to")(_after_valid_from)


class PriceKey(Message):
    """Names one price: its table, product, packaging, least quantity and beginning."""

    table_code: Key
    product_code: Key
    packaging_code: OptionalKey = ""
    min_qty: KeyQuantity = "1"
    valid_from: Time = _ALWAYS


class Price(PriceKey):
    """Price of one packaging from a quantity and a moment on, in the currency of its table."""

    price: PositiveMoney
    list_price: MoneyFromZero | None = None
    valid_to: Time | None = None
    active: bool = True

    _window = field_validator("valid_to")(_after_valid_from)
