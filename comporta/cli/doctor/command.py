"""`comporta doctor`."""

from __future__ import annotations

import typer
from rich.text import Text

from comporta.cli.doctor import Finding, State, examine
from comporta.cli.output import AsJson, console, one_line, print_json
from comporta.runtime.logs import configure_logs

__all__ = ["doctor"]

_MARKS = {State.OK: ("✓", "+", "green"), State.WARNING: ("!", "!", "yellow"), State.WRONG: ("✗", "X", "red")}
_INDENT = " " * 14


def doctor(as_json: AsJson = False) -> None:
    """Check broker, database, settings and ports, and show each fault with its remedy; exit 1 on an error."""
    configure_logs("ERROR", None)
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _print(finding)
    bad = [finding for finding in findings if finding.state is State.WRONG]
    if as_json:
        print_json({"ok": not bad, "findings": [finding._asdict() for finding in findings]})
    elif bad:
        console.print(f"\n{len(bad)} of {len(findings)} checks failed")
    if bad:
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    mark, plain, style = _MARKS[finding.state]
    # A terminal without UTF-8 would show the same replacement for tick and cross.
    sign, arrow = (mark, "→") if console.encoding.startswith("utf") else (plain, "->")
    console.print(Text.assemble((sign, style), f" {finding.part:<11} ", one_line(finding.says)), soft_wrap=True)
    if finding.way_out:
        console.print(Text(f"{_INDENT}{arrow} {one_line(finding.way_out)}", style="dim"), soft_wrap=True)
