"""Commands of the program, and the translation of errors to one line and an exit code."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from broker.connection import BrokerLost
from comporta.cli import (
    compare,
    config,
    digest,
    loads,
    missed,
    operators,
    order_changes,
    pauses,
    prune,
    publish,
    quarantine,
    reader,
    run,
    schema,
    shops,
    simulate,
    status,
    switch,
    tail,
    validate,
    versions,
)
from comporta.cli.doctor import command as doctor
from comporta.cli.output import fail
from comporta.runtime.settings import SettingsError
from producers.errors import NoReply
from rules.actions import ActionError
from storage.errors import StorageError

__all__ = ["main"]

app = typer.Typer(
    name="comporta",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Floodgate between an ERP and an online shop: changes flow through it until it is closed.",
)
app.command()(run.demo)
app.command()(run.run)
app.command()(run.worker)
app.command()(run.admin)
app.command()(run.migrate)
app.command()(prune.prune)
app.command()(switch.pause)
app.command()(switch.resume)
app.command()(status.status)
app.command()(status.audit)
app.command()(publish.publish)
app.command()(validate.validate)
app.command()(compare.compare)
app.command()(digest.digest)
app.command()(tail.tail)
app.command()(simulate.simulate)
app.command("simulate-erp")(simulate.simulate_erp)
app.command()(schema.schema)
app.command("grant-reader")(reader.grant_reader)
app.command()(doctor.doctor)
app.command()(config.version)
app.add_typer(missed.missed_app, name="missed")
app.add_typer(pauses.pauses_app, name="pauses")
app.add_typer(quarantine.quarantine_app, name="quarantine")
app.add_typer(order_changes.orders_app, name="orders")
app.add_typer(shops.shop_app, name="shop")
app.add_typer(loads.loads_app, name="loads")
app.add_typer(versions.versions_app, name="versions")
app.add_typer(operators.operator_app, name="operator")
app.add_typer(config.config_app, name="config")

_WRONG_USAGE, _FAILED = 2, 1


def main() -> None:
    """Run one command; print an error as one line on standard error, never as a traceback."""
    _replace_unprintable()
    try:
        try:
            app()
        except SettingsError as error:
            raise fail(str(error), _WRONG_USAGE) from None
        except (ActionError, NoReply, StorageError, BrokerLost) as error:
            raise fail(str(error), _FAILED) from None
        except OSError as error:
            raise fail(f"the system refused: {error.strerror or type(error).__name__}", _FAILED) from None
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _replace_unprintable() -> None:
    # On a terminal without accents a text that can't be encoded would raise, and a command that succeeded would look
    # failed.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    main()
