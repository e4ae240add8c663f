"""`comporta quarantine`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import (
    Domain,
    Limit,
    ListGroup,
    Shop,
    Why,
    Yes,
    audit_context,
    confirm,
    confirm_discard,
    print_list,
)
from comporta.cli.output import AsJson, console, fail, one_line, print_json, print_rows
from comporta.cli.quarantine_edit import quarantine_edit
from comporta.cli.quarantine_jobs import begin_job, jobs_app
from comporta.cli.quarantine_notes import notes_app
from comporta.runtime.settings import load_settings
from control.replay import ReplayResult
from rules.actions import ActionError, AuditContext, NotFound
from storage.views import QuarantineFilter

if TYPE_CHECKING:
    from comporta.cli.client_actions import Actions

__all__ = ["quarantine_app"]

quarantine_app = typer.Typer(cls=ListGroup, help="Refused messages in full, with the reason.")
quarantine_app.add_typer(jobs_app, name="jobs")
quarantine_app.add_typer(notes_app, name="notes")
quarantine_app.command("edit")(quarantine_edit)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…")]
Reason = Annotated[str | None, typer.Option("--reason", help="Messages with this reason, such as gtin_check_digit.")]
All = Annotated[bool, typer.Option("--all", help="All messages.")]
Background = Annotated[
    bool,
    typer.Option("--background", help="Let a running process do it; `comporta quarantine jobs` shows how far it is."),
]
_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_LISTED = ("id", "at", "shop", "domain", "key", "reason", "pointer", "sentence")


@quarantine_app.command("list")
def quarantine_list(
    shop: Shop = None,
    domain: Domain = None,
    reason: Reason = None,
    key: Annotated[str | None, typer.Option(help="Only this order id, or this key of an event as JSON text.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """List the refused messages, newest first."""
    print_list("quarantine", _LISTED, as_json, shop=shop, domain=domain, reason=reason, key=key, limit=limit)


@quarantine_app.command("show")
def quarantine_show(identity: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one refused message in full."""
    identity = identity.lower()
    message = remote_for(load_settings()).quarantined(identity) if _ID.fullmatch(identity) else None
    if message is None:
        raise fail(f"no message with the id {identity} is in the quarantine; `comporta quarantine list` lists them")
    if as_json:
        print_json(message)
        return
    print_rows([{"field": name, "value": value} for name, value in message.items()], ("field", "value"), "")


@quarantine_app.command("replay")
def quarantine_replay(
    ids: Ids = None,
    reason: Reason = None,
    shop: Shop = None,
    domain: Domain = None,
    all_messages: All = False,
    why: Why = None,
    background: Background = False,
    all_at_once: Annotated[bool, typer.Option("--all-at-once", help="In the background, don't try ten first.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Publish messages again, unchanged; they pass the switch like any other, and return if refused again.

    While their domain is off, they would be discarded: that needs a confirmation, or --yes.
    """
    filters = _filter(ids, reason, shop, domain, all_messages)
    context = audit_context(why)
    if background:
        begin_job("replay", _named(ids, filters), context, canary=not all_at_once, yes=yes, as_json=as_json)
        return
    with remote_for(load_settings()).actions() as actions:
        if ids:
            _replay_each(actions, ids, context, yes, as_json)
            return
        number = actions.count_quarantined(filters)
        result = ReplayResult(0)
        if number:
            result = confirm_discard(
                lambda discard: actions.replay_many(filters, context, number, discard=discard), yes=yes
            )
    _print_replayed(result, as_json)


@quarantine_app.command("accept")
def quarantine_accept(
    ids: Annotated[list[str], typer.Argument(metavar="ID…")], why: Why = None, as_json: AsJson = False
) -> None:
    """Accept refused orders as they are: sums and check digits only; each is marked, and goes on to the ERP."""
    context = audit_context(why)
    with remote_for(load_settings()).actions() as actions:
        _apply_to_each("accepted", ids, lambda identity: actions.accept(identity, context), as_json)


@quarantine_app.command("drop")
def quarantine_drop(
    ids: Ids = None,
    reason: Reason = None,
    shop: Shop = None,
    domain: Domain = None,
    all_messages: All = False,
    why: Why = None,
    background: Background = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove messages for good, after a confirmation that shows their number."""
    filters = _filter(ids, reason, shop, domain, all_messages)
    context = audit_context(why)
    if background:
        begin_job("drop", _named(ids, filters), context, canary=False, yes=yes, as_json=as_json)
        return
    with remote_for(load_settings()).actions() as actions:
        number = len(ids) if ids else actions.count_quarantined(filters)
        if number:
            confirm(f"Remove {number} messages from the quarantine for good?", yes=yes)
        if ids:
            _apply_to_each("dropped", ids, lambda identity: actions.drop(identity, context), as_json)
            return
        dropped = actions.drop_many(filters, context, number) if number else 0
    if as_json:
        print_json({"chosen": number, "dropped": dropped})
    else:
        console.print(f"{dropped} of {number} messages dropped", markup=False)


def _replay_each(actions: Actions, ids: list[str], context: AuditContext, yes: bool, as_json: bool) -> None:
    accepted = yes

    def replay(identity: str) -> None:
        def one(discard: bool) -> None:
            nonlocal accepted
            accepted = discard
            actions.replay(identity, context, discard=discard)

        # One confirmation stands for all of them.
        confirm_discard(one, yes=accepted)

    _apply_to_each("replayed", ids, replay, as_json)


def _filter(
    ids: list[str] | None, reason: str | None, shop: str | None, domain: str | None, all_messages: bool
) -> QuarantineFilter:
    filtered = any(value is not None for value in (reason, shop, domain))
    if [bool(ids), filtered, all_messages].count(True) != 1:
        raise typer.BadParameter("choose messages by their ids, by --reason, --shop or --domain, or all by --all")
    return QuarantineFilter(shop=shop, domain=domain, reason=reason)


def _named(ids: list[str] | None, filters: QuarantineFilter) -> QuarantineFilter:
    return QuarantineFilter(ids=tuple(identity.lower() for identity in ids)) if ids else filters


def _apply_to_each(participle: str, ids: list[str], action: Callable[[str], object], as_json: bool) -> None:
    """Apply an action to each message; end with the errors of the messages that it failed for."""
    left: dict[str, str] = {}
    # A UUID is the same in capitals; the table has small letters.
    ids = [identity.lower() for identity in ids]
    for identity in dict.fromkeys(ids):
        try:
            if not _ID.fullmatch(identity):
                raise NotFound(
                    f"{one_line(identity)} is not the id of a message; `comporta quarantine list` shows the ids"
                )
            action(identity)
        except ActionError as error:
            left[identity] = str(error)
    number = len(dict.fromkeys(ids)) - len(left)
    if as_json:
        print_json({participle: number, "left": left})
    else:
        console.print(f"{number} messages {participle}", markup=False)
    if left:
        raise fail("\n".join(left.values()))


def _print_replayed(result: ReplayResult, as_json: bool) -> None:
    if as_json:
        print_json({**vars(result), "refused": [failure._asdict() for failure in result.refused]})
    else:
        console.print(f"{result.replayed} of {result.chosen} messages replayed", markup=False)
    faults = [f"{failure.id} stays in the quarantine: {failure.why}" for failure in result.refused]
    if result.left:
        faults.append(f"{result.left} messages were not replayed: {result.error or 'run the command again'}")
    if faults:
        raise fail("\n".join(faults))
