"""Status document: switches, workers, orders, missed keys, quarantine and the last minute."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Select, Text, and_, bindparam, func, literal, select, union_all

from rules.orders import OrderState
from rules.plans import NEVER_TURNED, planned_pauses
from rules.switches import Switch, Switches, effective
from schemas.control import ANY, ErpFault, LastEndChange, StatusDocument, SwitchState, WorkerState
from storage.erp_faults import read_faults
from storage.errors import translated
from storage.switches import read_switches
from storage.tables import ledger, missed, orders, quarantine, shops, workers
from storage.types import UtcTime
from storage.views.cached_counts import Counts, Recount, nested
from storage.views.health import read_health

__all__ = ["StatusView"]

_DONE = (OrderState.INTERNALIZED.value, OrderState.CANCELLED.value)


class _LargeCounts(NamedTuple):
    """Counts that read a row for each missed key and each order: by shop, then by domain or state."""

    missed: Counts
    orders: Counts


class StatusView:
    """A reader of the status document, in a few milliseconds whatever the size of the tables."""

    def __init__(self, engine: Engine, receipt_timeout: timedelta) -> None:
        self._engine = engine
        self._receipt_timeout = receipt_timeout
        self._missed = self._recount(_count_by(missed.c.shop, missed.c.domain))
        by_state = _count_by(orders.c.shop, orders.c.state)
        # Counted separately: those that are done grow without limit and may be stale, open ones are few and matter.
        self._done = self._recount(by_state.where(orders.c.state.in_(_DONE)))
        open_states = [state.value for state in OrderState if state.value not in _DONE]
        self._open = self._recount(by_state.where(orders.c.state.in_(open_states)))
        self._quarantined = self._recount(_count_by(quarantine.c.domain, quarantine.c.domain))
        self._ahead: Future[_LargeCounts] | None = None

    def count_ahead(self) -> None:
        """Begin the counts that read many rows; the next `read` waits for them, and raises what they have raised."""
        thread = ThreadPoolExecutor(1, "count")
        self._ahead = thread.submit(self._count_apart)
        thread.shutdown(wait=False)

    def _count_apart(self) -> _LargeCounts:
        with translated(), self._engine.connect() as connection:
            return self._count(connection)

    def _count(self, connection: Connection) -> _LargeCounts:
        return _LargeCounts(
            missed=self._missed(connection), orders=_merged(self._open(connection), self._done(connection))
        )

    def _large_counts(self, connection: Connection) -> _LargeCounts:
        ahead, self._ahead = self._ahead, None
        return self._count(connection) if ahead is None else ahead.result()

    def read(self) -> StatusDocument:
        """Read the status document, by the database's clock; its counts over 20,000 may be a moment old."""
        with translated(), self._engine.connect() as connection:
            state = read_switches(connection)
            small = _small_counts(connection, state.now, state.now - self._receipt_timeout)
            known = small["shop"].keys() | {shop for shop, _ in state.by_scope if shop != ANY}
            quarantined = self._quarantined(connection)
            health, faults = read_health(connection, state.now), read_faults(connection)
            large = self._large_counts(connection)
            return StatusDocument(
                epoch=state.epoch,
                switches=_switches(state),
                planned=planned_pauses(state),
                effective=effective(state, known or {"main"}),
                workers=[WorkerState(**row._mapping) for row in connection.execute(_WORKERS)],
                health=health,
                orders=large.orders,
                in_flight_orders=sum(count for states in small["in_flight"].values() for count in states.values()),
                overdue_orders={shop: sum(counts.values()) for shop, counts in small["overdue"].items()},
                erp_faults={fault.shop: _fault(fault) for fault in faults},
                missed=large.missed,
                quarantined={domain: count for inner in quarantined.values() for domain, count in inner.items()},
                last_minute={
                    domain: dict(sorted(counts.items())) for domain, counts in sorted(small["minute"].items())
                },
            )

    def _recount(self, query: Select[Any]) -> Recount:
        return Recount(lambda connection: nested(connection.execute(query)), self._engine.connect)


def _small_counts(connection: Connection, now: datetime, overdue: datetime) -> defaultdict[str, Counts]:
    """Read the counts that have an index, in one round trip: shops, orders in flight and overdue, the last minute."""
    # The ledger counts whole minutes: this one and the one before cover the last sixty seconds.
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    counts: defaultdict[str, Counts] = defaultdict(dict)
    rows = connection.execute(_SMALL, {"since": since, "overdue": overdue})
    for kind, outer, inner, count in sorted(rows, key=itemgetter(0, 1, 2)):
        counts[kind].setdefault(outer, {})[inner] = int(count)
    return counts


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
    return select(outer, inner.label("inner"), func.count()).group_by(outer, inner).order_by(outer, inner)


def _merged(first: Counts, second: Counts) -> Counts:
    return {shop: {**first.get(shop, {}), **second.get(shop, {})} for shop in sorted(first.keys() | second.keys())}


# Built once: the page reads the status twice a second.
_WORKERS = select(*(workers.c[name] for name in WorkerState.model_fields)).order_by(workers.c.started_at)
_NO_NAME = literal("", Text())
_SENT_BEFORE = and_(orders.c.state == OrderState.SENT.value, orders.c.sent_at < bindparam("overdue", type_=UtcTime()))
_SMALL = union_all(
    select(literal("shop", Text()), shops.c.shop, _NO_NAME, literal(1)),
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
