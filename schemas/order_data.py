"""Order data, as a shop places it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema

from schemas.customers import Address
from schemas.fields import (
    CNPJ_SCHEMA,
    CPF_SCHEMA,
    NO_NUL,
    Currency,
    Id,
    JsonSchema,
    Message,
    Money,
    MoneyFromZero,
    PositiveQuantity,
    StopAtFirst,
    Text,
    Time,
    check_cnpj,
    check_cpf,
    fault,
)
from schemas.keys import Key
from schemas.reasons import Reason

__all__ = ["Buyer", "Freight", "Item", "Payment", "PlacedOrder"]

_MOST_ITEMS = 10_000
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class _Document:
    """A CPF if it has 11 digits, a CNPJ if it has 14 digits or capitals, else an id from abroad."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        kinds = [_if_shaped("^[0-9]{11}$", 11, CPF_SCHEMA), _if_shaped("^[0-9A-Z]{14}$", 14, CNPJ_SCHEMA)]
        return {**handler(core), "allOf": kinds}


def _if_shaped(pattern: str, length: int, schema: JsonSchema) -> JsonSchema:
    return {"if": {"pattern": pattern, "maxLength": length}, "then": schema}


def _check_document(value: str) -> str:
    if not value.isascii() or not value.isalnum():
        return value
    if len(value) == 11 and value.isdecimal():
        return check_cpf(value)
    return check_cnpj(value) if len(value) == 14 and value == value.upper() else value


Document = Annotated[
    str,
    StringConstraints(pattern=NO_NUL, min_length=1, max_length=255),
    AfterValidator(_check_document),
    _Document(),
]
Counted = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Buyer(Message):
    """Buyer of the order; `document` is a CPF, a CNPJ or, in any other shape, a foreign id."""

    code: Text | None = None
    document: Document
    name: Text
    email: Text | None = None
    phones: Annotated[list[Text], StopAtFirst()] | None = None


class Payment(Message):
    """Payment of the order."""

    method: Text
    term: Text | None = None
    installments: Counted | None = None


class Freight(Message):
    """Freight: who pays it, its value and the carrier."""

    type: Literal["CIF", "FOB"] | None = None
    value: MoneyFromZero | None = None
    carrier: Text | None = None


class Item(Message):
    """One line of an order; `factor` says how many base units the packaging holds."""

    line: Counted
    product_code: Id
    packaging_code: Text | None = None
    quantity: PositiveQuantity
    factor: PositiveQuantity | None = None
    unit_price: MoneyFromZero
    discount: Money | None = None
    total: Money


class PlacedOrder(Message):
    """An order: the totals of its items + freight - discount are its total, within a cent."""

    order_id: Key
    display_number: Text | None = None
    placed_at: Time
    branch: Text | None = None
    customer: Buyer
    currency: Currency
    price_table: Text | None = None
    payment: Payment
    freight: Freight | None = None
    items: Annotated[list[Item], StopAtFirst(), Field(min_length=1, max_length=_MOST_ITEMS)]
    discount: Money | None = None
    total: Money
    delivery_address: Address | None = None
    notes: Text | None = None

    @field_validator("items")
    @classmethod
    def _lines(cls, items: list[Item]) -> list[Item]:
        if len({item.line for item in items}) < len(items):
            raise fault(Reason.LINE_TWICE, "two items have the same line")
        return items

    @field_validator("total")
    @classmethod
    def _sum(cls, total: str, info: ValidationInfo) -> str:
        # A part that is missing here has been refused, with a fault of its own.
        if not {"items", "freight", "discount"} <= info.data.keys():
            return total
        freight: Freight | None = info.data["freight"]
        items = sum((Decimal(item.total) for item in info.data["items"]), Decimal(0))
        expected = items + _amount(freight.value if freight else None) - _amount(info.data["discount"])
        if abs(expected - Decimal(total)) > _CENT:
            raise fault(Reason.ORDER_SUM, "must equal the totals of the items + freight - discount, within 0.01")
        return total


def _amount(value: str | None) -> Decimal:
    return Decimal(value or 0)
