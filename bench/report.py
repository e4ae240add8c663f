"""Report of the figures: tables on the console and a JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Literal

import orjson
from rich.console import Console
from rich.table import Table

from bench.aims import Results, Verdict, verdicts
from bench.results import Figures
from bench.rows import Row, Scale

__all__ = ["LeftOutRows", "Part", "document", "show", "write"]

LeftOutRows = dict[str, str]
Machine = Mapping[str, object]
Part = Literal["rows", "growth"]

_COLUMNS = {
    "events": "events",
    "events_per_second": "events/s",
    "cpu_us_per_event": "CPU µs/event",
    "servers_cpu_us_per_event": "… of the servers",
    "rabbitmq_cpu_us_per_event": "… of RabbitMQ",
    "postgresql_cpu_us_per_event": "… of PostgreSQL",
    "wal_bytes_per_event": "WAL bytes/event",
    "peak_rss_mb": "peak RSS MB",
    "seconds": "s",
    "bytes_per_key": "bytes/key",
    "gb_of_all_shops": "GB of 10,000 shops",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
}
_NOTES = (
    "A backlog is timed from the moment the fence opens, with all consumers connected, to the last event's commit; "
    "CPU is that of the consuming processes, and beside it that of RabbitMQ and PostgreSQL; memory is that of the "
    "largest consuming process. Afterwards the tables must hold, field by field, what the events say.",
    "The Go reference takes the same queues in the same batches through the same fence into the same tables; what it "
    "leaves out is listed at the top of its main.go. The bare loop borrows our parser and our statements.",
    "The usual ways and the embedded row work off a smaller backlog: rates compare. dramatiq and Celery can't read "
    "foreign messages: their queues hold the same events as messages of their own, and they run a process a core.",
    "Publish to commit: until PostgreSQL's notification of the commit arrived.",
)


def show(
    console: Console, machine: Machine, rows: Sequence[Row], results: Results, left_out: LeftOutRows, rounds: int
) -> None:
    """Print the machine, the medians by group, the rows left out, and the aims."""
    console.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()), markup=False)
    for group, members in groupby((row for row in rows if row.name in results), key=lambda row: row.group):
        console.print(_figures_table(group, list(members), results, rounds))
    for name, reason in left_out.items():
        console.print(f"left out: {name}: {reason}", markup=False)
    if judged := verdicts(results):
        console.print(_aims_table(judged))
    for note in _NOTES:
        console.print(note, style="dim", markup=False)


def write(path: Path, part: Part, document: Mapping[str, object]) -> None:
    """Write the figures of one part; the figures of the other part stay as another run wrote them."""
    previous: dict[str, object] = orjson.loads(path.read_bytes()) if path.exists() else {}
    if part == "growth":
        written = {**previous, part: document}
    else:
        written = {**document, **({"growth": previous["growth"]} if "growth" in previous else {})}
    path.write_bytes(orjson.dumps(written, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def document(
    machine: Machine, scale: Scale, rows: Sequence[Row], results: Results, left_out: LeftOutRows
) -> dict[str, object]:
    """Return every round of every row, and the verdicts, as the JSON document."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "scale": scale,
        "rows": {
            row.name: {
                "group": row.group,
                "says": row.label,
                "median": _medians(results[row.name]),
                "rounds": results[row.name],
            }
            for row in rows
            if row.name in results
        },
        "left_out": left_out,
        "aims": [
            {
                "says": verdict.aim.label,
                "wanted": verdict.aim.bound,
                "median": verdict.value,
                "rounds": verdict.values,
                "met": verdict.met,
            }
            for verdict in verdicts(results)
        ],
    }


def _medians(rounds: Sequence[Figures]) -> Figures:
    return {name: median(figures[name] for figures in rounds) for name in rounds[0]}


def _figures_table(group: str, rows: Sequence[Row], results: Results, rounds: int) -> Table:
    medians = {row.label: _medians(results[row.name]) for row in rows}
    columns = {
        name: heading for name, heading in _COLUMNS.items() if any(name in figures for figures in medians.values())
    }
    table = Table(title=f"{group}: medians of {rounds}" if rounds > 1 else group, title_justify="left")
    table.add_column("measured")
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for label, figures in medians.items():
        table.add_row(label, *(_number(figures.get(name)) for name in columns))
    return table


def _aims_table(judged: Sequence[Verdict]) -> Table:
    table = Table(title="aims")
    for heading in ("figure", "median", "rounds", "aim", ""):
        table.add_column(heading, justify="left" if heading in ("figure", "aim", "") else "right")
    for verdict in judged:
        table.add_row(
            verdict.aim.label,
            _number(verdict.value),
            " ".join(_number(value) for value in verdict.values),
            verdict.aim.bound,
            "[green]met[/]" if verdict.met else "[red]missed[/]",
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.0f}" if value == int(value) else f"{value:.3g}"
