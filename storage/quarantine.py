"""The quarantine: refused messages, whole, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update
from uuid_utils import uuid7

from rules.actions import publisher_headers
from rules.outcomes import RejectedDelivery
from storage.audit import AuditEntry, add_count, record_action
from storage.fence import Fence
from storage.switches import read_switches
from storage.tables import quarantine
from storage.views import QuarantineFilter

__all__ = ["QuarantineStore", "QuarantinedMessage", "Selection", "add_rejected"]
# py-amqp gives a timestamp without its zone, which is UTC.
_HEADER_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS | orjson.OPT_NAIVE_UTC
# Longer than a publisher waits for its confirms; a replayer that died gives its messages back after it.
LEASE = timedelta(seconds=30)
_AT_ONCE = 100
_BYTES_AT_ONCE = 8 * 1024 * 1024
_DROPPED_AT_ONCE = 1_000


def add_rejected(connection: Connection, worker: str, rejected: Sequence[RejectedDelivery], now: datetime) -> None:
    """Keeps refused messages; one that comes again after a crash is already there and not kept twice."""
    for item in rejected:
        digest = _digest(item)
        if item.redelivered and _known(connection, digest):
            continue
        connection.execute(
            quarantine.insert(),
            {
                "id": str(uuid7()),
                "at": now,
                "shop": item.shop,
                "domain": item.domain,
                "reason": item.refusal.reason.value,
                "pointer": item.refusal.pointer,
                "sentence": item.refusal.sentence,
                "routing_key": _storable(item.routing_key),
                "content_type": _storable(item.content_type),
                "headers": orjson.loads(_headers(item.headers).replace(b"\\u0000", b"\\ufffd")),
                "body": item.body,
                "digest": digest,
                "worker": worker,
            },
        )


def _known(connection: Connection, digest: str) -> bool:
    # One that is being replayed is about to be removed: it must not stand for what has come back of it.
    same = (quarantine.c.digest == digest, quarantine.c.lease_until.is_(None))
    return bool(connection.scalar(select(func.count()).select_from(quarantine).where(*same)))


def _digest(item: RejectedDelivery) -> str:
    digest = hashlib.sha256(item.body)
    digest.update(f"{item.domain}\n{item.routing_key}\n{item.content_type}\n".encode(errors="replace"))
    # RabbitMQ counts deliveries in a header: the same message again would never be recognised.
    digest.update(_headers(publisher_headers(item.headers)))
    return digest.hexdigest()


def _headers(headers: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(headers, default=_plain, option=_HEADER_OPTIONS)
    except TypeError:
        # Nested too deeply, or text that is not Unicode: kept as Python shows it.
        return orjson.dumps({"unreadable": ascii(headers)[:10_000]})


def _plain(value: object) -> str:
    # Text that came as bytes is text, so that a replay says the same.
    return value.decode(errors="replace") if isinstance(value, bytes) else repr(value)


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


class Selection(NamedTuple):
    """How many messages are chosen, and the newest of them: what comes later is left alone."""

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
    """What may be done with messages in the quarantine."""

    def __init__(self, fence: Fence, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._lease = lease

    def span(self, filter: QuarantineFilter) -> Selection:
        """How many messages are chosen now."""
        with self._fence.snapshot() as connection:
            query = select(func.count(), func.max(quarantine.c.id)).where(*filter.where())
            count, through = connection.execute(query).one()
            return Selection(count, through or "")

    def claim(self, filter: QuarantineFilter, through: str, after: str = "") -> list[QuarantinedMessage]:
        """Some of the chosen messages, the oldest first, which are then this replayer's for 30 seconds.

        Those that somebody else is replaying are passed over.
        """
        with self._fence.shared() as connection:
            now = read_switches(connection).now
            where = (*filter.where(), quarantine.c.id > after, quarantine.c.id <= through, _free(now))
            query = select(quarantine.c.id, func.length(quarantine.c.body)).where(*where).order_by(quarantine.c.id)
            found = connection.execute(query.limit(_AT_ONCE).with_for_update(skip_locked=True))
            ids = _as_many_as_fit(tuple(row) for row in found)
            columns = [quarantine.c[name] for name in QuarantinedMessage._fields]
            claim = update(quarantine).where(quarantine.c.id.in_(ids)).values(lease_until=now + self._lease)
            rows = [QuarantinedMessage(*row) for row in connection.execute(claim.returning(*columns))]
            return sorted(rows, key=lambda kept: kept.id)

    def remove(self, act: str, ids: Sequence[str]) -> int:
        """Removes claimed messages that are on their way again, and counts them in the audit.

        One whose lease has ended stays: a copy of it that came back meanwhile may have been taken for it.
        """
        with self._fence.shared() as connection:
            held = quarantine.c.lease_until > read_switches(connection).now
            removed = connection.execute(delete(quarantine).where(quarantine.c.id.in_(ids), held)).rowcount
            add_count(connection, act, removed)
            return removed

    def give_back(self, ids: Sequence[str]) -> None:
        """Lets others replay messages that are not on their way."""
        with self._fence.shared() as connection:
            connection.execute(update(quarantine).where(quarantine.c.id.in_(ids)).values(lease_until=None))

    def drop(self, act: AuditEntry, identity: str) -> bool:
        """Removes one message for good; whether it was there."""
        with self._fence.shared() as connection:
            gone = delete(quarantine).where(quarantine.c.id == identity)
            row = connection.execute(gone.returning(quarantine.c.shop, quarantine.c.domain)).first()
            if row is not None:
                record_action(connection, act._replace(shop=row.shop, domain=row.domain), 1)
            return row is not None

    def drop_some(self, act: str, filter: QuarantineFilter, through: str) -> int:
        """Removes some of the chosen messages for good and counts them in the audit; 0 when none is left.

        In pieces: a delete of many bodies in one would keep a pause waiting for the fence.
        """
        with self._fence.shared() as connection:
            where = (*filter.where(), quarantine.c.id <= through)
            some = select(quarantine.c.id).where(*where).order_by(quarantine.c.id).limit(_DROPPED_AT_ONCE)
            dropped = connection.execute(delete(quarantine).where(quarantine.c.id.in_(some))).rowcount
            add_count(connection, act, dropped)
            return dropped

    def scope_of(self, identity: str) -> tuple[str, str] | None:
        """The shop and domain of a message, or None if there is none of this id."""
        with self._fence.snapshot() as connection:
            query = select(quarantine.c.shop, quarantine.c.domain).where(quarantine.c.id == identity)
            row = connection.execute(query).first()
            return None if row is None else (row.shop, row.domain)


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(quarantine.c.lease_until.is_(None), quarantine.c.lease_until <= now)


def _as_many_as_fit(found: Iterable[tuple[str, int]]) -> list[str]:
    ids: list[str] = []
    size = 0
    for identity, length in found:
        size += length
        if ids and size > _BYTES_AT_ONCE:
            break
        ids.append(identity)
    return ids
