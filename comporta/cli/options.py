"""Who asks for an act at the command line, why, and whether they are sure."""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from pytimeparse import parse

from comporta.cli.client import remote_for
from comporta.cli.output import fail, one_line, print_json, print_rows, translate
from comporta.runtime.settings import load_settings
from rules.actions import AuditContext
from schemas.domains import LISTED_DOMAINS

__all__ = [
    "Domain",
    "Limit",
    "Shop",
    "Sure",
    "Why",
    "ask_whether_sure",
    "audit_context",
    "check_domain",
    "duration_of",
    "print_list",
    "user_name",
]
_WRONG_USAGE = 2
_LONGEST = 500
Why = Annotated[str | None, typer.Option("--why", help="Why; kept in the audit.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask whether it is meant.")]
# pytimeparse takes more: 1:30 for 90 seconds, negative numbers.
_DURATION = re.compile(r"(\s*[0-9]+\s*[a-z]+)+\s*", re.IGNORECASE)
Shop = Annotated[str | None, typer.Option(help="Only this shop.")]
Limit = Annotated[int, typer.Option(help="At most so many rows.", min=1, max=10_000)]


def audit_context(why: str | None) -> AuditContext:
    """The one who runs this command, with their reason."""
    if why is not None and (len(why) > _LONGEST or "\0" in why):
        raise typer.BadParameter(f"--why: at most {_LONGEST} characters, none of them NUL")
    return AuditContext(user_name(), "cli", why)


def user_name() -> str:
    """The name of the user who runs this command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the user may have a number only.
        return f"uid {os.getuid()}"


def ask_whether_sure(question: str, *, yes: bool) -> None:
    """Returns if the user means it; ends the command if not, or if nobody is there to be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise fail(f"{question} Nobody is there to be asked: say --yes if it is meant", _WRONG_USAGE)
    if not typer.confirm(one_line(question), err=True):
        raise fail("nothing was done")


def duration_of(option: str, text: str) -> timedelta:
    """The duration that an option names; ends the command if it is none."""
    seconds = parse(text) if _DURATION.fullmatch(text) else None
    if not seconds:
        raise typer.BadParameter(f"{option}: {text!r} is not a duration; say 30m, 2h or 1h30m")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise typer.BadParameter(f"{option}: {text!r} is longer than a calendar lasts") from None


def check_domain(option: str, value: str, known: Sequence[str]) -> None:
    """End the command if the value is none of the known domains."""
    if value not in known:
        raise typer.BadParameter(f"{option}{value}: not a domain; there are {', '.join(known)}")


def _domain(value: str | None) -> str | None:
    if value is not None:
        check_domain("", value, LISTED_DOMAINS)
    return value


Domain = Annotated[str | None, typer.Option(help="Only this domain.", callback=_domain)]


def print_list(what: str, columns: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """Prints the rows of a list that pass the filters."""
    rows = remote_for(load_settings()).rows(what, filters)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, columns, translate("nothing"))
