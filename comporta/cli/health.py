"""Consumption in the status: what is stopped or delayed, and by domain the queue, the lag and the last change."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from comporta.cli.output import translate
from schemas.control import StatusDocument
from schemas.health import DomainHealth, Health
from schemas.text import duration

__all__ = ["health_line", "health_table"]

_STYLES = {"ok": "green", "stopped": "bold red", "delayed": "bold yellow", "unknown": "dim"}


def health_line(document: StatusDocument) -> list[Text]:
    """Return one line that says why and since when messages are not taken, or none while they are."""
    health = document.health
    if health.state not in ("stopped", "delayed"):
        return []
    parts = [_cause(health)]
    if health.ready is not None:
        parts.append(translate("in_queue", count=f"{health.ready:,}"))
    return [Text("  " + " · ".join(parts), style=_STYLES[health.state])]


def health_table(document: StatusDocument) -> Table:
    """Return a table by domain: whether its messages are taken, the queue, the lag, and the last change's age."""
    table = Table("domain", "consumption", "in the queue", "lag", "last change", box=None, pad_edge=False)
    for name, domain in document.health.domains.items():
        queue = "?" if domain.ready is None else f"{domain.ready:,}"
        lag = "" if domain.lag is None else f"{domain.lag:.1f} s"
        table.add_row(name, Text(domain.state, style=_STYLES[domain.state]), queue, lag, _age(domain.last_change))
    for column in table.columns[2:]:
        column.justify = "right"
    return table


def _cause(health: Health | DomainHealth) -> str:
    if health.since is None:
        return translate("never_taken")
    name = {"broker_away": "broker_away", "backlog": "waiting"}.get(health.cause or "", "not_taken")
    return translate(name, span=_age(health.since))


def _age(moment: datetime | None) -> str:
    return "" if moment is None else duration((datetime.now(UTC) - moment).total_seconds())
