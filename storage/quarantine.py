"""The quarantine: refused messages, whole, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import Connection, func, select
from uuid_utils import uuid7

from rules.actions import publishers_own
from rules.outcomes import Rejected
from storage.tables import quarantine

__all__ = ["add_rejected"]

# py-amqp gives a timestamp without its zone, which is UTC.
_HEADER_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS | orjson.OPT_NAIVE_UTC


def add_rejected(connection: Connection, worker: str, rejected: Sequence[Rejected], now: datetime) -> None:
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


def _digest(item: Rejected) -> str:
    digest = hashlib.sha256(item.body)
    digest.update(f"{item.domain}\n{item.routing_key}\n{item.content_type}\n".encode(errors="replace"))
    # RabbitMQ counts deliveries in a header: the same message again would never be recognised.
    digest.update(_headers(publishers_own(item.headers)))
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
