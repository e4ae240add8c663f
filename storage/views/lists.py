"""Lists of missed keys, quarantined messages, orders, audit entries and workers, each with its filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import orjson
from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select, tuple_

from rules.orders import OrderState
from schemas.reasons import REASONS_PAGE
from storage.missed_index import is_narrow, key_place, place_of
from storage.tables import audit, missed, orders, quarantine, workers
from storage.types import UtcTime
from storage.views.pagination import Listing, Moment
from storage.views.rows import AuditRow, MissedRow, OrderRow, QuarantineRow, WorkerRow

__all__ = [
    "ORDER_COLUMNS",
    "QUARANTINE_COLUMNS",
    "AuditFilter",
    "MissedFilter",
    "OrderFilter",
    "QuarantineFilter",
    "WorkerFilter",
    "with_doc",
    "with_key",
]

_DETAIL_COLUMNS = frozenset({"body", "headers", "digest", "lease_until", "search_text"})
QUARANTINE_COLUMNS: tuple[ColumnElement[Any], ...] = (
    *(column for column in quarantine.columns if column.name not in _DETAIL_COLUMNS),
    func.length(quarantine.c.body).label("size"),
)
DISPLAY_NUMBER = orders.c.payload["display_number"].as_string().label("display_number")
# Of orders of before the column, the time of theirs that says it; null for those that were set apart then.
STATE_SINCE = func.coalesce(
    orders.c.state_since,
    case(
        (orders.c.state.in_((OrderState.WAITING.value, OrderState.SENDING.value)), orders.c.received_at),
        (orders.c.state == OrderState.SENT.value, orders.c.sent_at),
        (orders.c.state == OrderState.INTERNALIZED.value, orders.c.internalized_at),
    ),
    type_=UtcTime(),
).label("state_since")
_ORDER_DETAIL_COLUMNS = frozenset(
    {
        "state_since",
        *("payload", "digest", "receipt_id", "lease_until", "failures", "failing_since", "accepted_as_is"),
        *("cancel_reason", "cancel_attempts", "cancel_due_at", "cancel_error"),
    }
)
ORDER_COLUMNS: tuple[ColumnElement[Any], ...] = (
    *(column for column in orders.columns if column.name not in _ORDER_DETAIL_COLUMNS),
    DISPLAY_NUMBER,
    STATE_SINCE,
)


@dataclass(frozen=True, slots=True)
class MissedFilter(Listing[MissedRow]):
    """Missed keys, oldest first; `text` is searched in the key, `keys` are exact keys (JSON text).

    With `asked_before`, only keys that the ERP was not asked for since then, or that were discarded again afterwards.
    `shops` bounds the list besides.
    """

    shop: str | None = None
    domain: str | None = None
    text: str | None = None
    keys: tuple[str, ...] | None = None
    asked_before: datetime | None = None
    shops: tuple[str, ...] | None = None

    def where(self) -> list[ColumnElement[bool]]:
        """Return the conditions of the filter."""
        conditions = [
            *_same(missed.c.shop, self.shop),
            *_among(missed.c.shop, self.shops),
            *_same(missed.c.domain, self.domain),
        ]
        if self.text is not None:
            # The key is JSON: the text has to be searched in its JSON form.
            conditions.append(missed.c.key.icontains(orjson.dumps(self.text).decode()[1:-1], autoescape=True))
        if self.keys is not None:
            conditions.append(missed.c.key.in_(self.keys))
            if (domain := self.domain) is not None:
                # The same once more, for the one of the two indexes that leads to a key.
                places = [place_of(domain, key, narrow=True) for key in self.keys]
                conditions.append(key_place(narrow=True).in_(places))
        if self.asked_before is not None:
            asked = missed.c.asked_at
            conditions.append(or_(asked.is_(None), asked <= self.asked_before, asked <= missed.c.discarded_at))
        return conditions

    def rows(self, _at: Moment, /) -> Select[Any]:
        """Select the missed keys that pass."""
        return select(missed).where(*self.where())

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by the time of the discard."""
        return missed.c.discarded_at, missed.c.domain, missed.c.shop, missed.c.key

    def cheap_order(self, connection: Connection, /) -> tuple[ColumnElement[Any], ...]:
        """Order by the primary key if there is one: the displayed order sorts the keys of each batch."""
        return self.order if is_narrow(connection) else (missed.c.domain, missed.c.shop, missed.c.key)

    def list_row(self, row: dict[str, Any]) -> MissedRow:
        """Parse the key's fields."""
        return cast(MissedRow, with_key(row))


@dataclass(frozen=True, slots=True)
class QuarantineFilter(Listing[QuarantineRow]):
    """Refused messages, newest first; `ids` are exact ids, `since` is included, `until` is not.

    `key` is an order's id, or the key of a change event as JSON text. `shops` and `domains` bound the list besides.
    """

    shop: str | None = None
    domain: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] | None = None
    key: str | None = None
    shops: tuple[str, ...] | None = None
    domains: tuple[str, ...] | None = None

    def __str__(self) -> str:
        values = {"ids": self.ids and f"{len(self.ids)} given"} | {
            name: getattr(self, name) for name in ("shop", "domain", "reason", "since", "until", "key")
        }
        return " ".join(f"{name}={value}" for name, value in values.items() if value is not None) or "all"

    def where(self) -> list[ColumnElement[bool]]:
        """Return the conditions of the filter."""
        conditions = [
            *_same(quarantine.c.shop, self.shop),
            *_among(quarantine.c.shop, self.shops),
            *_same(quarantine.c.domain, self.domain),
            *_among(quarantine.c.domain, self.domains),
            *_same(quarantine.c.reason, self.reason),
            *_same(quarantine.c.key, self.key),
            *_within(quarantine.c.at, self.since, self.until),
        ]
        return [*conditions, *_among(quarantine.c.id, self.ids)]

    def rows(self, _at: Moment, /) -> Select[Any]:
        """Select the messages that pass."""
        return select(*QUARANTINE_COLUMNS).where(*self.where())

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by id, which grows with time."""
        return (quarantine.c.id.desc(),)

    def list_row(self, row: dict[str, Any]) -> QuarantineRow:
        """Add the address of the reason's documentation."""
        return cast(QuarantineRow, with_doc(row))


@dataclass(frozen=True, slots=True)
class OrderFilter(Listing[OrderRow]):
    """Orders, oldest first; `text` is searched in the id, display number and ERP number.

    `older_than` counts from the receipt of the order; `overdue` selects orders whose ERP receipt is late,
    `attention` those and the rejected and stuck ones; `keys` are exact orders by shop and id.
    """

    shop: str | None = None
    state: str | None = None
    older_than: timedelta | None = None
    text: str | None = None
    overdue: bool = False
    attention: bool = False
    keys: tuple[tuple[str, str], ...] | None = None

    def __str__(self) -> str:
        names = ("state", "shop", "older_than", "text")
        values = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) is not None]
        values += [] if self.keys is None else [f"{len(self.keys)} given"]
        return " ".join(values + ["overdue"] * self.overdue + ["attention"] * self.attention) or "all"

    def where(self, at: Moment) -> list[ColumnElement[bool]]:
        """Return the conditions of the filter at a moment."""
        conditions = [*_same(orders.c.shop, self.shop), *_same(orders.c.state, self.state)]
        if self.older_than is not None:
            conditions.append(orders.c.received_at < at.now - self.older_than)
        if self.overdue:
            conditions += [orders.c.state == OrderState.SENT.value, orders.c.sent_at < at.now - at.receipt_timeout]
        if self.attention:
            failed = orders.c.state.in_((OrderState.REJECTED.value, OrderState.STUCK.value))
            late = (orders.c.state == OrderState.SENT.value) & (orders.c.sent_at < at.now - at.receipt_timeout)
            conditions.append(or_(failed, late))
        if self.keys is not None:
            conditions.append(tuple_(orders.c.shop, orders.c.order_id).in_(self.keys))
        if self.text is not None:
            columns = (orders.c.order_id, orders.c.erp_number, DISPLAY_NUMBER.element)
            conditions.append(or_(*(column.icontains(self.text, autoescape=True) for column in columns)))
        return conditions

    def rows(self, at: Moment, /) -> Select[Any]:
        """Select the orders that pass."""
        return select(*ORDER_COLUMNS).where(*self.where(at))

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by the time of placing."""
        return orders.c.placed_at, orders.c.shop, orders.c.order_id


@dataclass(frozen=True, slots=True)
class AuditFilter(Listing[AuditRow]):
    """Commands and actions, newest first."""

    by: str | None = None
    action: str | None = None
    shop: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def rows(self, _at: Moment, /) -> Select[Any]:
        """Select the entries that pass."""
        return select(audit).where(
            *_same(audit.c.by, self.by),
            *_same(audit.c.action, self.action),
            *_same(audit.c.shop, self.shop),
            *_within(audit.c.at, self.since, self.until),
        )

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by id, which grows with time."""
        return (audit.c.id.desc(),)


@dataclass(frozen=True, slots=True)
class WorkerFilter(Listing[WorkerRow]):
    """The workers with a heartbeat within a day, the longest running first."""

    def rows(self, _at: Moment, /) -> Select[Any]:
        """Select all workers."""
        return select(workers)

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by the time of the start."""
        return workers.c.started_at, workers.c.id


def with_doc(row: dict[str, Any]) -> dict[str, Any]:
    """Add the address of the reason's documentation to a refused message."""
    return {**row, "doc": f"{REASONS_PAGE}#{row['reason']}"}


def with_key(row: dict[str, Any]) -> dict[str, Any]:
    """Parse the key's fields of a missed key."""
    return {**row, "key": orjson.loads(row["key"])}


def _same(column: ColumnElement[Any], value: str | None) -> Sequence[ColumnElement[bool]]:
    return () if value is None else (column == value,)


def _among(column: ColumnElement[Any], values: tuple[str, ...] | None) -> Sequence[ColumnElement[bool]]:
    return () if values is None else (column.in_(values),)


def _within(
    column: ColumnElement[Any], since: datetime | None, until: datetime | None
) -> Sequence[ColumnElement[bool]]:
    conditions = [] if since is None else [column >= since]
    return conditions if until is None else [*conditions, column < until]
