"""View of the status document on a terminal: switches, consumption, outcomes, orders, workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from comporta.cli.health import health_line, health_table
from comporta.cli.output import local_time, one_line, translate
from rules.outcomes import Outcome
from schemas.control import ANY, ErpFault, PlannedPause, StatusDocument, WorkerState
from schemas.domains import DOMAIN_NAMES
from schemas.text import duration

__all__ = ["headline", "order_lines", "outcome_table", "status_view", "switch_lines"]
Counts = Mapping[str, Mapping[str, int]]
# A process beats every second.
_GONE_SECONDS = 15.0
_STATES = {
    "on": ("switched_on", "bold green"),
    "off": ("switched_off", "bold red"),
    "partly": ("partly_off", "bold yellow"),
}

# So many switches and shops have a line of their own.
_MOST_LINES = 10
_NEEDING = ("rejected", "stuck")
_AILING = {"stopped": ("stopped", "bold red"), "delayed": ("delayed", "bold yellow")}


def status_view(document: StatusDocument) -> Group:
    """Return the whole status: switches, consumption, the outcomes of the last minute, orders, workers."""
    workers = [_worker_line(worker, datetime.now(UTC)) for worker in document.workers]
    table = outcome_table(document, document.last_minute)
    above = (headline(document), *health_line(document), *switch_lines(document), *plan_lines(document))
    return Group(*above, table, health_table(document), *order_lines(document), *workers)


def _worker_line(worker: WorkerState, now: datetime) -> Text:
    silent = (now - worker.last_seen).total_seconds()
    line = one_line(f"{worker.id}  {', '.join(worker.domains)}  last seen {worker.last_seen:%H:%M:%S}Z")
    if silent < _GONE_SECONDS:
        return Text(line)
    return Text(f"{line}  gone for {duration(silent)}", style="bold red")


def headline(document: StatusDocument) -> Text:
    """Return the state of the integration (on, off or partly off) and its epoch."""
    name, style = _STATES[document.state]
    if document.state == "on":
        name, style = _AILING.get(document.health.state, (name, style))
    return Text.assemble(translate("integration"), ": ", (translate(name), style), f"   epoch {document.epoch}")


def switch_lines(document: StatusDocument) -> list[Text]:
    """Return one line per switch that is off; of many the first, those of every shop before them, and a count."""
    off = sorted((switch for switch in document.switches if switch.off), key=lambda switch: switch.shop != ANY)
    lines = [_switch_line(switch.model_dump()) for switch in off[:_MOST_LINES]]
    return lines + ([Text("  " + translate("more", count=len(off) - _MOST_LINES))] if len(off) > _MOST_LINES else [])


def plan_lines(document: StatusDocument) -> list[Text]:
    """Return one line per planned pause."""
    return [_plan_line(plan) for plan in document.planned]


def outcome_table(document: StatusDocument, counts: Counts) -> Table:
    """Return a table by domain: deliveries by outcome, missed keys, messages in quarantine."""
    table = Table("domain", *Outcome, "missed", "in quarantine", box=None, pad_edge=False)
    missed = _sums(document.missed.values())
    for domain in (*DOMAIN_NAMES, *sorted(counts.keys() - set(DOMAIN_NAMES))):
        outcomes = counts.get(domain, {})
        cells = [outcomes.get(outcome, 0) for outcome in Outcome]
        cells += [missed[domain], document.quarantined.get(domain, 0)]
        table.add_row(domain, *(f"{cell:,}" for cell in cells))
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def order_lines(document: StatusDocument) -> list[Text]:
    """Return one line per shop, its orders by state, and one per shop whose orders the ERP does not take.

    Of many shops those with orders that need somebody come first, and the others are summed up.
    """
    shops = sorted(document.orders, key=lambda shop: (-_needing(document, shop), shop))
    if len(shops) > _MOST_LINES:
        shops, others = shops[:_MOST_LINES], shops[_MOST_LINES:]
    else:
        others = []
    counts = [_order_line(f"orders of {shop}", _order_counts(document, shop)) for shop in sorted(shops)]
    if others:
        sums = _sums(dict(_order_counts(document, shop)) for shop in others)
        counts.append(_order_line(f"orders of {len(others):,} other shops", sorted(sums.items())))
    faults = sorted(document.erp_faults.items())
    lines = [_fault_line(shop, fault) for shop, fault in faults[:_MOST_LINES]]
    more = [Text(translate("more", count=len(faults) - _MOST_LINES))] if len(faults) > _MOST_LINES else []
    return [*counts, *lines, *more]


def _sums(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for each in counts:
        for name, count in each.items():
            sums[name] += count
    return sums


def _order_line(title: str, counts: list[tuple[str, int]]) -> Text:
    return Text(f"{title}: " + ", ".join(f"{count:,} {state}" for state, count in counts))


def _needing(document: StatusDocument, shop: str) -> int:
    states = document.orders[shop]
    return sum(states.get(state, 0) for state in _NEEDING) + document.overdue_orders.get(shop, 0)


def _fault_line(shop: str, fault: ErpFault) -> Text:
    since = local_time(fault.since, "seconds")
    return Text(one_line(f"no order of {shop} has reached the ERP since {since}: {fault.error}"), style="bold red")


def _order_counts(document: StatusDocument, shop: str) -> list[tuple[str, int]]:
    overdue = document.overdue_orders.get(shop)
    return [*sorted(document.orders[shop].items()), *([("overdue", overdue)] if overdue else [])]


def _plan_line(plan: PlannedPause) -> Text:
    until = local_time(plan.until, "minutes") if plan.until else translate("open_end")
    values = {"shop": plan.shop, "domain": plan.domain, "by": plan.by, "reason": plan.reason}
    line = translate("planned_pause", begins=local_time(plan.begins, "minutes"), until=until, **values)
    return Text("  " + one_line(line + (f" ({translate('weekly')})" if plan.weekly else "")))


def _switch_line(switch: Mapping[str, Any]) -> Text:
    until = local_time(switch["until"], "minutes") if switch["until"] else translate("open_end")
    since = local_time(switch["since"], "seconds")
    return Text("  " + one_line(translate("still_off", **{**switch, "until": until, "since": since})))
