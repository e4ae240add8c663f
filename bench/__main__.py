"""Measures every row in turn, round by round, so that what disturbs the machine disturbs all rows alike."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.aims import Results
from bench.events import DataMissing, require_data
from bench.machine import describe
from bench.places import Servers, open_servers
from bench.processes import MeasurementFailed
from bench.report import show, write
from bench.rows import FULL, QUICK, ROWS, Row, Scale
from tests.services.processes import ServiceFailed, ServiceMissing

_RESULTS = Path(__file__).with_name("results.json")
_NAMES = ", ".join(row.name for row in ROWS)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: few events, one round.")] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"A row; may be given several times. {_NAMES}.")] = None,
    rounds: Annotated[int | None, typer.Option(help="How many rounds; 3, or 1 if quick.", min=1)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the figures go; bench/results.json if everything is measured in full.")
    ] = None,
) -> None:
    """Measure Comporta beside a bare loop and the usual way, on real events."""
    rows = [row for row in ROWS if not only or row.name in only]
    if unknown := set(only or ()) - {row.name for row in ROWS}:
        raise typer.BadParameter(f"--only: {', '.join(sorted(unknown))}: not a row; there are {_NAMES}")
    scale, times = QUICK if quick else FULL, rounds or (1 if quick else 3)
    target = out or (None if quick or only else _RESULTS)
    try:
        require_data()
        with open_servers() as servers:
            machine = describe(servers)
            results, failed = _measure(servers, rows, scale, times)
    except (DataMissing, ServiceMissing, ServiceFailed) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from None
    show(console, machine, results, times)
    if target is not None and not failed:
        write(target, machine, scale, results)
    raise typer.Exit(1 if failed else 0)


def _measure(servers: Servers, rows: Sequence[Row], scale: Scale, rounds: int) -> tuple[Results, bool]:
    results: Results = {}
    failed = False
    for number in range(1, rounds + 1):
        for row in rows:
            try:
                figures = row.measure(servers, scale)
            except MeasurementFailed as error:
                failed = True
                console.print(f"round {number}: {row.name} failed: {error}", markup=False)
                continue
            results.setdefault(row.name, []).append(figures)
            said = ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())
            console.print(f"round {number}: {row.name}: {said}", markup=False)
    return results, failed


if __name__ == "__main__":
    # As on Ctrl-C, so that the servers and whatever is measured are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()
