"""`comporta quarantine`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Domain, Limit, Shop, Sure, Why, ask_whether_sure, audit_context, print_list
from comporta.cli.output import AsJson, console, fail, one_line, print_json, print_rows
from comporta.runtime.settings import load_settings
from control.replay import ReplayResult
from rules.actions import ActionError, NotFound
from storage.views import QuarantineFilter

__all__ = ["quarantine_app"]

quarantine_app = typer.Typer(no_args_is_help=True, help="Refused messages, whole, with the reason.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…")]
Reason = Annotated[str | None, typer.Option("--reason", help="Those with this reason, such as gtin_check_digit.")]
Every = Annotated[bool, typer.Option("--all", help="Every one.")]
_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_LISTED = ("id", "at", "shop", "domain", "reason", "pointer", "sentence")


@quarantine_app.command("list")
def quarantine_list(
    shop: Shop = None, domain: Domain = None, reason: Reason = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List the refused messages, newest first."""
    print_list("quarantine", _LISTED, as_json, shop=shop, domain=domain, reason=reason, limit=limit)


@quarantine_app.command("show")
def quarantine_show(identity: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one refused message, whole."""
    found = remote_for(load_settings()).quarantined(identity) if _ID.fullmatch(identity) else None
    if found is None:
        raise fail(f"nothing with the id {identity} is in the quarantine; `comporta quarantine list` shows what is")
    if as_json:
        print_json(found)
        return
    print_rows([{"field": name, "value": value} for name, value in found.items()], ("field", "value"), "")


@quarantine_app.command("replay")
def quarantine_replay(
    ids: Ids = None,
    reason: Reason = None,
    shop: Shop = None,
    domain: Domain = None,
    every: Every = False,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Publish messages again, as they were; they pass the switch like any other, and come back if still refused."""
    chosen = _chosen(ids, reason, shop, domain, every)
    who = audit_context(why)
    with remote_for(load_settings()).acting() as acting:
        if ids:
            _each("replayed", ids, lambda identity: acting.replay(identity, who), as_json)
            return
        number = acting.count_quarantined(chosen)
        done = acting.replay_many(chosen, who, number) if number else ReplayResult(0)
    _print_replayed(done, as_json)


@quarantine_app.command("drop")
def quarantine_drop(
    ids: Ids = None,
    reason: Reason = None,
    shop: Shop = None,
    domain: Domain = None,
    every: Every = False,
    why: Why = None,
    yes: Sure = False,
    as_json: AsJson = False,
) -> None:
    """Remove messages for good; asks before, with the number."""
    chosen = _chosen(ids, reason, shop, domain, every)
    who = audit_context(why)
    with remote_for(load_settings()).acting() as acting:
        number = len(ids) if ids else acting.count_quarantined(chosen)
        if number:
            ask_whether_sure(f"Remove {number} messages from the quarantine for good?", yes=yes)
        if ids:
            _each("dropped", ids, lambda identity: acting.drop(identity, who), as_json)
            return
        dropped = acting.drop_many(chosen, who, number) if number else 0
    if as_json:
        print_json({"chosen": number, "dropped": dropped})
    else:
        console.print(f"{dropped} of {number} messages dropped", markup=False)


def _chosen(
    ids: list[str] | None, reason: str | None, shop: str | None, domain: str | None, every: bool
) -> QuarantineFilter:
    filtered = any(value is not None for value in (reason, shop, domain))
    if [bool(ids), filtered, every].count(True) != 1:
        raise typer.BadParameter("name the messages by their ids, by --reason, --shop or --domain, or say --all")
    return QuarantineFilter(shop=shop, domain=domain, reason=reason)


def _each(done: str, ids: list[str], act: Callable[[str], None], as_json: bool) -> None:
    """Does something with each message; those it can't be done with are named in the end."""
    left: dict[str, str] = {}
    for identity in dict.fromkeys(ids):
        try:
            if not _ID.fullmatch(identity):
                raise NotFound(f"{one_line(identity)} is no id of a message; `comporta quarantine list` shows them")
            act(identity)
        except ActionError as error:
            left[identity] = str(error)
    number = len(dict.fromkeys(ids)) - len(left)
    if as_json:
        print_json({done: number, "left": left})
    else:
        console.print(f"{number} messages {done}", markup=False)
    if left:
        raise fail("\n".join(left.values()))


def _print_replayed(done: ReplayResult, as_json: bool) -> None:
    if as_json:
        print_json({**vars(done), "refused": [each._asdict() for each in done.refused]})
    else:
        console.print(f"{done.replayed} of {done.chosen} messages replayed", markup=False)
    faults = [f"{each.id} stays: {each.why}" for each in done.refused]
    if done.left:
        faults.append(f"{done.left} messages were not replayed: {done.error or 'run the command again'}")
    if faults:
        raise fail("\n".join(faults))
