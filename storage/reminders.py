"""Reminders in the database: occurrences that are there now, those that were told of, and deliveries."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, delete, func, select, tuple_, update
from uuid_utils import uuid7

from rules.full_load import LoadState
from rules.orders import OrderState
from rules.reminder_texts import LANGUAGES, reminder_text
from rules.reminders import (
    MOST_ATTEMPTS,
    REMIND_AFTER,
    Due,
    Noted,
    Occurrence,
    ReminderKind,
    due,
    overdue_pauses,
    retry_after,
)
from schemas.domains import ORDERS
from storage.dialect import database_now, insert_into
from storage.fence import Fence
from storage.pause_tables import pause_ends, pause_lines
from storage.relay_leases import RelayLease
from storage.reminder_tables import reminder_deliveries, reminders
from storage.switches import read_switches
from storage.tables import audit, loads, orders, quarantine

__all__ = ["CHANNELS", "Delivery", "ReminderStore", "delivery_counts", "last_failure"]

CHANNELS = ("webhook", "mail")
STATES = ("waiting", "sent", "failed")
# Longer than the slowest attempt to deliver.
_LEASE = timedelta(seconds=60)
_KEEP = timedelta(days=7)
# An older end of a pause is no news any more.
_OLDEST_END = timedelta(hours=24)
_BEGUN = "begun"
_MOST_ITEMS = 100
_PATHS = {
    ReminderKind.OVERDUE: "/switch/on",
    ReminderKind.ENDED: "/missed",
    ReminderKind.REJECTED: "/orders?state=rejected",
    ReminderKind.STUCK: "/orders?state=stuck",
    ReminderKind.QUARANTINED: "/quarantine",
    ReminderKind.HELD: "/loads",
}


class Delivery(NamedTuple):
    """A reminder on its way: the attempts that were begun, this one included."""

    id: str
    channel: str
    kind: str
    document: str
    at: datetime
    attempts: int


class ReminderStore:
    """The reminders as one process at a time writes them; `url` is the page's address."""

    def __init__(
        self,
        fence: Fence,
        holder: str,
        channels: Collection[str],
        after: timedelta = REMIND_AFTER,
        url: str | None = None,
    ) -> None:
        self._fence = fence
        self._lease = RelayLease("reminders", holder, _LEASE)
        self._channels = sorted(channels)
        self._after = after
        self._url = url

    def claim(self) -> bool:
        """Take or renew the lease; return False while another process has it."""
        return self._lease.claim(self._fence)

    def release(self) -> None:
        """End the lease, if this process has it."""
        self._lease.release(self._fence)

    def note(self) -> int:
        """Write a reminder of each kind of which there is news; return their number. The caller holds the lease."""
        with self._fence.snapshot() as connection:
            now = database_now(connection)
            found = dict(self._occurrences(connection, now))
            noted = _noted(connection)
        decisions = {kind: due(kind, found[kind], noted.get(kind, {}), now) for kind in ReminderKind}
        told = [kind for kind, decision in decisions.items() if decision.tell]
        if _BEGUN in noted and not any(any(decision) for decision in decisions.values()):
            return 0
        with self._fence.shared() as connection:
            if self._lease.take(connection, now) is None:
                return 0
            _write(connection, _BEGUN, {"": Noted(0, now)} if _BEGUN not in noted else {})
            for kind, decision in decisions.items():
                self._record(connection, kind, decision, now)
            old = reminder_deliveries.c.at < now - _KEEP
            connection.execute(delete(reminder_deliveries).where(old))
        return len(told)

    def begin_next(self) -> Delivery | None:
        """Begin the next attempt that is due; None if none is. Until it is settled the next one waits its time."""
        table = reminder_deliveries
        with self._fence.shared() as connection:
            now = database_now(connection)
            waits = (table.c.sent_at.is_(None), table.c.failed_at.is_(None), table.c.channel.in_(self._channels))
            query = select(table).where(*waits, table.c.due_at <= now).order_by(table.c.due_at, table.c.id).limit(1)
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            attempts = row.attempts + 1
            values = {"attempts": attempts, "due_at": now + retry_after(attempts)}
            connection.execute(update(table).where(table.c.id == row.id).values(**values))
        return Delivery(row.id, row.channel, row.kind, row.document, row.at, attempts)

    def settle(self, delivery: Delivery, error: str | None) -> bool:
        """Record what came of an attempt; return whether it was given up."""
        given_up = error is not None and delivery.attempts >= MOST_ATTEMPTS
        with self._fence.shared() as connection:
            now = database_now(connection)
            values: dict[str, Any] = {"sent_at": now, "error": None} if error is None else {"error": error}
            values |= {"failed_at": now} if given_up else {}
            connection.execute(
                update(reminder_deliveries).where(reminder_deliveries.c.id == delivery.id).values(**values)
            )
        return given_up

    def _record(self, connection: Connection, kind: ReminderKind, decision: Due, now: datetime) -> None:
        _write(connection, kind, decision.note)
        if decision.forget:
            gone = tuple_(reminders.c.kind, reminders.c.key).in_([(kind.value, key) for key in decision.forget])
            connection.execute(delete(reminders).where(gone))
        if decision.tell:
            for channel in self._channels:
                id_ = str(uuid7())
                document = self._document(id_, kind, decision.tell, now)
                row = {"id": id_, "channel": channel, "kind": kind.value, "document": document}
                connection.execute(reminder_deliveries.insert(), {**row, "at": now, "attempts": 0, "due_at": now})

    def _document(self, id_: str, kind: ReminderKind, told: list[Occurrence], now: datetime) -> str:
        url = None if self._url is None else self._url + _PATHS[kind]
        texts = {language: reminder_text(kind, told, language, url) for language in LANGUAGES}
        data = {
            "kind": kind.value,
            "items": [
                {"shop": each.shop, "domain": each.domain or None, "number": each.number, **each.facts}
                for each in told[:_MOST_ITEMS]
            ],
            "left_out": max(0, len(told) - _MOST_ITEMS),
            "url": url,
            "subject": {language: text.subject for language, text in texts.items()},
            "text": {language: text.body for language, text in texts.items()},
        }
        document = {"type": "comporta.reminder.v1", "id": id_, "timestamp": now, "data": data}
        return orjson.dumps(document, option=orjson.OPT_UTC_Z).decode()

    def _occurrences(self, connection: Connection, now: datetime) -> Iterator[tuple[ReminderKind, list[Occurrence]]]:
        yield ReminderKind.OVERDUE, overdue_pauses(read_switches(connection), self._after)
        yield ReminderKind.ENDED, _ended(connection, now)
        for kind, state in ((ReminderKind.REJECTED, OrderState.REJECTED), (ReminderKind.STUCK, OrderState.STUCK)):
            query = select(orders.c.shop, func.count()).where(orders.c.state == state.value).group_by(orders.c.shop)
            rows = connection.execute(query.order_by(orders.c.shop))
            yield kind, [Occurrence(shop, shop, ORDERS, number) for shop, number in rows]
        query = select(quarantine.c.shop, func.count()).group_by(quarantine.c.shop).order_by(quarantine.c.shop)
        rows = connection.execute(query)
        yield ReminderKind.QUARANTINED, [Occurrence(shop, shop, "", number) for shop, number in rows]
        yield ReminderKind.HELD, _held(connection)


def _ended(connection: Connection, now: datetime) -> list[Occurrence]:
    """Return the scopes whose pause has ended, since reminders are sent at all and of the last day."""
    begun: datetime | None = connection.scalar(select(reminders.c.at).where(reminders.c.kind == _BEGUN))
    if begun is None:
        return []
    keys = select(func.sum(pause_lines.c["keys"])).where(
        pause_lines.c.epoch == pause_ends.c.epoch,
        pause_lines.c.scope_shop == pause_ends.c.shop,
        pause_lines.c.scope_domain == pause_ends.c.domain,
    )
    query = (
        select(pause_ends, audit.c.by, audit.c.reason, audit.c.action, keys.scalar_subquery().label("missed"))
        .outerjoin(audit, (audit.c.epoch == pause_ends.c.epoch) & (audit.c.result == "on"))
        .where(pause_ends.c.ended_at > max(begun, now - _OLDEST_END))
        .order_by(pause_ends.c.epoch, pause_ends.c.shop, pause_ends.c.domain, audit.c.id)
    )
    found: dict[str, Occurrence] = {}
    for row in connection.execute(query):
        facts = {"since": row.since, "ended_at": row.ended_at, "by": row.by, "reason": row.reason}
        facts |= {"missed": int(row.missed or 0), "orders_held": row.orders_held, "as_planned": row.action == "expire"}
        key = f"{row.epoch} {row.shop}/{row.domain}"
        found.setdefault(key, Occurrence(key, row.shop, row.domain, facts=facts))
    return list(found.values())


def _held(connection: Connection) -> list[Occurrence]:
    query = select(loads.c.number, loads.c.shop, loads.c.domain, loads.c.load_id, loads.c.started_at)
    query = query.where(loads.c.ended_at.is_(None), loads.c.state == LoadState.HELD.value).order_by(loads.c.number)
    return [
        Occurrence(str(row.number), row.shop, row.domain, facts={"load_id": row.load_id, "started_at": row.started_at})
        for row in connection.execute(query)
    ]


def _noted(connection: Connection) -> dict[str, dict[str, Noted]]:
    noted: dict[str, dict[str, Noted]] = {}
    for row in connection.execute(select(reminders)):
        noted.setdefault(row.kind, {})[row.key] = Noted(row.number, row.at)
    return noted


def _write(connection: Connection, kind: str, notes: dict[str, Noted]) -> None:
    if notes:
        insert = insert_into(connection.dialect.name, reminders)
        values = {name: insert.excluded[name] for name in ("number", "at")}
        statement = insert.on_conflict_do_update(index_elements=["kind", "key"], set_=values)
        rows = [{"kind": str(kind), "key": key, "number": each.number, "at": each.at} for key, each in notes.items()]
        connection.execute(statement, rows)


def delivery_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Count the deliveries of the last week by channel and state."""
    table = reminder_deliveries
    query = select(table.c.channel, table.c.sent_at.is_(None), table.c.failed_at.is_(None), func.count())
    counts = dict.fromkeys(((channel, state) for channel in CHANNELS for state in STATES), 0)
    for channel, unsent, unfailed, count in connection.execute(query.group_by(*query.selected_columns[:3])):
        counts[channel, ("waiting" if unfailed else "failed") if unsent else "sent"] += count
    return counts


def last_failure(fence: Fence) -> tuple[str, str] | None:
    """Return channel and failure of the newest delivery that has failed and is not delivered; None if there is none."""
    table = reminder_deliveries
    query = select(table.c.channel, table.c.error).where(table.c.sent_at.is_(None), table.c.error.is_not(None))
    with fence.snapshot() as connection:
        row = connection.execute(query.order_by(table.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else (row.channel, row.error)
