"""Products and what hangs on them: images and packagings."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from schemas.fields import (
    Gtin,
    Key,
    Message,
    Ncm,
    Position,
    PositiveQuantity,
    Quantity,
    StopAtFirst,
    Text,
    Url,
    fault,
    is_gtin,
)
from schemas.reasons import Reason

__all__ = ["Barcode", "Image", "ImageKey", "Packaging", "PackagingKey", "Product", "ProductKey"]


class ProductKey(Message):
    """Names one product."""

    code: Key


class Product(ProductKey):
    """What is sold; lengths in cm, weights in kg."""

    name: Text
    active: bool
    base_unit: Text
    ncm: Ncm | None = None
    cest: Text | None = None
    gtin: Gtin | None = None
    brand: Text | None = None
    category_path: Annotated[list[Text], StopAtFirst()] | None = None
    description: Text | None = None
    net_weight_kg: Quantity | None = None
    gross_weight_kg: Quantity | None = None
    height_cm: Quantity | None = None
    width_cm: Quantity | None = None
    length_cm: Quantity | None = None
    fractional: bool = False
    variant_of: Text | None = None
    attributes: dict[Text, Text] | None = None


class ImageKey(Message):
    """Names one image of a product."""

    product_code: Key
    image_id: Key


class Image(ImageKey):
    """Where a picture of a product is, and its place among the others."""

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
        if self.type is not None and self.type.upper().startswith(("GTIN", "EAN", "UPC")) and not is_gtin(self.value):
            raise fault(Reason.GTIN_CHECK_DIGIT, "a barcode of this type must have 8, 12, 13 or 14 digits, checked")
        return self


class PackagingKey(Message):
    """Names one packaging of a product."""

    product_code: Key
    packaging_code: Key


class Packaging(PackagingKey):
    """A unit that a product is sold in; `factor` is how many base units it holds."""

    unit: Text
    factor: PositiveQuantity
    barcodes: Annotated[list[Barcode], StopAtFirst()] | None = None
    sellable: bool
    min_multiple: Quantity | None = None
    gross_weight_kg: Quantity | None = None
