"""The commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from broker.link import BrokerLost
from control.cli import (
    answering,
    configuring,
    contract,
    doctoring,
    looking,
    missing,
    operators,
    ordering,
    publishing,
    releasing,
    running,
    simulating,
    switching,
    validating,
    watching,
)
from control.cli.output import fail
from control.settings import SettingsError
from producers.errors import NoReply
from rules.acting import ActError
from storage.errors import StorageError

__all__ = ["main"]

app = typer.Typer(
    name="comporta",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A floodgate between an ERP and an online shop: it lets changes flow, and can be shut.",
)
app.command()(running.demo)
app.command()(running.run)
app.command()(running.worker)
app.command()(running.admin)
app.command()(running.migrate)
app.command()(switching.pause)
app.command()(switching.resume)
app.command()(looking.status)
app.command()(looking.audit)
app.command()(publishing.publish)
app.command()(validating.validate)
app.command()(watching.tail)
app.command()(simulating.simulate)
app.command("simulate-erp")(answering.simulate_erp)
app.command()(contract.schema)
app.command()(doctoring.doctor)
app.command()(configuring.version)
app.add_typer(missing.missed_app, name="missed")
app.add_typer(releasing.quarantine_app, name="quarantine")
app.add_typer(ordering.orders_app, name="orders")
app.add_typer(operators.operator_app, name="operator")
app.add_typer(configuring.config_app, name="config")

_WRONG_USAGE, _FAILED = 2, 1


def main() -> None:
    """Runs one command; what goes wrong is one line on standard error, never a traceback."""
    _take_any_text()
    try:
        try:
            app()
        except SettingsError as error:
            raise fail(str(error), _WRONG_USAGE) from None
        except (ActError, NoReply, StorageError, BrokerLost) as error:
            raise fail(str(error), _FAILED) from None
        except OSError as error:
            raise fail(f"the system refused: {error.strerror or type(error).__name__}", _FAILED) from None
    except typer.Exit as done:
        sys.exit(done.exit_code)


def _take_any_text() -> None:
    # What is done is done: a terminal without accents must not make it look failed.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
