"""`comporta person`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Why, Yes, audit_context, confirm, shop_id
from comporta.cli.output import AsJson, console, print_json, print_rows
from comporta.runtime.settings import load_settings
from rules.person import is_person_document

if TYPE_CHECKING:
    from control.person import PersonErasure

__all__ = ["person_app"]

person_app = typer.Typer(no_args_is_help=True, help="Personal data of one person, by document.")

# More than any document, so that a wrong file is not read whole.
_LONGEST_LINE = 1_000


@person_app.callback()
def _group() -> None:
    """Personal data of one person, by document."""


Document = Annotated[
    str,
    typer.Option(
        help="CPF, CNPJ or foreign id, with or without its mask; - reads it from standard input, out of the sight of "
        "the process list."
    ),
]
Shop = Annotated[str | None, typer.Option(help="Only this shop.", callback=shop_id)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count the rows by table, and say what would stay.")]


@person_app.command("erase")
def person_erase(
    document: Document,
    shop: Shop = None,
    why: Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person's data from every table, in small steps, and say what stays and why.

    Customers become tombstones, orders that need no buyer any more lose it, refused messages and missed keys go, and
    texts lose the document. Erase the customer in the ERP first: its next change brings the customer back.
    """
    document = (sys.stdin.readline(_LONGEST_LINE) if document == "-" else document).strip()
    if not is_person_document(document):
        raise typer.BadParameter("--document: a document has a letter or a digit, and at most 255 characters")
    context = audit_context(why)
    with remote_for(load_settings()).actions() as actions:
        erasure = actions.people.erase(document, context, shop=shop, dry_run=True)
        if not dry_run:
            if erasure.rows:
                number = sum(erasure.rows.values())
                confirm(f"Erase this person's data in {number:,} rows? This can't be undone.", yes=yes)
            erasure = actions.people.erase(document, context, shop=shop)
    if as_json:
        print_json(asdict(erasure))
    else:
        _print(erasure, dry_run)


def _print(erasure: PersonErasure, dry_run: bool) -> None:
    rows = [{"table": table, "rows": number} for table, number in erasure.rows.items()]
    print_rows(rows, ("table", "rows"), "no data of this person are stored that could be erased")
    for stay in erasure.stays:
        console.print(f"stays: {stay.rows:,} in {stay.table}: {stay.sentence}", markup=False, highlight=False)
    if erasure.orders:
        console.print(f"orders that stay: {', '.join(erasure.orders)}", markup=False, highlight=False)
    done = "nothing was erased" if dry_run else f"erased in {erasure.erased:,} rows"
    console.print(done, markup=False, highlight=False)
