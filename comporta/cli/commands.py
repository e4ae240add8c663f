"""Commands of the program by name: where each one lies, and its line in the help."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from comporta.cli.examples import add_examples

__all__ = ["COMMANDS", "Command", "CommandGroup", "uncollected"]

_RUN, _SWITCH, _LOOK = "Run", "Switch", "Look and act"
_EVENTS, _SIMULATE, _SETUP = "Events and contract", "Simulate", "Set up"


class Command(NamedTuple):
    """A command: its module below this package, its function or group there, its heading and its line in the help."""

    module: str
    attribute: str
    heading: str
    summary: str


COMMANDS = {
    "demo": Command("run", "demo", _RUN, "Run everything in one process, fed by a simulated ERP with real invoices."),
    "run": Command(
        "run", "run", _RUN, "Run worker and page in one process, on the broker and database of the settings."
    ),
    "worker": Command("run", "worker", _RUN, "Run consumers only."),
    "admin": Command("run", "admin", _RUN, "Run the page, the API and the metrics only; several instances may run."),
    "pause": Command("switch", "pause", _SWITCH, "Switch the integration off: changes are discarded, orders wait."),
    "resume": Command("switch", "resume", _SWITCH, "Switch the integration on again."),
    "status": Command(
        "status",
        "status",
        _SWITCH,
        "Show the switches, whether messages are taken, the workers, and the outcomes of the last minute.",
    ),
    "audit": Command(
        "status",
        "audit",
        _SWITCH,
        "Show every pause, resume and operator action with its author, time, reason and result.",
    ),
    "pauses": Command("pauses", "pauses_app", _SWITCH, "Pauses, and what each has cost."),
    "tail": Command(
        "tail",
        "tail",
        _LOOK,
        "Show outcomes as they are committed, by any process on the database of the settings, until Ctrl-C.",
    ),
    "missed": Command("missed", "missed_app", _LOOK, "Keys whose newest known change was discarded."),
    "quarantine": Command("quarantine", "quarantine_app", _LOOK, "Refused messages in full, with the reason."),
    "orders": Command("order_changes", "orders_app", _LOOK, "Orders from the shops, on their way to the ERP."),
    "item": Command("items", "item_app", _LOOK, "One item of the shop: its last versions, and what became of each."),
    "shop": Command("shops", "shop_app", _LOOK, "Known shops: those of an event or order, or added here."),
    "person": Command("person", "person_app", _LOOK, "Personal data of one person, by document."),
    "publish": Command(
        "publish",
        "publish",
        _EVENTS,
        "Publish events or orders from a file; each is checked first, and confirmed by the broker.",
    ),
    "validate": Command(
        "validate",
        "validate",
        _EVENTS,
        "Predict the outcome of each event of a file, and publish nothing; exit 1 if any would be refused.",
    ),
    "compare": Command(
        "compare",
        "compare",
        _EVENTS,
        "Compare the shop's table with all entities of the ERP, one event a line as for publish; exit 1 if not equal.",
    ),
    "digest": Command(
        "digest",
        "digest",
        _EVENTS,
        "Show a digest of the shop's table that the ERP can compute too, to find the keys that differ.",
    ),
    "reason": Command(
        "reason", "reason", _EVENTS, "Explain the code of a refusal or of a warning, and say what to do."
    ),
    "schema": Command("schema", "schema", _EVENTS, "Print the JSON Schemas of the events, by type, as one document."),
    "loads": Command("loads", "loads_app", _EVENTS, "Full loads: everything that an ERP has of a domain."),
    "versions": Command("versions", "versions_app", _EVENTS, "Versions of keys, by which the newest event wins."),
    "simulate": Command(
        "simulate",
        "simulate",
        _SIMULATE,
        "Publish the events of a simulated ERP to the broker of the settings: its initial load, then its changes.",
    ),
    "simulate-erp": Command(
        "simulate",
        "simulate_erp",
        _SIMULATE,
        "Simulate an ERP that answers orders, over AMQP or over HTTP, until Ctrl-C.",
    ),
    "migrate": Command("run", "migrate", _SETUP, "Create or upgrade the database."),
    "prune": Command(
        "prune",
        "prune",
        _SETUP,
        "Roll up the ledger and delete rows past their retention (COMPORTA_KEEP_…), as each process does by itself.",
    ),
    "grant-app": Command(
        "reader",
        "grant_application",
        _SETUP,
        "Let a role of the database do all that workers and page do, but not change or migrate the tables.",
    ),
    "grant-reader": Command(
        "reader",
        "grant_reader",
        _SETUP,
        "Let a role of the database read the shop's tables and views, and nothing else of Comporta.",
    ),
    "doctor": Command(
        "doctor.command",
        "doctor",
        _SETUP,
        "Check broker, database, settings and ports, and show each fault with its remedy; exit 1 on an error.",
    ),
    "version": Command("config", "version", _SETUP, "Show the version."),
    "operator": Command("operators", "operator_app", _SETUP, "Operators, who may use the page and the API."),
    "config": Command("config", "config_app", _SETUP, "Settings: show or validate them."),
}


class CommandGroup(TyperGroup):
    """Group that loads a command when it is called; the help of the program loads none."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands.update(
            {
                name: TyperCommand(name, help=command.summary, rich_help_panel=command.heading)
                for name, command in COMMANDS.items()
            }
        )
        self._summaries_only = False

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        """Return the command of this name, loaded unless only its summary is needed."""
        summary = super().get_command(ctx, cmd_name)
        if summary is None or self._summaries_only:
            return summary
        command = COMMANDS[cmd_name]
        found = getattr(_module(command.module), command.attribute)
        if isinstance(found, typer.Typer):
            # A group stays one even if it has a single command.
            loaded: Any = typer.main.get_group(found)
        else:
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command(cmd_name)(found)
            loaded = typer.main.get_command(single)
        loaded.name = cmd_name
        add_examples(loaded, cmd_name)
        return loaded

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help from the summaries."""
        with self._summaries():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the names that begin so, with their summaries."""
        with self._summaries():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _summaries(self) -> Iterator[None]:
        self._summaries_only = True
        try:
            yield
        finally:
            self._summaries_only = False


def _module(name: str) -> ModuleType:
    with uncollected():
        return import_module(f"{__package__}.{name}")


@contextmanager
def uncollected() -> Iterator[None]:
    """Load modules without looking for garbage among them, now and later.

    None of what is loaded becomes garbage, and looking for it takes a fifth of the time of loading.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
