"""Resync request: asks the ERP to publish some entities again, as they are now (contract, section 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import orjson

__all__ = ["MOST_KEYS", "RESYNC_TYPE", "request_id", "resync_event", "window_event"]

RESYNC_TYPE = "comporta.resync.requested.v1"
MOST_KEYS = 500


def request_id(request: str, shop: str, domain: str, keys: Iterable[str]) -> str:
    """Return the id of one message of a request: equal only for the same keys of the same request.

    So the ERP can recognize a message that came twice, and never takes a new request for the same keys for a repeat.
    """
    content = orjson.dumps([request, shop, domain, *keys])
    return hashlib.sha256(content).hexdigest()


def resync_event(identity: str, shop: str, domain: str, keys: Sequence[str], at: datetime) -> bytes:
    """Return the event that requests at most 500 entities of a shop and domain; a key is JSON text of its fields."""
    return _event(identity, at, shop, domain, keys=[orjson.Fragment(key) for key in keys])


def window_event(identity: str, shop: str, domain: str, window: tuple[datetime, datetime], at: datetime) -> bytes:
    """Return the event that requests everything of a shop and domain that the ERP has changed in a window.

    Its beginning is included, its end is not.
    """
    since, until = (_time(moment) for moment in window)
    return _event(identity, at, shop, domain, **{"from": since, "to": until})


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _event(identity: str, at: datetime, shop: str, domain: str, **wanted: object) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": identity,
            "source": "/comporta",
            "type": RESYNC_TYPE,
            "time": _time(at),
            "subject": f"{shop}/{domain}",
            "data": {"shop": shop, "domain": domain, **wanted},
        }
    )
