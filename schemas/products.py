"""Products, their images and their packagings."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic_core import CoreSchema

from schemas.check_digits import is_gtin
from schemas.fields import (
    GTIN_SCHEMA,
    Gtin,
    JsonSchema,
    Message,
    Name,
    Ncm,
    Position,
    PositiveQuantity,
    QuantityFromZero,
    StopAtFirst,
    Text,
    Url,
    fault,
)
from schemas.keys import Key
from schemas.patterns import NO_NUL
from schemas.reasons import Reason

__all__ = ["Barcode", "Image", "ImageKey", "Packaging", "PackagingKey", "Product", "ProductKey"]

_GTIN_TYPE = r"^([Gg][Tt][Ii][Nn]|[Ee][Aa][Nn]|[Uu][Pp][Cc])"
_is_gtin_type = re.compile(_GTIN_TYPE).match
_TEXT: JsonSchema = {"type": "string", "pattern": NO_NUL}

# pydantic's own schema would accept any member whose name does not match the pattern.
Attributes = Annotated[
    dict[Text, Text], WithJsonSchema({"type": "object", "propertyNames": _TEXT, "additionalProperties": _TEXT})
]


class ProductKey(Message):
    """Names one product."""

    code: Key


class Product(ProductKey):
    """Item for sale; lengths in cm, weights in kg."""

    name: Name
    active: bool
    base_unit: Name
    ncm: Ncm | None = None
    cest: Text | None = None
    gtin: Gtin | None = None
    brand: Text | None = None
    category_path: Annotated[list[Text], StopAtFirst()] | None = None
    description: Text | None = None
    net_weight_kg: QuantityFromZero | None = None
    gross_weight_kg: QuantityFromZero | None = None
    height_cm: QuantityFromZero | None = None
    width_cm: QuantityFromZero | None = None
    length_cm: QuantityFromZero | None = None
    fractional: bool = False
    variant_of: Text | None = None
    attributes: Attributes | None = None


class ImageKey(Message):
    """Names one image of a product."""

    product_code: Key
    image_id: Key


class Image(ImageKey):
    """Picture of a product: its address, and its position among the others."""

    url: Url
    position: Position
    alt: Text | None = None
    content_hash: Text | None = None


class Barcode(Message):
    """One barcode of a packaging: a GTIN when its type says so, else any text."""

    value: Text
    type: Text | None = None

    @model_validator(mode="after")
    def _check_digit(self) -> Self:
        if self.type is not None and _is_gtin_type(self.type) and not is_gtin(self.value):
            raise fault(Reason.GTIN_CHECK_DIGIT, "a barcode of this type must have 8, 12, 13 or 14 digits, checked")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        condition = {"required": ["type"], "properties": {"type": {"type": "string", "pattern": _GTIN_TYPE}}}
        return {**handler(core), "if": condition, "then": {"properties": {"value": GTIN_SCHEMA}}}


class PackagingKey(Message):
    """Names one packaging of a product."""

    product_code: Key
    packaging_code: Key


class Packaging(PackagingKey):
    """A unit that a product is sold in; `factor` is how many base units it holds."""

    unit: Name
    factor: PositiveQuantity
    barcodes: Annotated[list[Barcode], StopAtFirst()] | None = None
    sellable: bool
    min_multiple: PositiveQuantity | None = None
    gross_weight_kg: QuantityFromZero | None = None
