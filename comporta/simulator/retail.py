"""UCI Online Retail source: events and orders from a wholesaler's transactions, row by row, in bounded memory."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from zlib import crc32

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.messages import Data, ErpMessage, EventWriter

__all__ = ["RETAIL_TABLE", "Spread", "retail_catalogue", "retail_events", "retail_orders"]

Spread = Literal["country", "invoice"]
RETAIL_TABLE = "RETAIL"
_GUEST = "guest"
_HEADER = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
_UNIT = "UN"
# With the shop, its one branch and its one price table, this field identifies an entity.
_KEY_FIELDS = {
    "products": "code",
    "price_tables": "table_code",
    "prices": "product_code",
    "stock": "product_code",
    "customers": "code",
}
Written = TypeVar("Written")


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
    """Yield the events of a CSV (or .csv.xz) in row order, over shops named `shop-1`, `shop-2` and so on.

    With `spread` by country one shop gets nine rows in ten; by invoice the shops get about equal shares.
    """
    writers = (EventWriter(f"shop-{number}", "/erp/retail/1", first_sequence) for number in range(1, shops + 1))
    erps = [_ShopErp(writer.write) for writer in writers]
    for line in _lines(path):
        spread_key = line.country if spread == "country" else line.invoice
        yield from erps[crc32(spread_key.encode()) % shops].sold(line)


def retail_catalogue(path: Path) -> Catalogue:
    """Return the catalogue of a single ERP after every row of the CSV (or .csv.xz)."""
    entities: dict[str, dict[str, Data]] = {domain: {} for domain in _KEY_FIELDS}
    erp = _ShopErp(lambda domain, data, _at: (domain, data))
    for line in _lines(path):
        for domain, data in erp.sold(line):
            entities[domain][data[_KEY_FIELDS[domain]]] = data
    return Catalogue(**{domain: tuple(rows.values()) for domain, rows in entities.items()})


def retail_orders(path: Path) -> Iterator[Data]:
    """Yield the order behind each invoice of a CSV (or .csv.xz), in row order; goods returned are left out."""
    for invoice, lines in groupby(_lines(path), key=lambda line: line.invoice):
        order = _order(invoice, lines)
        if order["items"]:
            yield order


def _order(invoice: str, lines: Iterable[_Line]) -> Data:
    first, *others = lines
    items: list[Data] = []
    total = Decimal(0)
    for line in (first, *others):
        quantity, price = _number(line.quantity), _number(line.price)
        if line.code.strip() and quantity is not None and quantity > 0 and price is not None and price >= 0:
            total += quantity * price
            items.append(_item(len(items) + 1, line.code.strip(), quantity, price))
    customer = _customer_of(first)
    return {
        "order_id": invoice,
        "placed_at": _moment(first.date),
        "branch": "1",
        "customer": {"document": customer or _GUEST, "name": f"Customer {customer or _GUEST}"},
        "currency": "GBP",
        "price_table": RETAIL_TABLE,
        "payment": {"method": "invoice"},
        "items": items,
        "total": f"{total:f}",
        "delivery_address": {"kind": "delivery", "country": first.country},
    }


def _item(line: int, code: str, quantity: Decimal, price: Decimal) -> Data:
    total = quantity * price
    return {
        "line": line,
        "product_code": code,
        "quantity": f"{quantity:f}",
        "unit_price": f"{price:f}",
        "total": f"{total:f}",
    }


def _customer_of(line: _Line) -> str:
    return line.customer.strip().removesuffix(".0")


def _lines(path: Path) -> Iterator[_Line]:
    opened: Any = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        if next(rows, None) != _HEADER:
            raise ValueError(f"the first row must be {','.join(_HEADER)}")
        for row in rows:
            if len(row) == len(_HEADER):
                yield _Line._make(row)


class _ShopErp(Generic[Written]):
    """ERP of one shop, with the entities it has written so far; `write` makes an event of domain, data and time."""

    def __init__(self, write: Callable[[str, Data, str], Written]) -> None:
        self._write = write
        self._balances: dict[str, Decimal] = {}
        self._prices: set[tuple[str, Decimal]] = set()
        self._customers: set[str] = set()
        self._has_table = False

    def sold(self, line: _Line) -> Iterator[Written]:
        """Yield the changes that one row of an invoice makes."""
        code, at = line.code.strip(), _moment(line.date)
        if code:
            yield from self._product(code, line, at)
            yield from self._price(code, line, at)
            yield from self._stock(code, line, at)
        yield from self._customer(line, at)

    def _product(self, code: str, line: _Line, at: str) -> Iterator[Written]:
        if code not in self._balances:
            self._balances[code] = Decimal(0)
            name = line.description.strip() or code
            data = {"code": code, "name": name, "active": True, "base_unit": _UNIT}
            yield self._write("products", data, at)

    def _price(self, code: str, line: _Line, at: str) -> Iterator[Written]:
        price = _number(line.price)
        if price is None or price <= 0 or (code, price) in self._prices:
            return
        if not self._has_table:
            self._has_table = True
            table = {"table_code": RETAIL_TABLE, "name": "Online Retail", "currency": "GBP", "active": True}
            yield self._write("price_tables", table, at)
        self._prices.add((code, price))
        data = {"table_code": RETAIL_TABLE, "product_code": code, "price": f"{price:f}"}
        yield self._write("prices", data, at)

    def _stock(self, code: str, line: _Line, at: str) -> Iterator[Written]:
        quantity = _number(line.quantity)
        if quantity is not None:
            balance = self._balances[code] = self._balances[code] - quantity
            key = {"product_code": code, "branch": "1", "warehouse": "MAIN"}
            yield self._write("stock", key | {"on_hand": f"{balance:f}", "unit": _UNIT, "as_of": at}, at)

    def _customer(self, line: _Line, at: str) -> Iterator[Written]:
        customer = _customer_of(line)
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
            yield self._write("customers", data, at)


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
