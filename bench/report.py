"""Shows the figures as tables and writes them down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson
from rich.console import Console
from rich.table import Table

from bench.aims import Results, Verdict, verdicts
from bench.results import Figures
from bench.rows import ROWS, Scale

__all__ = ["show", "write"]

_COLUMNS = {
    "events": "events",
    "events_per_second": "events/s",
    "cpu_us_per_event": "CPU µs/event",
    "servers_cpu_us_per_event": "… of the servers",
    "peak_rss_mb": "peak RSS MB",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
}
_NOTES = (
    "A backlog is timed from the moment the fence opens, with all consumers connected, to the last event's commit; "
    "CPU is that of the consuming processes, and beside it that of RabbitMQ and PostgreSQL; memory is that of the "
    "largest consuming process.",
    "Publish to commit: until PostgreSQL's notification of the commit was here. "
    "FastStream and the embedded row work off a smaller backlog: rates compare.",
)


def show(console: Console, machine: Mapping[str, object], results: Results, rounds: int) -> None:
    """Prints the machine, the medians and the aims."""
    console.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()), markup=False)
    console.print(_figures_table(results, rounds))
    console.print(_aims_table(verdicts(results)))
    for note in _NOTES:
        console.print(note, style="dim", markup=False)


def write(path: Path, machine: Mapping[str, object], scale: Scale, results: Results) -> None:
    """Writes every round of every row, and the verdicts."""
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "scale": scale,
        "rows": {
            row.name: {"says": row.says, "median": _medians(results[row.name]), "rounds": results[row.name]}
            for row in ROWS
            if row.name in results
        },
        "aims": [
            {
                "says": verdict.aim.says,
                "wanted": verdict.aim.wanted,
                "median": verdict.value,
                "rounds": verdict.values,
                "met": verdict.met,
            }
            for verdict in verdicts(results)
        ],
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _medians(rounds: Sequence[Figures]) -> Figures:
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}


def _figures_table(results: Results, rounds: int) -> Table:
    table = Table(title=f"medians of {rounds} rounds")
    table.add_column("measured")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    for row in ROWS:
        if row.name in results:
            medians = _medians(results[row.name])
            table.add_row(row.says, *(_number(medians.get(name)) for name in _COLUMNS))
    return table


def _aims_table(found: Sequence[Verdict]) -> Table:
    table = Table(title="aims")
    for heading in ("figure", "median", "rounds", "aim", ""):
        table.add_column(heading, justify="left" if heading in ("figure", "aim", "") else "right")
    for verdict in found:
        table.add_row(
            verdict.aim.says,
            _number(verdict.value),
            " ".join(_number(value) for value in verdict.values),
            verdict.aim.wanted,
            "[green]met[/]" if verdict.met else "[red]missed[/]",
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.0f}" if value == int(value) else f"{value:.3g}"
