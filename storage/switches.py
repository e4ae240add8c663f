"""Switch rows: read and written by a caller that holds the fence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, func, or_, select, true

from rules.orders import OrderState
from rules.switches import Plan, Switch, Switches
from schemas.control import Command
from schemas.domains import DOMAINS
from storage.dialect import insert_into
from storage.missed_index import NARROW
from storage.tables import audit, change_feed, generations, missed, orders, shops, switches, watchers
from storage.types import UtcTime

__all__ = [
    "FEEDS",
    "BatchState",
    "ChangeState",
    "EndsExpired",
    "missed_domains",
    "read_for_batch",
    "read_for_change",
    "read_switches",
    "write_switches",
]

FEEDS = "feeds"
_PLAN = {switches.c[f"plan_{name}"] for name in ("from", "until", "reason", "by", "weekly")}


class EndsExpired(Protocol):
    """The part of the switchboard that a batch needs; the switchboard itself is in the room above."""

    def end_expired(self) -> None:
        """End the pauses whose end has passed, and begin those whose beginning has."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state for a batch: its switches, and whether any key is missed and a watcher exists.

    The switches are those that are off, and those with a planned pause that is due.
    `changed_at` is the time of the last change of any switch. `feeds` is the generation of the feeds: what a worker
    remembers of them holds while this number stays. `recording` tells whether the changes go into the change feed,
    `narrow` which index leads to a missed key.
    """

    switches: Switches
    changed_at: datetime
    missed: bool
    watched: bool
    feeds: int
    recording: bool
    narrow: bool


@dataclass(frozen=True, slots=True)
class ChangeState:
    """The state for a change: every switch, the number of orders in flight, and whether its message was obeyed.

    `shop_seen` says whether an event, an order or an operator has named the shop of the message.
    """

    switches: Switches
    in_flight: int
    obeyed: bool
    shop_seen: bool


def read_switches(connection: Connection) -> Switches:
    """Read every switch, whether on or off."""
    rows = connection.execute(_query(connection.dialect.name, only_off=False), _clock(connection)).all()
    return _switches(rows)


def read_for_batch(connection: Connection) -> BatchState:
    """Read the switches that are off or due, and everything else that a batch needs to know, in one statement."""
    rows = connection.execute(_batch_query(connection.dialect.name), _clock(connection)).all()
    first = rows[0]._mapping
    return BatchState(
        _switches(rows),
        first["last_change"] or first["now"],
        bool(first["missed"]),
        bool(first["watched"]),
        first["feeds"] or 0,
        bool(first["recording"]),
        bool(first["narrow"]),
    )


def missed_domains(connection: Connection, domains: Iterable[str]) -> frozenset[str]:
    """Return those of some domains that have missed keys."""
    row = connection.execute(_MISSED_DOMAINS).one()._mapping
    return frozenset(domain for domain in domains if row[domain])


def read_for_change(connection: Connection, command: Command | None = None) -> ChangeState:
    """Read every switch, the number of orders in flight to the ERP, and what is known of this message and its shop.

    In one statement: an operator waits for every round trip. A message is a repeat if one of its id has asked for the
    same of the same scope: an id that stands for a whole maintenance is given to its pause and to its resume.
    """
    said: dict[str, Any] = dict.fromkeys(("message_id", "asked", "of_shop", "of_domains"))
    if command is not None:
        shop, domains = command.message.shop, list(command.message.domains)
        said = {"message_id": command.message_id, "asked": command.action, "of_shop": shop, "of_domains": domains}
    params = {**_clock(connection), **said}
    rows = connection.execute(_change_query(connection.dialect.name), params).all()
    first = rows[0]
    return ChangeState(_switches(rows), first.in_flight, bool(first.obeyed), bool(first.shop_seen))


def write_switches(connection: Connection, changes: Iterable[Switch]) -> None:
    """Insert or update the changed switches."""
    names = [column.name for column in switches.columns]
    insert = insert_into(connection.dialect.name, switches)
    statement = insert.on_conflict_do_update(
        index_elements=["shop", "domain"], set_={name: insert.excluded[name] for name in names}
    )
    for switch in changes:
        connection.execute(statement, _row(switch))


def _row(switch: Switch) -> dict[str, Any]:
    plan = switch.plan
    return {
        **{column.name: getattr(switch, column.name) for column in switches.columns if column not in _PLAN},
        "plan_from": plan and plan.begins,
        "plan_until": plan and plan.until,
        "plan_reason": plan and plan.reason,
        "plan_by": plan and plan.by,
        "plan_weekly": plan and plan.weekly,
    }


def _clock(connection: Connection) -> dict[str, Any]:
    return {} if connection.dialect.name == "postgresql" else {"now": datetime.now(UTC)}


@cache
def _batch_query(dialect: str) -> Select[Any]:
    return _query(dialect, only_off=True).add_columns(
        _any_missed().label("missed"),
        exists(1).where(watchers.c.until > _now(dialect)).label("watched"),
        select(generations.c.number).where(generations.c.name == FEEDS).scalar_subquery().label("feeds"),
        select(change_feed.c.recording).scalar_subquery().label("recording"),
        exists(1).where(generations.c.name == NARROW).label("narrow"),
        select(func.max(switches.c.changed_at, type_=UtcTime)).scalar_subquery().label("last_change"),
    )


def _any_missed(*condition: ColumnElement[bool]) -> ColumnElement[bool]:
    # In an order, so that the index leads there, which EXISTS would leave out: else the whole table is read for a
    # domain that has none, while another has many.
    first = select(true()).select_from(missed).where(*condition).order_by(missed.c.domain, missed.c.shop).limit(1)
    return first.scalar_subquery()


_MISSED_DOMAINS = select(*(_any_missed(missed.c.domain == domain).label(domain) for domain in DOMAINS))


@cache
def _change_query(dialect: str) -> Select[Any]:
    in_flight = select(func.count()).where(orders.c.state == OrderState.SENDING.value).scalar_subquery()
    before = exists(1).where(
        audit.c.message_id == bindparam("message_id", type_=audit.c.message_id.type),
        audit.c.action == bindparam("asked", type_=audit.c.action.type),
        audit.c.shop == bindparam("of_shop", type_=audit.c.shop.type),
        audit.c.domains == bindparam("of_domains", type_=audit.c.domains.type),
        audit.c.result != "refused",
    )
    seen = exists(1).where(shops.c.shop == bindparam("of_shop", type_=shops.c.shop.type))
    columns = in_flight.label("in_flight"), before.label("obeyed"), seen.label("shop_seen")
    return _query(dialect, only_off=False).add_columns(*columns)


def _now(dialect: str) -> ColumnElement[Any]:
    # PostgreSQL's now() is the start of the transaction, before it waited for the fence.
    return func.clock_timestamp(type_=UtcTime) if dialect == "postgresql" else bindparam("now", type_=UtcTime)


@cache
def _query(dialect: str, *, only_off: bool) -> Select[Any]:
    newest = select(func.max(switches.c.epoch)).scalar_subquery()
    overall = select(_now(dialect).label("now"), newest.label("newest")).subquery()
    condition = or_(switches.c.off, switches.c.plan_from <= overall.c.now) if only_off else true()
    return select(overall.c.now, overall.c.newest, switches).select_from(overall.outerjoin(switches, condition))


def _plan(row: Any) -> Plan | None:
    if row.plan_from is None:
        return None
    return Plan(row.plan_from, row.plan_until, row.plan_reason, row.plan_by, bool(row.plan_weekly))


def _switches(rows: Iterable[Any]) -> Switches:
    rows = list(rows)
    known = [
        Switch(
            shop=row.shop,
            domain=row.domain,
            off=row.off,
            reason=row.reason,
            by=row.by,
            since=row.since,
            until=row.until,
            epoch=row.epoch,
            changed_at=row.changed_at,
            until_before=row.until_before,
            until_by=row.until_by,
            until_at=row.until_at,
            plan=_plan(row),
        )
        for row in rows
        if row.shop is not None
    ]
    return Switches(rows[0].newest or 0, rows[0].now, {switch.scope: switch for switch in known})
