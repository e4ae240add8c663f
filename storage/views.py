"""What people look at: the status document, and lists of missed keys, the quarantine and the audit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Select, func, select

from rules.orders import OrderState
from rules.switches import Switches, effective
from schemas.control import StatusDocument, SwitchState, WorkerState
from schemas.reasons import Reason
from storage.errors import translated
from storage.switchboard import in_flight_orders
from storage.switches import read_switches
from storage.tables import audit, ledger, missed, orders, quarantine, shops, workers

__all__ = ["Views"]


_ORDER_INSIDE = frozenset({"payload", "digest", "receipt_id", "lease_until"})


class Views:
    """Reads; nothing here writes or waits for the fence."""

    def __init__(self, engine: Engine, receipt_timeout: timedelta) -> None:
        self._engine = engine
        self._receipt_timeout = receipt_timeout

    def status(self) -> StatusDocument:
        """The whole state at a glance, by the database's clock."""
        with translated(), self._engine.connect() as connection:
            state = read_switches(connection)
            known = {row.shop for row in connection.execute(select(shops.c.shop))}
            known |= {shop for shop, _ in state.by_scope if shop != "*"}
            return StatusDocument(
                epoch=state.epoch,
                switches=_switches(state),
                effective=effective(state, known or {"main"}),
                workers=_workers(connection),
                orders=_two(connection, orders.c.shop, orders.c.state),
                in_flight_orders=in_flight_orders(connection),
                overdue_orders=_overdue(connection, state.now - self._receipt_timeout),
                missed=_two(connection, missed.c.shop, missed.c.domain),
                quarantined=_one(connection),
                last_minute=_last_minute(connection, state),
            )

    def ping(self) -> None:
        """Raises `Unavailable` unless the database answers."""
        with translated(), self._engine.connect() as connection:
            connection.execute(select(1))

    def missed(self, shop: str | None = None, domain: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The missed keys, oldest first: shop, domain, key (the key fields), version, event_id, discarded_at."""
        query = select(missed).order_by(missed.c.discarded_at, missed.c.domain, missed.c.shop, missed.c.key)
        rows = self._rows(_only(query, missed, shop, domain).limit(limit))
        return [{**row, "key": orjson.loads(row["key"])} for row in rows]

    def quarantined(self, shop: str | None = None, domain: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The refused messages, newest first, without their bodies."""
        columns = [column for column in quarantine.columns if column.name not in {"body", "headers", "digest"}]
        query = select(*columns, func.length(quarantine.c.body).label("size")).order_by(quarantine.c.id.desc())
        return [_explained(row) for row in self._rows(_only(query, quarantine, shop, domain).limit(limit))]

    def quarantined_message(self, identity: str) -> dict[str, Any] | None:
        """One refused message, whole; None if there is none of this id."""
        rows = self._rows(select(quarantine).where(quarantine.c.id == identity))
        return _explained(rows[0]) if rows else None

    def orders(self, shop: str | None = None, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Orders, the oldest first, without what they hold."""
        columns = [column for column in orders.columns if column.name not in _ORDER_INSIDE]
        query = select(*columns).order_by(orders.c.placed_at, orders.c.shop, orders.c.order_id)
        if state is not None:
            query = query.where(orders.c.state == state)
        return self._rows((query if shop is None else query.where(orders.c.shop == shop)).limit(limit))

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        """One order, whole; None if there is none of this id."""
        rows = self._rows(select(orders).where(orders.c.shop == shop, orders.c.order_id == order_id))
        return rows[0] if rows else None

    def totals(self) -> dict[str, dict[str, int]]:
        """How many deliveries came to each outcome, by domain, since the ledger began."""
        query = select(ledger.c.domain, ledger.c.outcome, func.sum(ledger.c.count))
        with translated(), self._engine.connect() as connection:
            return _nested(connection.execute(query.group_by(ledger.c.domain, ledger.c.outcome)))

    def audit(self, limit: int = 100) -> list[dict[str, Any]]:
        """What was asked of the switches, newest first."""
        return self._rows(select(audit).order_by(audit.c.id.desc()).limit(limit))

    def _rows(self, query: Select[Any]) -> list[dict[str, Any]]:
        with translated(), self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


def _explained(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "doc": Reason(row["reason"]).doc}


def _only(query: Select[Any], table: Any, shop: str | None, domain: str | None) -> Select[Any]:
    if shop is not None:
        query = query.where(table.c.shop == shop)
    return query if domain is None else query.where(table.c.domain == domain)


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
        )
        for _, switch in sorted(state.by_scope.items())
    ]


def _workers(connection: Connection) -> list[WorkerState]:
    names = WorkerState.model_fields
    rows = connection.execute(select(*(workers.c[name] for name in names)).order_by(workers.c.started_at))
    return [WorkerState(**row._mapping) for row in rows]


def _nested(rows: Iterable[Any]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        outer, inner, count = row[0], row[1], row[2]
        counts.setdefault(outer, {})[inner] = int(count)
    return counts


def _two(connection: Connection, outer: Any, inner: Any) -> dict[str, dict[str, int]]:
    query = select(outer, inner, func.count()).group_by(outer, inner).order_by(outer, inner)
    return _nested(connection.execute(query))


def _overdue(connection: Connection, since: datetime) -> dict[str, int]:
    """Orders that the ERP should have answered by now."""
    query = select(orders.c.shop, func.count()).where(orders.c.state == OrderState.SENT.value, orders.c.sent_at < since)
    return {row[0]: row[1] for row in connection.execute(query.group_by(orders.c.shop).order_by(orders.c.shop))}


def _one(connection: Connection) -> dict[str, int]:
    query = select(quarantine.c.domain, func.count()).group_by(quarantine.c.domain).order_by(quarantine.c.domain)
    return {row[0]: row[1] for row in connection.execute(query)}


def _last_minute(connection: Connection, state: Switches) -> dict[str, dict[str, int]]:
    # The ledger counts whole minutes: this one and the one before cover the last sixty seconds.
    since = state.now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    query = select(ledger.c.domain, ledger.c.outcome, func.sum(ledger.c.count))
    query = query.where(ledger.c.minute >= since).group_by(ledger.c.domain, ledger.c.outcome)
    return _nested(connection.execute(query.order_by(ledger.c.domain, ledger.c.outcome)))
