"""Gauges for monitoring: counts and ages from the database, read in one transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from rules.full_load import LoadState
from rules.orders import OrderState
from rules.switches import Scope, Switches
from schemas.control import ANY
from schemas.domains import DOMAIN_NAMES, DOMAINS
from storage.changes import FEED
from storage.erp_faults import read_faults
from storage.errors import translated
from storage.reminders import delivery_counts
from storage.repair_progress import RepairState, read_repair_state
from storage.switches import read_switches
from storage.tables import (
    changes,
    loads,
    missed,
    orders,
    outbox,
    outcome_notices,
    quarantine,
    relays,
    shops,
    workers,
)

__all__ = ["Gauges", "Reading"]

# An order that fails repeatedly alternates between the two.
_UNDELIVERED = (OrderState.WAITING.value, OrderState.SENDING.value)


class Reading(NamedTuple):
    """Counts, and seconds by the database's clock, for every known shop and domain; 0 where no row exists.

    `off` has the seconds since the switch was turned off, None where it is on; `erp_failing` the seconds since the
    first failure without a success after it, with the ERP's last answer; `relay_ages` the age of the oldest change and
    of the oldest refusal that are not published yet.
    """

    off: dict[Scope, float | None]
    missed: dict[Scope, int]
    quarantined: dict[str, int]
    orders: dict[tuple[str, str], int]
    oldest_waiting: dict[str, float]
    oldest_notice: dict[str, float]
    erp_failing: dict[str, tuple[float, str]]
    workers: dict[str, float]
    repair: RepairState
    held_loads: dict[Scope, int]
    relay_ages: dict[str, float]
    reminders: dict[tuple[str, str], int]


class Gauges:
    """A reader of the gauges, which neither writes nor waits for the fence."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ping(self) -> None:
        """Check the connection; raises `Unavailable` unless the database answers."""
        with translated(), self._engine.connect() as connection:
            connection.execute(select(1))

    def read(self) -> Reading:
        """Read all gauges, with one statement a table; raises `Unavailable`."""
        with translated(), self._engine.connect() as connection:
            state = read_switches(connection)
            known = _shops(connection, state)
            return Reading(
                {(shop, domain): _off(state, shop, domain) for shop in known for domain in DOMAIN_NAMES},
                {(shop, domain): 0 for shop in known for domain in DOMAINS}
                | _counts(connection, missed.c.shop, missed.c.domain),
                dict.fromkeys(DOMAIN_NAMES, 0) | _quarantined(connection),
                {(shop, order_state.value): 0 for shop in known for order_state in OrderState}
                | _counts(connection, orders.c.shop, orders.c.state),
                dict.fromkeys(known, 0.0) | _oldest_waiting(connection, state),
                dict.fromkeys(known, 0.0) | _oldest_notice(connection, state),
                dict.fromkeys(known, (0.0, "")) | _erp_failing(connection, state),
                _workers(connection, state),
                read_repair_state(connection, state.now),
                {(shop, domain): 0 for shop in known for domain in DOMAINS} | _held_loads(connection),
                _relay_ages(connection, state),
                delivery_counts(connection),
            )


def _shops(connection: Connection, state: Switches) -> list[str]:
    known = set(connection.scalars(select(shops.c.shop))) | {shop for shop, _ in state.by_scope if shop != ANY}
    return sorted(known or {"main"})


def _off(state: Switches, shop: str, domain: str) -> float | None:
    since = state.off_since(shop, domain)
    return None if since is None else _seconds(state.now - since)


def _counts(connection: Connection, outer: ColumnElement[str], inner: ColumnElement[str]) -> dict[Scope, int]:
    rows = connection.execute(select(outer, inner, func.count()).group_by(outer, inner))
    return {(row[0], row[1]): row[2] for row in rows}


def _quarantined(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(quarantine.c.domain, func.count()).group_by(quarantine.c.domain))
    return {row[0]: row[1] for row in rows}


def _oldest_waiting(connection: Connection, state: Switches) -> dict[str, float]:
    oldest: Any = func.min(orders.c.received_at, type_=orders.c.received_at.type)
    rows = connection.execute(
        select(orders.c.shop, oldest).where(orders.c.state.in_(_UNDELIVERED)).group_by(orders.c.shop)
    )
    return {row[0]: _seconds(state.now - row[1]) for row in rows}


def _oldest_notice(connection: Connection, state: Switches) -> dict[str, float]:
    oldest: Any = func.min(outbox.c.at, type_=outbox.c.at.type)
    rows = connection.execute(select(outbox.c.shop, oldest).group_by(outbox.c.shop))
    return {row[0]: _seconds(state.now - row[1]) for row in rows}


def _erp_failing(connection: Connection, state: Switches) -> dict[str, tuple[float, str]]:
    return {fault.shop: (_seconds(state.now - fault.since), fault.answer) for fault in read_faults(connection)}


def _workers(connection: Connection, state: Switches) -> dict[str, float]:
    rows = connection.execute(select(workers.c.id, workers.c.last_seen))
    return {row.id: _seconds(state.now - row.last_seen) for row in rows}


def _held_loads(connection: Connection) -> dict[Scope, int]:
    held = select(loads.c.shop, loads.c.domain, func.count()).where(
        loads.c.ended_at.is_(None), loads.c.state == LoadState.HELD.value
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(held.group_by(loads.c.shop, loads.c.domain))}


def _relay_ages(connection: Connection, state: Switches) -> dict[str, float]:
    published = func.coalesce(select(relays.c.position).where(relays.c.name == FEED).scalar_subquery(), 0)
    change = select(changes.c.at).where(changes.c.position > published).order_by(changes.c.position).limit(1)
    refusal = select(outcome_notices.c.at).order_by(outcome_notices.c.id).limit(1)
    oldest = {FEED: connection.scalar(change), "outcomes": connection.scalar(refusal)}
    return {kind: 0.0 if at is None else _seconds(state.now - at) for kind, at in oldest.items()}


def _seconds(passed: timedelta) -> float:
    # A heartbeat may be a moment younger than the clock of this reading.
    return max(0.0, passed.total_seconds())
