"""Where a simulated ERP has its goods from, by name."""

from __future__ import annotations

from pathlib import Path

from producers.simulator.catalogue import Catalogue
from producers.simulator.nfe import nfe_catalogue
from producers.simulator.retail import retail_catalogue

__all__ = ["NFE", "catalogue_from"]

NFE = "nfe"


def catalogue_from(source: str) -> Catalogue:
    """The catalogue of `nfe`, or of the retail transactions in a file `.csv` or `.csv.xz`.

    Raises `SimulatorDataMissing`, `OSError`, `LZMAError`, or `ValueError` for a file that holds something else.
    """
    return nfe_catalogue() if source == NFE else retail_catalogue(Path(source))
