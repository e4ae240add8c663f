"""`comporta item`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import check_domain, shop_id
from comporta.cli.output import AsJson, console, print_json, print_rows
from comporta.runtime.settings import load_settings
from schemas.domains import DOMAINS

__all__ = ["item_app"]

item_app = typer.Typer(no_args_is_help=True, help="One item of the shop: its last versions, and what became of each.")

_VERSIONS = ("at", "outcome", "version", "what has changed")
_EVENTS = ("at", "outcome", "shop", "domain", "key", "version")
_LEFT_OUT = "customers"
_KEY_HELP = (
    "The key: its values in their order, 789/1/A, or its fields as a JSON object. "
    "A field with a default may be left out."
)
Shop = Annotated[str, typer.Argument(help="The shop.", callback=shop_id)]
Domain = Annotated[str, typer.Argument(help="The domain.")]
Key = Annotated[str, typer.Argument(help=_KEY_HELP)]
EventId = Annotated[str, typer.Argument(help="The id of the event.")]


@item_app.command("history")
def item_history(shop: Shop, domain: Domain, key: Key, as_json: AsJson = False) -> None:
    """Show the last versions of an item, newest first: value before, value, and the pause that discarded one.

    COMPORTA_HISTORY versions of each key are kept, none of customers.
    """
    # Loaded here: they load the tables, which the help does not need.
    from storage.key_texts import KeyUnreadable, parse_key

    check_domain("", domain, tuple(DOMAINS))
    try:
        parse_key(domain, key)
    except KeyUnreadable as error:
        raise typer.BadParameter(f"{key}: {error}") from None
    rows = remote_for(load_settings()).item("history", {"shop": shop, "domain": domain, "key": key})
    if as_json:
        print_json(rows)
        return
    shown = [{**row, "at": _time(row), "what has changed": _changes(row)} for row in rows]
    left_out = "versions of customers are not kept" if domain == _LEFT_OUT else _NONE
    print_rows(shown, _VERSIONS, left_out)


@item_app.command("event")
def item_event(event_id: EventId, as_json: AsJson = False) -> None:
    """Show what became of an event, by its id, for each time that it came."""
    rows = remote_for(load_settings()).item("events", {"event_id": event_id})
    if as_json:
        print_json(rows)
        return
    print_rows(
        [{**row, "at": _time(row), "key": "/".join(map(str, row["key"].values()))} for row in rows], _EVENTS, _NONE
    )
    for line in dict.fromkeys(_pause(row) for row in rows if row["pause"]):
        console.print(line, markup=False, highlight=False)


_NONE = "no version of it is kept: COMPORTA_HISTORY says how many of each key are, from the time that it is set"


def _time(row: Mapping[str, Any]) -> datetime:
    at: datetime | str = row["at"]
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _changes(row: Mapping[str, Any]) -> str:
    changes = [f"{name}: {_value(before)} -> {_value(after)}" for name, (before, after) in row["changed"].items()]
    return "; ".join([*(["deleted"] if row["deleted"] else []), *changes, *([_pause(row)] if row["pause"] else [])])


def _pause(row: Mapping[str, Any]) -> str:
    pause = row["pause"]
    return f"discarded by the pause {pause['epoch']} of {pause['by']}: {pause['reason']}"


def _value(value: object) -> str:
    return "-" if value is None else str(value)
