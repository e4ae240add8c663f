"""Status document: switches, workers, orders, missed keys, quarantine and the last minute."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, Text, and_, bindparam, func, literal, select, union_all

from rules.orders import OrderState
from rules.plans import NEVER_TURNED, planned_pauses
from rules.switches import Switch, Switches, effective
from schemas.control import ANY, ErpFault, LastEndChange, StatusDocument, SwitchState, WorkerState
from storage.erp_faults import read_faults
from storage.errors import translated
from storage.switches import read_switches
from storage.tables import erp_faults, ledger, missed, orders, quarantine, shops
from storage.types import UtcTime
from storage.views.cached_counts import Counts, Recount, nested
from storage.views.health import judged_health
from storage.views.readings import WorkerReading, read_installation

__all__ = ["StatusView"]

_DONE = (OrderState.INTERNALIZED.value, OrderState.CANCELLED.value)


class StatusView:
    """A reader of the status document, in a few milliseconds whatever the size of the tables."""

    def __init__(self, engine: Engine, receipt_timeout: timedelta) -> None:
        self._engine = engine
        self._receipt_timeout = receipt_timeout
        self._counted = {name: self._recount(query) for name, query in _COUNTED.items()}
        self._ahead: Future[dict[str, Counts]] | None = None

    def count_ahead(self) -> None:
        """Begin the counts that read many rows; the next `read` waits for them, and raises what they have raised."""
        thread = ThreadPoolExecutor(1, "count")
        self._ahead = thread.submit(self._count_apart)
        thread.shutdown(wait=False)

    def _count_apart(self) -> dict[str, Counts]:
        with translated(), self._engine.connect() as connection:
            return {name: self._counted[name](connection) for name in _LARGE}

    def read(self) -> StatusDocument:
        """Read the status document, by the database's clock; its counts over 20,000 may be a moment old."""
        with translated(), self._engine.connect() as connection:
            state = read_switches(connection)
            ahead, self._ahead = self._ahead, None
            counts = self._counts(connection, state.now, () if ahead is None else _LARGE)
            readings = read_installation(connection)
            # Read only if there are any: the counts say so.
            faults = read_faults(connection) if counts["faults"] else []
            if ahead is not None:
                counts.update(ahead.result())
            known = counts["shop"].keys() | {shop for shop, _ in state.by_scope if shop != ANY}
            return StatusDocument(
                epoch=state.epoch,
                switches=_switches(state),
                planned=planned_pauses(state),
                effective=effective(state, known or {"main"}),
                workers=[_worker(row) for row in readings.workers],
                health=judged_health(readings, state.now),
                orders=_merged(counts["open"], counts["done"]),
                in_flight_orders=sum(count for states in counts["in_flight"].values() for count in states.values()),
                overdue_orders={shop: sum(states.values()) for shop, states in counts["overdue"].items()},
                erp_faults={fault.shop: _fault(fault) for fault in faults},
                missed=counts["missed"],
                quarantined={domain: sum(inner.values()) for domain, inner in counts["quarantined"].items()},
                last_minute={
                    domain: dict(sorted(outcomes.items())) for domain, outcomes in sorted(counts["minute"].items())
                },
            )

    def _counts(self, connection: Connection, now: datetime, apart: Collection[str]) -> defaultdict[str, Counts]:
        """Read the counts but those that are read apart: in one round trip those that have an index or few rows."""
        few = tuple(name for name, recount in self._counted.items() if recount.is_small and name not in apart)
        # The ledger counts whole minutes: this one and the one before cover the last sixty seconds.
        since = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
        counts: defaultdict[str, Counts] = defaultdict(dict)
        began = time.monotonic()
        rows = connection.execute(_together(few), {"since": since, "overdue": now - self._receipt_timeout}).all()
        for kind, outer, inner, count in sorted(rows, key=itemgetter(0, 1, 2)):
            counts[kind].setdefault(outer, {})[inner] = int(count)
        for name in few:
            self._counted[name].record(counts[name], began)
        for name in self._counted.keys() - {*few, *apart}:
            counts[name] = self._counted[name](connection)
        return counts

    def _recount(self, query: Select[Any]) -> Recount:
        ordered = query.order_by(*query.selected_columns[:2])
        return Recount(lambda connection: nested(connection.execute(ordered).all()), self._engine.connect)


def _worker(row: WorkerReading) -> WorkerState:
    return WorkerState(**{name: getattr(row, name) for name in WorkerState.model_fields})


def _switches(state: Switches) -> list[SwitchState]:
    return [
        SwitchState(
            shop=switch.shop,
            domain=switch.domain,
            off=switch.off and not switch.expired(state.now),
            reason=switch.reason,
            by=switch.by,
            since=switch.since,
            until=switch.until,
            end_change=_end_change(switch),
        )
        for _, switch in sorted(state.by_scope.items())
        if switch.epoch != NEVER_TURNED
    ]


def _end_change(switch: Switch) -> LastEndChange | None:
    if switch.until_by is None or switch.until_at is None or switch.since is None or switch.until_at < switch.since:
        return None
    return LastEndChange(before=switch.until_before, by=switch.until_by, at=switch.until_at)


def _fault(row: Row[Any]) -> ErpFault:
    return ErpFault(**{name: row._mapping[name] for name in ErpFault.model_fields})


def _count_by(outer: Any, inner: Any) -> Select[Any]:
    return select(outer, inner.label("inner"), func.count()).group_by(outer, inner)


def _merged(first: Counts, second: Counts) -> Counts:
    return {shop: {**first.get(shop, {}), **second.get(shop, {})} for shop in sorted(first.keys() | second.keys())}


# Built once: the page reads the status twice a second.
_BY_STATE = _count_by(orders.c.shop, orders.c.state)
_COUNTED = {
    "missed": _count_by(missed.c.shop, missed.c.domain),
    "quarantined": _count_by(quarantine.c.domain, quarantine.c.domain),
    # Counted separately: those that are done grow without limit and may be stale, open ones are few and matter.
    "open": _BY_STATE.where(orders.c.state.in_([state.value for state in OrderState if state.value not in _DONE])),
    "done": _BY_STATE.where(orders.c.state.in_(_DONE)),
}
_LARGE = ("missed", "open", "done")
_NO_NAME = literal("", Text())
_SENT_BEFORE = and_(orders.c.state == OrderState.SENT.value, orders.c.sent_at < bindparam("overdue", type_=UtcTime()))
_SMALL = (
    select(literal("shop", Text()), shops.c.shop, _NO_NAME, literal(1)),
    select(literal("faults", Text()), erp_faults.c.shop, _NO_NAME, literal(1)),
    select(literal("in_flight", Text()), orders.c.shop, _NO_NAME, func.count())
    .where(orders.c.state == OrderState.SENDING.value)
    .group_by(orders.c.shop),
    select(literal("overdue", Text()), orders.c.shop, _NO_NAME, func.count())
    .where(_SENT_BEFORE)
    .group_by(orders.c.shop),
    select(literal("minute", Text()), ledger.c.domain, ledger.c.outcome, func.sum(ledger.c.count))
    .where(ledger.c.minute >= bindparam("since", type_=UtcTime()))
    .group_by(ledger.c.domain, ledger.c.outcome),
)


@cache
def _together(names: tuple[str, ...]) -> Any:
    """Return one statement for the small counts and these of the others."""
    others = (
        _COUNTED[name].with_only_columns(literal(name, Text()), *_COUNTED[name].selected_columns) for name in names
    )
    return union_all(*_SMALL, *others)
