"""Benchmark events: a wholesaler's transactions, read row by row, or randomly drawn keys."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from comporta.simulator.messages import ErpMessage, EventWriter
from comporta.simulator.retail import retail_events

__all__ = ["SETTING", "SHOPS", "Backlog", "DataMissing", "real_events", "require_data"]

SETTING = "COMPORTA_BENCH_DATA"
SHOPS = 4
_MOMENT = "2026-01-02T03:04:05Z"
_DEFAULT_PATH = Path(__file__).parents[2] / "shared" / "data" / "online-retail.csv.xz"


class DataMissing(Exception):
    """Error: the file of real transactions is missing."""

    def __init__(self) -> None:
        super().__init__(
            f"the transactions to measure with are missing: put online-retail.csv.xz into ../shared/data, or name it "
            f"with {SETTING}"
        )


def require_data() -> Path:
    """Return the file of transactions; raise `DataMissing` if there is none."""
    path = Path(os.environ.get(SETTING) or _DEFAULT_PATH)
    if not path.is_file():
        raise DataMissing
    return path


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
