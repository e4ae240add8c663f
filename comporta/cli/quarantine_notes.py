"""`comporta quarantine notes`: notes on the messages of one reason and shop."""

from __future__ import annotations

from typing import Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import ListGroup, audit_context, shop_id
from comporta.cli.output import AsJson, print_json, print_rows
from comporta.runtime.settings import load_settings
from schemas.reasons import Reason

__all__ = ["notes_app"]

notes_app = typer.Typer(cls=ListGroup, help="Notes on the messages of one reason and shop, each with a ticket.")

OfReason = Annotated[Reason, typer.Option("--reason", help="The reason of the refusal.", show_choices=False)]
OfShop = Annotated[str, typer.Option("--shop", help="The shop.", callback=shop_id)]
Ticket = Annotated[str | None, typer.Option("--ticket", help="Its number or address.")]
_COLUMNS = ("reason", "shop", "note", "ticket", "by", "at")
_LONGEST_NOTE, _LONGEST_TICKET = 2_000, 200


@notes_app.command("list")
def notes_list(as_json: AsJson = False) -> None:
    """List the notes, by reason and shop."""
    with remote_for(load_settings()).quarantine() as quarantine:
        notes = quarantine.notes()
    if as_json:
        print_json(notes)
    else:
        print_rows(notes, _COLUMNS, "no notes")


@notes_app.command("write")
def notes_write(
    note: Annotated[str, typer.Argument(metavar="NOTE")],
    reason: OfReason,
    shop: OfShop = "main",
    ticket: Ticket = None,
    as_json: AsJson = False,
) -> None:
    """Write the note of a reason and shop, in the place of the one before."""
    if not note.strip():
        raise typer.BadParameter("NOTE is empty; `comporta quarantine notes remove` removes a note")
    for name, text, longest in (("NOTE", note, _LONGEST_NOTE), ("--ticket", ticket or "", _LONGEST_TICKET)):
        if len(text) > longest or "\0" in text:
            raise typer.BadParameter(f"{name}: at most {longest} characters, none of them NUL")
    _write(reason, shop, note.strip(), (ticket or "").strip() or None, as_json)


@notes_app.command("remove")
def notes_remove(reason: OfReason, shop: OfShop = "main", as_json: AsJson = False) -> None:
    """Remove the note of a reason and shop."""
    _write(reason, shop, "", None, as_json)


def _write(reason: Reason, shop: str, note: str, ticket: str | None, as_json: bool) -> None:
    with remote_for(load_settings()).quarantine() as quarantine:
        quarantine.write_note(reason.value, shop, note, ticket, audit_context(None))
    notes_list(as_json)
