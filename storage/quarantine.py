"""Quarantine: refused messages, whole, with the reason; their replay and deletion."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from uuid_utils import uuid7

from rules.actions import publisher_headers
from rules.headers import headers_as_json
from rules.outcomes import RejectedDelivery
from rules.switches import Scope
from schemas.domains import NO_SHOP, ORDERS
from schemas.order_notices import Notice
from schemas.text import storable
from storage import outbox, outcome_notices
from storage.audit import AuditEntry, add_count, record_action
from storage.body_batches import fitting
from storage.fence import Fence
from storage.message_keys import MessageKey, read_message_key
from storage.outbox import OrderNotice
from storage.outcome_notices import StoredRefusal
from storage.search_texts import search_text
from storage.switches import read_switches
from storage.tables import quarantine
from storage.views import QuarantineFilter

__all__ = ["QuarantineStore", "QuarantinedMessage", "Selection", "add_rejected", "digest_of"]

# Longer than a publisher waits for its confirms; the messages of a replay that died are free again after it.
LEASE = timedelta(seconds=30)
_AT_ONCE = 100
_DROPPED_AT_ONCE = 1_000


def add_rejected(connection: Connection, worker: str, rejected: Sequence[RejectedDelivery], now: datetime) -> None:
    """Insert refused messages, and the notices of them: for the ERP, and for the shop of a refused order.

    A message that the broker redelivers after a crash is already there and not inserted again.
    """
    stored: list[StoredRefusal] = []
    orders: list[OrderNotice] = []
    for item in rejected:
        digest = digest_of(item)
        if item.redelivered and _known(connection, digest):
            continue
        key = read_message_key(item.domain, item.body, item.headers)
        if item.domain == ORDERS and item.shop != NO_SHOP:
            orders.append(_refused_order(item, key))
        identity = str(uuid7())
        stored.append(StoredRefusal(identity, item, key))
        connection.execute(
            quarantine.insert(),
            {
                "id": identity,
                "at": now,
                "shop": item.shop,
                "domain": item.domain,
                "reason": item.refusal.reason.value,
                "pointer": item.refusal.pointer,
                "sentence": item.refusal.sentence,
                "routing_key": storable(item.routing_key),
                "content_type": storable(item.content_type),
                "headers": headers_as_json(item.headers),
                "body": item.body,
                "digest": digest,
                "worker": worker,
                "key": key.key,
                "subject": key.subject,
                "search_text": search_text(item.body, item.headers),
            },
        )
    outcome_notices.add_notices(connection, stored, now)
    if orders:
        outbox.add_notices(connection, orders, now)


def _refused_order(item: RejectedDelivery, key: MessageKey) -> OrderNotice:
    refusal = item.refusal
    reason = {"code": refusal.reason.value, "pointer": refusal.pointer, "sentence": refusal.sentence}
    return OrderNotice(item.shop, key.key, Notice.REFUSED, {"event_id": key.event_id, "reasons": [reason]})


def _known(connection: Connection, digest: str) -> bool:
    # A message under replay is about to be deleted: it must not count for its own copy that was refused again.
    same = (quarantine.c.digest == digest, quarantine.c.lease_until.is_(None))
    return bool(connection.scalar(select(func.count()).select_from(quarantine).where(*same)))


def digest_of(item: RejectedDelivery) -> str:
    """Return what a message is recognised by when the broker delivers it again."""
    digest = hashlib.sha256(item.body)
    digest.update(f"{item.domain}\n{item.routing_key}\n{item.content_type}\n".encode(errors="replace"))
    # RabbitMQ counts deliveries in a header: with it, a redelivered message would never be recognised.
    digest.update(orjson.dumps(headers_as_json(publisher_headers(item.headers)), option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()


class Selection(NamedTuple):
    """The number of selected messages and the id of the newest: later messages are not part of the selection."""

    number: int
    through: str


class QuarantinedMessage(NamedTuple):
    """A quarantined message, whole."""

    id: str
    shop: str
    domain: str
    reason: str
    routing_key: str
    content_type: str
    headers: dict[str, Any]
    body: bytes


class QuarantineStore:
    """Replay and deletion of quarantined messages."""

    def __init__(self, fence: Fence, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._lease = lease

    def select(self, filter: QuarantineFilter) -> Selection:
        """Select the messages that pass the filter now."""
        with self._fence.snapshot() as connection:
            query = select(func.count(), func.max(quarantine.c.id)).where(*filter.where())
            count, through = connection.execute(query).one()
            return Selection(count, through or "")

    def claim(
        self, filter: QuarantineFilter, through: str, after: str = "", most: int = _AT_ONCE
    ) -> list[QuarantinedMessage]:
        """Lease some of the selected messages, oldest first, for 30 seconds.

        Messages under another replay are skipped.
        """
        with self._fence.shared() as connection:
            now = read_switches(connection).now
            where = (*filter.where(), quarantine.c.id > after, quarantine.c.id <= through, _free(now))
            query = select(quarantine.c.id, func.length(quarantine.c.body)).where(*where).order_by(quarantine.c.id)
            sizes = connection.execute(query.limit(most).with_for_update(skip_locked=True))
            ids = fitting((identity, size) for identity, size in sizes)
            columns = [quarantine.c[name] for name in QuarantinedMessage._fields]
            claim = update(quarantine).where(quarantine.c.id.in_(ids)).values(lease_until=now + self._lease)
            rows = [QuarantinedMessage(*row) for row in connection.execute(claim.returning(*columns))]
            return sorted(rows, key=lambda row: row.id)

    def remove(self, audit_id: str, ids: Sequence[str]) -> int:
        """Delete leased messages that were published, and add them to the count in the audit.

        A message whose lease has ended stays: if its copy was refused meanwhile, the copy was not stored beside it.
        """
        with self._fence.shared() as connection:
            held = quarantine.c.lease_until > read_switches(connection).now
            removed = connection.execute(delete(quarantine).where(quarantine.c.id.in_(ids), held)).rowcount
            add_count(connection, audit_id, removed)
            return removed

    def release(self, ids: Sequence[str]) -> None:
        """End the lease of messages that were not published."""
        with self._fence.shared() as connection:
            connection.execute(update(quarantine).where(quarantine.c.id.in_(ids)).values(lease_until=None))

    def drop(self, entry: AuditEntry, identity: str) -> bool:
        """Delete one message; return whether it existed."""
        with self._fence.shared() as connection:
            statement = delete(quarantine).where(quarantine.c.id == identity)
            row = connection.execute(statement.returning(quarantine.c.shop, quarantine.c.domain)).first()
            if row is not None:
                record_action(connection, entry._replace(shop=row.shop, domain=row.domain), 1)
            return row is not None

    def drop_batch(self, audit_id: str, filter: QuarantineFilter, through: str) -> int:
        """Delete some of the selected messages, add them to the count in the audit and return it; 0 when none is left.

        In batches: one delete of many bodies would keep a pause waiting for the fence.
        """
        with self._fence.shared() as connection:
            where = (*filter.where(), quarantine.c.id <= through)
            batch = select(quarantine.c.id).where(*where).order_by(quarantine.c.id).limit(_DROPPED_AT_ONCE)
            dropped = connection.execute(delete(quarantine).where(quarantine.c.id.in_(batch))).rowcount
            add_count(connection, audit_id, dropped)
            return dropped

    def scopes(self, filter: QuarantineFilter) -> dict[Scope, int]:
        """Count the messages that pass the filter, by shop and domain."""
        query = select(quarantine.c.shop, quarantine.c.domain, func.count()).where(*filter.where())
        with self._fence.snapshot() as connection:
            rows = connection.execute(query.group_by(quarantine.c.shop, quarantine.c.domain)).all()
        return {(shop, domain): count for shop, domain, count in map(tuple, rows)}

    def scope_of(self, identity: str) -> tuple[str, str] | None:
        """Return the shop and domain of a message, or None if no message has this id."""
        with self._fence.snapshot() as connection:
            query = select(quarantine.c.shop, quarantine.c.domain).where(quarantine.c.id == identity)
            row = connection.execute(query).first()
            return None if row is None else (row.shop, row.domain)


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(quarantine.c.lease_until.is_(None), quarantine.c.lease_until <= now)
