"""Sources of a simulated ERP's catalogue and a simulated shop's orders, by name."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from comporta.simulator.catalogue import Catalogue
from comporta.simulator.messages import Data
from comporta.simulator.nfe import nfe_catalogue, nfe_orders
from comporta.simulator.retail import retail_catalogue, retail_orders

__all__ = ["NFE", "catalogue_from", "orders_from"]

NFE = "nfe"
_MAX_ORDERS = 2_000


def catalogue_from(source: str) -> Catalogue:
    """Return the catalogue of `nfe`, or of the retail transactions in a file `.csv` or `.csv.xz`.

    Raises `SimulatorDataMissing`, `OSError`, `LZMAError`, or `ValueError` for a file with other contents.
    """
    return nfe_catalogue() if source == NFE else retail_catalogue(Path(source))


def orders_from(source: str) -> tuple[Data, ...]:
    """Return the orders of `nfe`, or the first 2,000 of the retail transactions; raises as `catalogue_from` does."""
    source_orders = nfe_orders() if source == NFE else retail_orders(Path(source))
    orders = tuple(islice(source_orders, _MAX_ORDERS))
    if not orders:
        raise ValueError("it holds no invoice that could be an order")
    return orders
