"""Looks at everything that Comporta needs, and says what is wrong and the way out; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from comporta.cli.doctor.broker import broker_findings
from comporta.cli.doctor.database import database_findings
from comporta.cli.doctor.environment import (
    erp_findings,
    operator_findings,
    port_findings,
    read_settings,
    unknown_findings,
)
from comporta.cli.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine() -> Iterator[Finding]:
    """One part after the other; without settings that can be used there is nothing else to look at."""
    settings, found = read_settings()
    yield from found
    yield from unknown_findings()
    if settings is None:
        return
    for part in (broker_findings, database_findings, operator_findings, port_findings, erp_findings):
        yield from part(settings)
