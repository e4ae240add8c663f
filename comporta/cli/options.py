"""Options that commands share, their parsing, and the confirmation of an action."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from comporta.cli.client import remote_for
from comporta.cli.output import fail, one_line, print_json, print_rows, translate
from comporta.runtime.settings import load_settings
from rules.actions import AuditContext, DiscardRefused
from schemas.domains import LISTED_DOMAINS
from schemas.events import SHOP

__all__ = [
    "Domain",
    "Limit",
    "ListGroup",
    "Shop",
    "Why",
    "Yes",
    "audit_context",
    "check_domain",
    "confirm",
    "confirm_discard",
    "parse_duration",
    "print_list",
    "shop_id",
    "shop_ids",
    "user_name",
]
Done = TypeVar("Done")
_WRONG_USAGE = 2


class ListGroup(TyperGroup):
    """A group of commands that lists if none of them is named: `comporta missed --json` is `missed list --json`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `list` before what names no command. A shell that completes gets the commands all the same."""
        if not ctx.resilient_parsing and (
            not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        ):
            args = ["list", *args]
        return super().parse_args(ctx, args)


_LONGEST = 500
Why = Annotated[str | None, typer.Option("--why", help="Reason, for the audit.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]
# pytimeparse also accepts forms that are easily misread: 1:30 for 90 seconds, negative numbers.
_DURATION = re.compile(r"(\s*[0-9]+\s*[a-z]+)+\s*", re.IGNORECASE)
Shop = Annotated[str | None, typer.Option(help="Only this shop.")]
Limit = Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=10_000)]


def audit_context(why: str | None) -> AuditContext:
    """Return the user of this command with the reason; raises `BadParameter` if the reason is too long."""
    if why is not None and (len(why) > _LONGEST or "\0" in why):
        raise typer.BadParameter(f"--why: at most {_LONGEST} characters, none of them NUL")
    return AuditContext(user_name(), "cli", why)


def user_name() -> str:
    """Return the name of the user who runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the user may have a number and no name.
        return f"uid {os.getuid()}"


def confirm(question: str, *, yes: bool) -> None:
    """Ask the user for confirmation; end the command without it, or where there is no terminal to ask on."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise fail(f"{question} There is no terminal to ask on: confirm with --yes", _WRONG_USAGE)
    if not typer.confirm(one_line(question), err=True):
        raise fail("cancelled; nothing was changed")


def confirm_discard(action: Callable[[bool], Done], *, yes: bool) -> Done:
    """Do an action; if what it publishes would be discarded, ask first. `action` takes whether that was accepted."""
    try:
        return action(yes)
    except DiscardRefused as refused:
        confirm(f"{refused}. Discard?", yes=False)
        return action(True)


def shop_id(value: str | None) -> str | None:
    """Return a shop's id, as the callback of an option or argument; raises `BadParameter` if it is none."""
    if value is not None and not SHOP.fullmatch(value):
        raise typer.BadParameter(f"{value!r} is not a shop id: a-z, 0-9 and -, at most 63 characters")
    return value


def shop_ids(values: list[str] | None) -> list[str]:
    """Return shops' ids, as the callback of an option that may be repeated; raises `BadParameter` if one is none."""
    return [shop for value in values or () if (shop := shop_id(value)) is not None]


def parse_duration(option: str, text: str) -> timedelta:
    """Return the duration in an option's text; raises `BadParameter` if it is none."""
    from pytimeparse import parse  # Most commands are given no duration.

    seconds = parse(text) if _DURATION.fullmatch(text) else None
    if not seconds:
        raise typer.BadParameter(f"{option}: {text!r} is not a duration; use 30m, 2h or 1h30m")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise typer.BadParameter(f"{option}: {text!r} is too long") from None


def check_domain(option: str, value: str, known: Sequence[str]) -> None:
    """Raise `BadParameter` unless the value is one of the known domains."""
    if value not in known:
        raise typer.BadParameter(f"{option}{value}: not a domain; the domains are {', '.join(known)}")


def _domain(value: str | None) -> str | None:
    if value is not None:
        check_domain("", value, LISTED_DOMAINS)
    return value


Domain = Annotated[str | None, typer.Option(help="Only this domain.", callback=_domain)]


def print_list(listing: str, columns: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """Print the rows of a list that pass the filters."""
    rows = remote_for(load_settings()).rows(listing, filters)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, columns, translate("no_rows"))
