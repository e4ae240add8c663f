"""Events from the transactions of a real wholesaler (UCI Online Retail), row by row, in bounded memory."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

from producers.simulator.messages import ErpMessage, EventWriter

__all__ = ["RETAIL_TABLE", "Spread", "retail_events"]

Spread = Literal["country", "invoice"]
RETAIL_TABLE = "RETAIL"
_HEADER = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
_UNIT = "UN"


class _Line(NamedTuple):
    invoice: str
    code: str
    description: str
    quantity: str
    date: str
    price: str
    customer: str
    country: str


def retail_events(
    path: Path, *, shops: int = 4, spread: Spread = "country", first_sequence: int = 1
) -> Iterator[ErpMessage]:
    """The events of an xz-compressed CSV in row order, over shops named `shop-1`, `shop-2` and so on.

    By country nine in ten rows fall to one shop; by invoice every shop gets its share.
    """
    erps = [_ShopErp(f"shop-{number}", first_sequence) for number in range(1, shops + 1)]
    for line in _lines(path):
        place = line.country if spread == "country" else line.invoice
        yield from erps[crc32(place.encode()) % shops].sold(line)


def _lines(path: Path) -> Iterator[_Line]:
    with lzma.open(path, "rt", encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        if next(rows, None) != _HEADER:
            raise ValueError(f"the first row must be {','.join(_HEADER)}")
        for row in rows:
            if len(row) == len(_HEADER):
                yield _Line._make(row)


class _ShopErp:
    """One shop's ERP: what it has told so far."""

    def __init__(self, shop: str, first_sequence: int) -> None:
        self._writer = EventWriter(shop, "/erp/retail/1", first_sequence)
        self._balances: dict[str, Decimal] = {}
        self._prices: set[tuple[str, Decimal]] = set()
        self._customers: set[str] = set()
        self._has_table = False

    def sold(self, line: _Line) -> Iterator[ErpMessage]:
        """What one row of an invoice changes."""
        code, at = line.code.strip(), _moment(line.date)
        if code:
            yield from self._product(code, line, at)
            yield from self._price(code, line, at)
            yield from self._stock(code, line, at)
        yield from self._customer(line, at)

    def _product(self, code: str, line: _Line, at: str) -> Iterator[ErpMessage]:
        if code not in self._balances:
            self._balances[code] = Decimal(0)
            name = line.description.strip() or code
            data = {"code": code, "name": name, "active": True, "base_unit": _UNIT}
            yield self._writer.write("products", data, at)

    def _price(self, code: str, line: _Line, at: str) -> Iterator[ErpMessage]:
        price = _number(line.price)
        if price is None or price <= 0 or (code, price) in self._prices:
            return
        if not self._has_table:
            self._has_table = True
            table = {"table_code": RETAIL_TABLE, "name": "Online Retail", "currency": "GBP", "active": True}
            yield self._writer.write("price_tables", table, at)
        self._prices.add((code, price))
        data = {"table_code": RETAIL_TABLE, "product_code": code, "price": f"{price:f}"}
        yield self._writer.write("prices", data, at)

    def _stock(self, code: str, line: _Line, at: str) -> Iterator[ErpMessage]:
        quantity = _number(line.quantity)
        if quantity is not None:
            balance = self._balances[code] = self._balances[code] - quantity
            place = {"product_code": code, "branch": "1", "warehouse": "MAIN"}
            yield self._writer.write("stock", place | {"on_hand": f"{balance:f}", "unit": _UNIT, "as_of": at}, at)

    def _customer(self, line: _Line, at: str) -> Iterator[ErpMessage]:
        customer = line.customer.strip().removesuffix(".0")
        if customer and customer not in self._customers:
            self._customers.add(customer)
            data = {
                "code": customer,
                "kind": "foreign",
                "document": customer,
                "name": f"Customer {customer}",
                "addresses": [{"kind": "main", "country": line.country}],
                "status": "active",
                "price_table": RETAIL_TABLE,
            }
            yield self._writer.write("customers", data, at)


@lru_cache(maxsize=8192)
def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


@lru_cache(maxsize=64)
def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.strptime(text, "%m/%d/%Y %H:%M")
    return f"{moment.isoformat()}Z"
