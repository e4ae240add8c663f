"""Benchmark command `python -m bench`: every row in turn, round by round, so that a disturbance hits all rows alike."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.aims import Results
from bench.events import Backlog, DataMissing, is_made, require_data, source
from bench.flame import draw
from bench.growth import GROWTH_ROWS
from bench.machine import describe
from bench.places import Servers, open_servers
from bench.processes import MeasurementFailed
from bench.report import LeftOutRows, document, show, write
from bench.results import LeftOut
from bench.rows import FULL, QUICK, ROWS, Row, Scale
from tests.support.services.processes import ServiceFailed, ServiceMissing

_RESULTS = Path(__file__).with_name("results.json")
_NAMES = ", ".join(row.name for row in ROWS)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run: few events, one round.")] = False,
    growth: Annotated[
        bool,
        typer.Option("--growth", help="The growth table instead: up to 5 million keys and 1,000 shops; half an hour."),
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help=f"A row; may be given several times. {_NAMES}.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Number of rounds; 3, or 1 if quick.", min=1)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File for the figures; bench/results.json if all is measured in full on real events."),
    ] = None,
    flame: Annotated[
        Path | None,
        typer.Option(help="Instead of measuring: write a flame graph (SVG) of one worker."),
    ] = None,
) -> None:
    """Measure Comporta beside hand-written Go, a bare loop and the usual ways, on real events."""
    rows = _select(GROWTH_ROWS if growth else ROWS, only or ())
    scale, times = QUICK if quick else FULL, rounds or (1 if quick else 3)
    # Figures of other events do not take the place of those that docs/performance.md reports.
    target = out or (None if quick or only or is_made() else _RESULTS)
    try:
        require_data()
        with open_servers() as servers:
            if flame is not None:
                draw(servers, Backlog(scale.backlog), flame)
                return
            machine = {"events": source(), **describe(servers)}
            results, left_out, failed = _measure(servers, rows, scale, times)
    except (DataMissing, ServiceMissing, ServiceFailed, MeasurementFailed) as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from None
    show(console, machine, rows, results, left_out, times)
    if target is not None and not failed:
        write(target, "growth" if growth else "rows", document(machine, scale, rows, results, left_out))
    raise typer.Exit(1 if failed else 0)


def _select(rows: Sequence[Row], only: Sequence[str]) -> list[Row]:
    names = [row.name for row in rows]
    if unknown := set(only) - set(names):
        raise typer.BadParameter(f"--only: {', '.join(sorted(unknown))}: not a row; there are {', '.join(names)}")
    return [row for row in rows if not only or row.name in only]


def _measure(servers: Servers, rows: Sequence[Row], scale: Scale, rounds: int) -> tuple[Results, LeftOutRows, bool]:
    results: Results = {}
    left_out: LeftOutRows = {}
    failed = False
    for number in range(1, rounds + 1):
        for row in rows:
            if row.name in left_out:
                continue
            try:
                figures = row.measure(servers, scale)
            except LeftOut as reason:
                left_out[row.name] = str(reason)
                console.print(f"{row.name} is left out: {reason}", markup=False)
                continue
            except MeasurementFailed as error:
                failed = True
                console.print(f"round {number}: {row.name} failed: {error}", markup=False)
                continue
            results.setdefault(row.name, []).append(figures)
            summary = ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())
            console.print(f"round {number}: {row.name}: {summary}", markup=False)
    return results, left_out, failed


if __name__ == "__main__":
    # As on Ctrl-C, so that the servers and the measured processes are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()
