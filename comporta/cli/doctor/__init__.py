"""Diagnosis of everything that Comporta needs: findings with remedies; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from comporta.cli.doctor.broker import broker_findings
from comporta.cli.doctor.database import database_findings
from comporta.cli.doctor.environment import (
    operator_findings,
    port_findings,
    read_settings,
    unknown_findings,
)
from comporta.cli.doctor.erp import erp_findings, notice_findings, order_findings
from comporta.cli.doctor.findings import Finding, State
from comporta.cli.doctor.reminders import reminder_findings

__all__ = ["Finding", "State", "examine"]


def examine() -> Iterator[Finding]:
    """Yield the findings part by part; with invalid settings only those on the settings."""
    settings, findings = read_settings()
    yield from findings
    yield from unknown_findings()
    if settings is None:
        return
    for part in (
        broker_findings,
        database_findings,
        operator_findings,
        port_findings,
        erp_findings,
        order_findings,
        notice_findings,
        reminder_findings,
    ):
        yield from part(settings)
