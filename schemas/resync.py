"""The request to the ERP to publish some entities again, as they are now (contract, section 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import orjson

__all__ = ["MOST_KEYS", "RESYNC_TYPE", "request_id", "resync_event"]

RESYNC_TYPE = "comporta.resync.requested.v1"
MOST_KEYS = 500


def request_id(request: str, shop: str, domain: str, keys: Iterable[str]) -> str:
    """The id of one message of a request: the same for the same keys of the same request, and for nothing else.

    So a message that came twice can be told, and keys that are asked for anew are never taken for a repeat.
    """
    said = orjson.dumps([request, shop, domain, *keys])
    return hashlib.sha256(said).hexdigest()


def resync_event(identity: str, shop: str, domain: str, keys: Sequence[str], at: datetime) -> bytes:
    """The event that asks for at most 500 entities of one shop and domain; each key is JSON text of the key fields."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": identity,
            "source": "/comporta",
            "type": RESYNC_TYPE,
            "time": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "subject": f"{shop}/{domain}",
            "data": {"shop": shop, "domain": domain, "keys": [orjson.Fragment(key) for key in keys]},
        }
    )
