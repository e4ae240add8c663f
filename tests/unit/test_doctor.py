"""The doctor's findings, and the limit for a wrong clock."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from comporta.cli.doctor import command
from comporta.cli.doctor.database import clock_finding
from comporta.cli.doctor.erp import remedy_for
from comporta.cli.doctor.findings import Finding, State
from schemas.control import ErpFault

NOW = datetime(2026, 11, 23, tzinfo=UTC)

FINDINGS = [
    Finding.ok("broker", "answers"),
    Finding.warning("broker", "odd", "look"),
    Finding.error("broker", "gone", "start it"),
]


@pytest.mark.parametrize(
    ("ahead", "state", "says"),
    [
        (0.0, State.OK, "0.0 s behind"),
        (0.99, State.OK, "1.0 s ahead of"),
        (-1.0, State.WARNING, "1.0 s behind"),
        (4.99, State.WARNING, "5.0 s ahead of"),
        (-5.0, State.WRONG, "5.0 s behind"),
        (3600.0, State.WRONG, "3600.0 s ahead of"),
    ],
)
def test_a_clock_is_doubtful_from_one_second_and_wrong_from_five(ahead: float, state: State, says: str) -> None:
    finding = clock_finding(ahead)
    assert (finding.state, says in finding.says) == (state, True)
    assert bool(finding.way_out) is (state is not State.OK)


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("HTTP 401", "COMPORTA_ERP_TOKEN"),
        ("HTTP 404", "the path in COMPORTA_ERP_URL"),
        ("HTTP 308", "redirects are not followed"),
        ("HTTP 500", "the ERP's log"),
        ("TLS failed", "certificate"),
        ("no answer", "COMPORTA_ERP_TIMEOUT"),
        ("returned", "erp.orders"),
        ("something else", "sent again by themselves"),
    ],
)
def test_each_kind_of_answer_has_its_remedy(answer: str, remedy: str) -> None:
    fault = ErpFault(answer=answer, error=answer, since=NOW, failed_at=NOW, failures=1)
    assert remedy in remedy_for(fault)


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", "✓!✗"), ("ascii", "+!X")])
def test_good_and_bad_differ_on_a_terminal_without_ticks(
    monkeypatch: pytest.MonkeyPatch, encoding: str, marks: str
) -> None:
    written = io.BytesIO()
    terminal = io.TextIOWrapper(written, encoding=encoding, write_through=True)
    monkeypatch.setattr(command, "console", Console(file=terminal, width=200))
    monkeypatch.setattr(command, "examine", lambda: iter(FINDINGS))
    with pytest.raises(command.typer.Exit):
        command.doctor()
    lines = written.getvalue().decode(encoding).splitlines()
    assert "".join(line[0] for line in lines if line[1:3] == " b") == marks
    assert any(line.strip().endswith("start it") for line in lines)


def test_a_finding_draws_nothing_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(command, "console", Console(file=written, width=200))
    monkeypatch.setattr(command, "examine", lambda: iter([Finding("broker", State.OK, "\x1b[31mred")]))
    command.doctor()
    assert "\x1b" not in written.getvalue()
