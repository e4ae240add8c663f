"""Order data, as a shop places it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from schemas.customers import Address
from schemas.fields import (
    CNPJ_SCHEMA,
    CPF_SCHEMA,
    Currency,
    Decimals,
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
from schemas.patterns import NO_NUL
from schemas.plain_objects import PlainObjects
from schemas.reasons import Reason

__all__ = ["MASK_CHARACTERS", "Buyer", "Freight", "Item", "Payment", "PlacedOrder", "Tax"]

_MOST_ITEMS = 10_000
# A cent, and the half by which each line may have been rounded.
_CENT, _ROUNDING = Decimal("0.01"), Decimal("0.005")
_LINE_TOLERANCE = _CENT + _ROUNDING
# Characters of a mask, listed for all languages: white space, dashes, invisible characters, point and slash.
MASK_CHARACTERS = r"\t-\r \x85\xa0\xad\u1680\u180e\u2000-\u2015\u2028-\u202f\u205f-\u2064\u2212\u3000\ufeff./\-"
_MASKED = re.compile(f"[{MASK_CHARACTERS}]+")


@dataclass(frozen=True)
class _Document:
    """A CPF if it has 11 digits, a CNPJ if it has 14 digits or letters, else an id from abroad; masks don't count."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        kinds = [
            _if_shaped(_masked("[0-9]", 11), CPF_SCHEMA, _masked("[0-9]", 11)),
            _if_shaped(_masked("[0-9A-Za-z]", 14), CNPJ_SCHEMA, _masked("[0-9A-Za-z]", 12, "[0-9]", 2)),
        ]
        return {**handler(core), "allOf": kinds}


def _masked(*parts: str | int) -> str:
    """Return the pattern of characters with any mask between them: a class, its number, and so on."""
    pairs = zip(parts[::2], parts[1::2], strict=True)
    mask = f"[{MASK_CHARACTERS}]*"
    return f"^{mask}" + "".join(f"({kind}{mask}){{{number}}}" for kind, number in pairs) + "$"


def _if_shaped(shape: str, schema: JsonSchema, pattern: str) -> JsonSchema:
    computed = {"description": schema["description"], "format": f"{schema['format']}-masked", "pattern": pattern}
    return {"if": {"pattern": shape}, "then": computed}


def _check_document(value: str) -> str:
    """Judge a document by its characters without mask and letter case, and return it as it was sent."""
    bare = value if value.isalnum() else _MASKED.sub("", value)
    if not bare.isascii() or not bare.isalnum():
        return value
    if len(bare) == 11 and bare.isdecimal():
        check_cpf(bare)
    elif len(bare) == 14:
        check_cnpj(bare.upper())
    return value


Total = Annotated[str, Decimals(11, 10, below_zero=Reason.NEGATIVE_TOTAL)]
Document = Annotated[
    str,
    StringConstraints(pattern=NO_NUL, min_length=1, max_length=255),
    AfterValidator(_check_document),
    _Document(),
]
Counted = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Buyer(Message):
    """Buyer of the order; `document` is a CPF, a CNPJ (masked or not) or, in any other shape, a foreign id."""

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


class Tax(Message):
    """A tax on top of the price, such as IPI or ICMS-ST; what the price includes is not listed."""

    kind: Text
    value: MoneyFromZero


class LineTax(Tax):
    """A tax of one line on top of its price; a class of its own, since code generators name classes by it."""


Taxes = Annotated[list[Tax], StopAtFirst()]
LineTaxes = Annotated[list[LineTax], StopAtFirst()]


class Item(Message):
    """One line of an order; `factor` says how many base units the packaging holds.

    Its total is quantity × unit_price - discount, within 0.015: a cent, and the rounding of half a cent.
    """

    line: Counted
    product_code: Id
    packaging_code: Text | None = None
    quantity: PositiveQuantity
    factor: PositiveQuantity | None = None
    unit_price: MoneyFromZero
    discount: Money | None = None
    taxes: LineTaxes | None = None
    total: Total


class PlacedOrder(Message):
    """An order: items + taxes + freight + insurance + other charges - discount are its total.

    The tolerance is a cent, and half a cent a line.
    """

    order_id: Key
    display_number: Text | None = None
    placed_at: Time
    branch: Text | None = None
    customer: Buyer
    currency: Currency
    price_table: Text | None = None
    payment: Payment
    freight: Freight | None = None
    items: Annotated[list[Item], PlainObjects(Item), StopAtFirst(), Field(min_length=1, max_length=_MOST_ITEMS)]
    taxes: Taxes | None = None
    insurance: MoneyFromZero | None = None
    other_charges: MoneyFromZero | None = None
    discount: Money | None = None
    total: Total
    delivery_address: Address | None = None
    notes: Text | None = None

    @field_validator("items")
    @classmethod
    def _lines(cls, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({item["line"] for item in items}) < len(items):
            raise fault(Reason.LINE_TWICE, "two items have the same line")
        return items

    @model_validator(mode="after")
    def _sums(self) -> Self:
        # For all lines at once: a call for each would cost as much as the rest of its check. Where a part of a sum is
        # refused, there is no sum: this runs when all parts are valid.
        items, summed = cast(list[dict[str, Any]], self.items), _beside_lines(self)
        for index, item in enumerate(items):
            total = Decimal(item["total"])
            difference = Decimal(item["quantity"]) * Decimal(item["unit_price"]) - total
            if discount := item.get("discount"):
                difference -= Decimal(discount)
            if difference.copy_abs() > _LINE_TOLERANCE:
                raise _sum_refused(_LINE_FAULT, "items", index, "total")
            summed += total
            if taxes := item.get("taxes"):
                summed += _sum_of_taxes(taxes)
        if abs(summed - Decimal(self.total)) > _CENT + _ROUNDING * len(items):
            raise _sum_refused(_ORDER_FAULT, "total")
        return self


_LINE_FAULT = fault(Reason.LINE_SUM, "must equal quantity x unit_price - discount, within 0.015")
_ORDER_FAULT = fault(
    Reason.ORDER_SUM,
    "must equal items + taxes + freight + insurance + other_charges - discount, within 0.01 and half a cent a line",
)


def _sum_refused(error: PydanticCustomError, *place: str | int) -> ValidationError:
    """Return the error of a field inside the order, which pydantic joins with the place of the order."""
    return ValidationError.from_exception_data("", [InitErrorDetails(type=error, loc=place, input=None)])


def _beside_lines(order: PlacedOrder) -> Decimal:
    """Return what the order adds to its lines: taxes, freight and charges, less its discount."""
    freight = order.freight.value if order.freight else None
    charges = _amount(freight) + _amount(order.insurance) + _amount(order.other_charges)
    return charges + _sum_of_taxes(order.taxes or ()) - _amount(order.discount)


def _sum_of_taxes(taxes: Sequence[Tax]) -> Decimal:
    return sum((Decimal(tax.value) for tax in taxes), Decimal(0))


def _amount(value: str | None) -> Decimal:
    return Decimal(value or 0)
