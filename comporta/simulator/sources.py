"""Where a simulated ERP has its goods from, and a simulated shop its orders, by name."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.messages import Data
from comporta.simulator.nfe import nfe_catalogue, nfe_orders
from comporta.simulator.retail import retail_catalogue, retail_orders

__all__ = ["NFE", "catalogue_from", "orders_from"]

NFE = "nfe"
_MOST_ORDERS = 2_000


def catalogue_from(source: str) -> Catalogue:
    """The catalogue of `nfe`, or of the retail transactions in a file `.csv` or `.csv.xz`.

    Raises `SimulatorDataMissing`, `OSError`, `LZMAError`, or `ValueError` for a file that holds something else.
    """
    return nfe_catalogue() if source == NFE else retail_catalogue(Path(source))


def orders_from(source: str) -> tuple[Data, ...]:
    """The orders of `nfe`, or the first of the retail transactions; raises as `catalogue_from` does."""
    orders = nfe_orders() if source == NFE else retail_orders(Path(source))
    some = tuple(islice(orders, _MOST_ORDERS))
    if not some:
        raise ValueError("it holds no invoice that could be an order")
    return some
