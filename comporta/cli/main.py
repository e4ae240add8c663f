"""The program: one command, and the translation of errors to one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from comporta.cli.commands import CommandGroup
from comporta.cli.output import fail

__all__ = ["main"]

app = typer.Typer(
    name="comporta",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Floodgate between an ERP and an online shop: changes flow through it until it is closed.",
)

_WRONG_USAGE, _FAILED = 2, 1
# New objects before Python looks for garbage among them: with its 700 it looks hundreds of times while modules load.
_GARBAGE_THRESHOLD = 50_000


def _print_version(asked: bool) -> None:
    if asked:
        from comporta.runtime.release import program_version

        typer.echo(f"comporta {program_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    # Options of the program itself; a command has its own.
    pass


def main() -> None:
    """Run one command; print an error as one line on standard error, never as a traceback."""
    gc.set_threshold(_GARBAGE_THRESHOLD)
    # pydantic looks for plugins in the metadata of every installed package before it makes its first model.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _replace_unprintable()
    try:
        try:
            app()
        except Exception as error:
            code = _exit_code(error)
            if code is not None:
                raise fail(str(error), code) from None
            # After those with a text of their own, of which some are an OSError too.
            if isinstance(error, OSError):
                raise fail(f"the system refused: {error.strerror or type(error).__name__}", _FAILED) from None
            raise
    except typer.Exit as end:
        sys.exit(end.exit_code)
    finally:
        # Python looks for garbage once more as it ends, and among all that was loaded this takes longer than a command.
        gc.freeze()


def _exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that a user can read and act on, else None."""
    # Only now: what a command doesn't use, it doesn't wait for.
    from broker.connection import BrokerLost
    from comporta.runtime.settings import SettingsError
    from producers.errors import NoReply
    from rules.actions import ActionError
    from storage.errors import StorageError

    if isinstance(error, SettingsError):
        return _WRONG_USAGE
    return _FAILED if isinstance(error, (ActionError, NoReply, StorageError, BrokerLost)) else None


def _replace_unprintable() -> None:
    # On a terminal without accents a text that can't be encoded would raise, and a command that succeeded would look
    # failed.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
