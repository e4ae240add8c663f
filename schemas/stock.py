"""Stock balances."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import model_validator

from schemas.fields import Key, Message, OptionalKey, Quantity, Text, Time, fault
from schemas.reasons import Reason

__all__ = ["Stock", "StockKey"]


class StockKey(Message):
    """Names one balance: a product's lot in a warehouse of a branch."""

    product_code: Key
    branch: Key
    warehouse: Key
    lot: OptionalKey = ""


class Stock(StockKey):
    """How much there is, as an absolute state; `on_hand` may be negative."""

    on_hand: Quantity
    reserved: Quantity | None = None
    available: Quantity | None = None
    unit: Text
    as_of: Time

    @model_validator(mode="after")
    def _balance(self) -> Self:
        if (
            self.reserved is not None
            and self.available is not None
            and Decimal(self.available) != Decimal(self.on_hand) - Decimal(self.reserved)
        ):
            raise fault(Reason.AVAILABLE_MISMATCH, "available must equal on_hand - reserved")
        return self
