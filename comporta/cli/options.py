"""Who asks for an act at the command line, why, and whether they are sure."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated

import typer

from comporta.cli.output import fail, one_line
from rules.actions import Asked

__all__ = ["Sure", "Why", "ask_whether_sure", "asked", "user_name"]

_WRONG_USAGE = 2
_LONGEST = 500

Why = Annotated[str | None, typer.Option("--why", help="Why; kept in the audit.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask whether it is meant.")]


def asked(why: str | None) -> Asked:
    """The one who runs this command, with their reason."""
    if why is not None and (len(why) > _LONGEST or "\0" in why):
        raise typer.BadParameter(f"--why: at most {_LONGEST} characters, none of them NUL")
    return Asked(user_name(), "cli", why)


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
