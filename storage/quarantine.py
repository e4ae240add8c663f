"""The quarantine: refused messages, whole, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import orjson
from sqlalchemy import Connection, func, select
from uuid_utils import uuid7

from rules.outcomes import Rejected
from storage.tables import quarantine

__all__ = ["add_rejected"]


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
                "headers": orjson.loads(_headers(item).replace(b"\\u0000", b"\\ufffd")),
                "body": item.body,
                "digest": digest,
                "worker": worker,
            },
        )


def _known(connection: Connection, digest: str) -> bool:
    found = select(func.count()).select_from(quarantine).where(quarantine.c.digest == digest)
    return bool(connection.scalar(found))


def _digest(item: Rejected) -> str:
    digest = hashlib.sha256(item.body)
    digest.update(f"{item.domain}\n{item.routing_key}\n{item.content_type}\n".encode(errors="replace"))
    digest.update(_headers(item))
    return digest.hexdigest()


def _headers(item: Rejected) -> bytes:
    try:
        return orjson.dumps(item.headers, default=repr, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)
    except TypeError:
        # Nested too deeply, or text that is not Unicode: kept as Python shows it.
        return orjson.dumps({"unreadable": ascii(item.headers)[:10_000]})


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
