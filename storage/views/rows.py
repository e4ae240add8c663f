"""Row types of the lists; every time has the zone UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

# pydantic reads TypedDict from here until Python 3.12.
from typing_extensions import TypedDict

__all__ = [
    "AuditRow",
    "MissedRow",
    "OrderEventRow",
    "OrderRow",
    "QuarantineRow",
    "WholeOrder",
    "WorkerRow",
    "plain_row",
]


def plain_row(row: Row[Any]) -> dict[str, Any]:
    """Convert a row of a result to a dict by column names."""
    # The names are of a SQLAlchemy subclass of str, which orjson does not accept as keys.
    return {str(name): value for name, value in row._mapping.items()}


class MissedRow(TypedDict):
    """A key whose newest known change was discarded; `key` holds the key fields.

    The ERP was asked for it `asked_count` times (null: never), the last time at `asked_at` by `asked_by`.
    """

    domain: str
    shop: str
    key: dict[str, Any]
    version: int
    event_id: str
    discarded_at: datetime
    asked_at: datetime | None
    asked_count: int | None
    asked_by: str | None


class QuarantineRow(TypedDict):
    """A refused message without its body; `size` is the body's, in bytes, `doc` explains the reason.

    `key` is an order's id or a change event's key as JSON text, `subject` the event's; null where unreadable.
    """

    id: str
    at: datetime
    shop: str
    domain: str
    reason: str
    pointer: str
    sentence: str
    routing_key: str
    content_type: str
    worker: str
    key: str | None
    subject: str | None
    size: int
    doc: str


class OrderRow(TypedDict):
    """An order without its payload; it has its state since `state_since`, attempts in between left out."""

    shop: str
    order_id: str
    display_number: str | None
    state: str
    state_since: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    erp_number: str | None
    last_error: str | None
    placed_at: datetime
    received_at: datetime
    sent_at: datetime | None
    internalized_at: datetime | None
    cancellation: str | None
    cancelled_at: datetime | None


class OrderEventRow(TypedDict):
    """Later news of an order from the ERP (`invoiced`, `shipped`); `data` is what the ERP said, whole."""

    event: str
    data: dict[str, Any]
    occurred_at: datetime | None
    received_at: datetime


class WholeOrder(OrderRow):
    """An order, whole; `payload` is the shop's order data, and `lease_until` the end of an attempt in progress.

    `failures` counts the failed attempts while other orders succeeded, and `failing_since` is the time of the first
    failure of all. `accepted_as_is` says who accepted a refused order, why, and what was wrong with it.
    """

    failures: int
    failing_since: datetime | None
    payload: dict[str, Any]
    lease_until: datetime | None
    cancel_reason: str | None
    cancel_error: str | None
    accepted_as_is: dict[str, Any] | None
    events: list[OrderEventRow]


class AuditRow(TypedDict):
    """A command or action with operator, reason and result."""

    id: str
    at: datetime
    action: str
    shop: str | None
    domains: list[str] | None
    by: str
    user_id: str | None
    source: str
    reason: str | None
    message_id: str | None
    issued_at: datetime | None
    until: datetime | None
    result: str
    epoch: int
    error: str | None
    subject: str | None
    count: int | None


class WorkerRow(TypedDict):
    """A worker process, with its last heartbeat and the newest epoch it knew then."""

    id: str
    host: str
    pid: int
    domains: list[str]
    started_at: datetime
    last_seen: datetime
    epoch_seen: int
    lags: dict[str, float] | None
    revision: str | None
