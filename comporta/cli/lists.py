"""What the commands that list something share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.output import print_json, print_rows
from comporta.runtime.settings import load_settings
from control.texts import say
from schemas.domains import DOMAIN_NAMES

__all__ = ["Domain", "Limit", "Shop", "print_list"]

# Beside the domains: the receipts of orders, and messages that name none.
_SEEN = (*DOMAIN_NAMES, "receipts", "?")


def _domain(value: str | None) -> str | None:
    if value is not None and value not in _SEEN:
        raise typer.BadParameter(f"{value}: not a domain; there are {', '.join(_SEEN)}")
    return value


Shop = Annotated[str | None, typer.Option(help="Only this shop.")]
Domain = Annotated[str | None, typer.Option(help="Only this domain.", callback=_domain)]
Limit = Annotated[int, typer.Option(help="At most so many rows.", min=1, max=10_000)]


def print_list(what: str, columns: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """Prints the rows of a list that pass the filters."""
    rows = remote_for(load_settings()).rows(what, filters)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, columns, say("nothing"))
