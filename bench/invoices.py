"""Transactions made of the sample invoices that nfelib ships, for a machine without those of the wholesaler."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from comporta.simulator.nfe import nfe_catalogue, nfe_orders

__all__ = ["ROWS", "invoice_rows", "written_transactions"]

HEADER = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
# As many rows, product codes and customers as the wholesaler's, about.
ROWS = 540_000
_COPIES, _BUYERS = 50, 250
_FIRST_INVOICE = 500_000
_PRICES_CHANGED = 0.02
_CENT = Decimal("0.01")
_BEGIN = datetime(2026, 1, 2, 8, tzinfo=UTC)
_SEED = 20


def invoice_rows(count: int) -> Iterator[tuple[str, ...]]:
    """Yield rows in the wholesaler's columns, the same every time: the sample invoices over and over.

    Each time an invoice is drawn, its products are those of one of 50 copies of the catalogue, and its buyer is one of
    250 with the same name; a price changes now and then. Raises `SimulatorDataMissing` without nfelib.
    """
    rng, names = random.Random(_SEED), {product["code"]: product["name"] for product in nfe_catalogue().products}
    orders, prices = list(nfe_orders()), dict[str, Decimal]()
    # Numbers of customers, as the wholesaler's are: a CPF with more digits would be a wrong CNPJ.
    buyers = {
        document: place for place, document in enumerate({order["customer"]["document"]: None for order in orders})
    }
    number, made = _FIRST_INVOICE, 0
    while True:
        number += 1
        order, copy, buyer = rng.choice(orders), rng.randrange(_COPIES), rng.randrange(_BUYERS)
        at = (_BEGIN + timedelta(seconds=20 * (number - _FIRST_INVOICE))).replace(tzinfo=None).isoformat()
        customer = f"{10 + buyers[order['customer']['document']]}{buyer:03}"
        for item in order["items"]:
            code = f"{item['product_code']}-{copy:02}"
            # With every digit of the invoice a line's total would have more than an order may.
            price = prices.setdefault(code, max(Decimal(item["unit_price"]).quantize(_CENT), _CENT))
            if rng.random() < _PRICES_CHANGED:
                price = prices[code] = max((price * rng.randrange(90, 112) / 100).quantize(_CENT), Decimal(1))
            name = names[item["product_code"]]
            yield str(number), code, name, item["quantity"], at, f"{price:f}", customer, "Brazil"
            made += 1
            if made == count:
                return


def written_transactions(path: Path, count: int = ROWS) -> Path:
    """Write the rows to a CSV, unless it is there already, and return its path."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed once it is whole: the processes of one measurement may come together.
        part = path.with_name(f"{path.name}.{os.getpid()}")
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(invoice_rows(count))
        part.replace(path)
    return path
