"""Catalogue of a simulated ERP: products with images and packagings, prices, stock balances, customers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote
from zlib import crc32

from stdnum import ean

from comporta.simulator.messages import Data
from schemas.domains import DOMAINS

__all__ = ["Catalogue"]

_BOXES = (6, 12, 24)


@dataclass(frozen=True)
class Catalogue:
    """Data of every entity by domain; images and packagings are derived from the products."""

    products: tuple[Data, ...] = ()
    price_tables: tuple[Data, ...] = ()
    prices: tuple[Data, ...] = ()
    stock: tuple[Data, ...] = ()
    customers: tuple[Data, ...] = ()

    @property
    def images(self) -> tuple[Data, ...]:
        """Return one image per product."""
        return tuple(_image(product) for product in self.products)

    @property
    def packagings(self) -> tuple[Data, ...]:
        """Return one box per product."""
        return tuple(_box(product) for product in self.products)

    def entities(self) -> Iterator[tuple[str, Data]]:
        """Yield every entity with its domain, in the order of `DOMAINS`: a product before entities that refer to it."""
        for domain in DOMAINS:
            for data in getattr(self, domain):
                yield domain, data


def _image(product: Data) -> Data:
    code = product["code"]
    return {
        "product_code": code,
        "image_id": "1",
        "url": f"https://images.example.com/products/{quote(code, safe='')}.jpg",
        "position": 0,
        "alt": product["name"],
    }


def _box(product: Data) -> Data:
    code = product["code"]
    factor = _BOXES[crc32(code.encode()) % len(_BOXES)]
    return {
        "product_code": code,
        "packaging_code": f"CX{factor}",
        "unit": "CX",
        "factor": str(factor),
        "barcodes": _box_barcodes(product.get("gtin", "")),
        "sellable": True,
        "min_multiple": "1",
    }


def _box_barcodes(gtin: str) -> list[Data]:
    if len(gtin) != 13 or not gtin.isdecimal():
        return []
    digits = f"1{gtin[:12]}"
    return [{"value": digits + ean.calc_check_digit(digits), "type": "GTIN-14"}]
