"""Benchmark events: transactions of a wholesaler or made of sample invoices, read row by row, or random keys."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.invoices import written_transactions
from comporta.simulator.messages import ErpMessage, EventWriter
from comporta.simulator.nfe import SimulatorDataMissing
from comporta.simulator.retail import retail_events

__all__ = ["SETTING", "SHOPS", "Backlog", "DataMissing", "is_made", "real_events", "require_data", "source"]

SETTING = "COMPORTA_BENCH_DATA"
SHOPS = 4
_MOMENT = "2026-01-02T03:04:05Z"
_MADE_PATH = Path(__file__).parents[1] / "build" / "bench" / "transactions.csv"
_DEFAULT_PATH = Path(__file__).parents[2] / "shared" / "data" / "online-retail.csv.xz"


class DataMissing(Exception):
    """Error: there are no transactions to measure with."""


def require_data() -> Path:
    """Return the file of transactions, made of sample invoices where that of the wholesaler is not at hand.

    Raises `DataMissing` if the setting names no file, or without the package of sample invoices.
    """
    if named := os.environ.get(SETTING):
        if not Path(named).is_file():
            raise DataMissing(f"{SETTING}: there is no file {named}; leave it out to measure with sample invoices")
        return Path(named)
    if not is_made():
        return _DEFAULT_PATH
    try:
        return written_transactions(_MADE_PATH)
    except SimulatorDataMissing:
        raise DataMissing(
            f"there are no transactions to measure with: pip install 'comporta[demo]' for sample invoices, or name a "
            f"file of transactions with {SETTING}"
        ) from None


def is_made() -> bool:
    """Return whether the transactions are made of sample invoices."""
    return not os.environ.get(SETTING) and not _DEFAULT_PATH.is_file()


def source() -> str:
    """Return the source of the events, as the table names it."""
    return "sample invoices of nfelib, repeated" if is_made() else f"transactions of {require_data().name}"


def real_events(count: int) -> Iterator[ErpMessage]:
    """Yield the first `count` events in row order, of all domains that the rows hold.

    Invoices are spread over the shops: by country, one shop would have nine events in ten, and the measurement would
    cover four shops in name only.
    """
    return islice(retail_events(require_data(), shops=SHOPS, spread="invoice"), count)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Backlog of `count` events: the real ones or, if `keys` is set, stock of that many keys drawn at random."""

    count: int
    keys: int = 0
    shops: int = SHOPS

    def events(self) -> Iterator[ErpMessage]:
        """Yield the same events every time."""
        return self._uniform() if self.keys else real_events(self.count)

    def _uniform(self) -> Iterator[ErpMessage]:
        writers = [EventWriter(f"shop-{number}", "/erp/uniform/1") for number in range(1, self.shops + 1)]
        rng = random.Random(self.keys)
        for number in range(self.count):
            key = rng.randrange(self.keys)
            data = {
                "product_code": f"P{key:07}",
                "branch": "1",
                "warehouse": "MAIN",
                "on_hand": f"{number % 1000}.000",
                "unit": "UN",
                "as_of": _MOMENT,
            }
            yield writers[key % self.shops].write("stock", data, _MOMENT)
