"""Stock balances."""

from __future__ import annotations

from decimal import Decimal

from pydantic import ValidationInfo, field_validator

from schemas.fields import Message, Name, Quantity, Time, fault
from schemas.keys import Key, OptionalKey
from schemas.reasons import Reason

__all__ = ["Stock", "StockKey"]


class StockKey(Message):
    """Names one balance: a product's lot in a warehouse of a branch."""

    product_code: Key
    branch: Key
    warehouse: Key
    lot: OptionalKey = ""


class Stock(StockKey):
    """Quantity at hand, as an absolute state; `on_hand` may be negative."""

    on_hand: Quantity
    reserved: Quantity | None = None
    available: Quantity | None = None
    unit: Name
    as_of: Time

    @field_validator("available")
    @classmethod
    def _balance(cls, available: str | None, info: ValidationInfo) -> str | None:
        on_hand, reserved = info.data.get("on_hand"), info.data.get("reserved")
        if available is None or on_hand is None or reserved is None:
            return available
        if Decimal(available) != Decimal(on_hand) - Decimal(reserved):
            raise fault(Reason.AVAILABLE_MISMATCH, "must equal on_hand - reserved")
        return available
