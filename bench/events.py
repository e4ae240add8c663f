"""The events everything is measured with: a wholesaler's transactions, read row by row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from producers.simulator.messages import ErpMessage
from producers.simulator.retail import retail_events

__all__ = ["SETTING", "SHOPS", "DataMissing", "real_events", "require_data"]

SETTING = "COMPORTA_BENCH_DATA"
SHOPS = 4
_USUAL = Path(__file__).parents[2] / "shared" / "data" / "online-retail.csv.xz"


class DataMissing(Exception):
    """The real transactions are not where they are looked for."""

    def __init__(self) -> None:
        super().__init__(
            f"the transactions to measure with are missing: put online-retail.csv.xz into ../shared/data, or name it "
            f"with {SETTING}"
        )


def require_data() -> Path:
    """The file of transactions; raises `DataMissing` if there is none."""
    path = Path(os.environ.get(SETTING) or _USUAL)
    if not path.is_file():
        raise DataMissing
    return path


def real_events(count: int) -> Iterator[ErpMessage]:
    """The first `count` events in row order, of all domains that the rows speak of.

    Spread over the shops by invoice: by country nine in ten would be one shop's, and four shops would be measured
    in name only.
    """
    return islice(retail_events(require_data(), shops=SHOPS, spread="invoice"), count)
