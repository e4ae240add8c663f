"""Webhook signature: headers by which the ERP knows that an order is from Comporta (standardwebhooks.com)."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime

__all__ = ["SigningKey", "parse_keys", "sign"]

SigningKey = bytes
_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


def parse_keys(text: str) -> tuple[SigningKey, ...]:
    """Return the keys of a text, separated by white space; raises `ValueError`."""
    keys = tuple(_key(word) for word in text.split())
    if not keys:
        raise ValueError("the text has no key")
    return keys


def _key(word: str) -> SigningKey:
    key = b64decode(word.removeprefix(_PREFIX), validate=True)
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"a key has {_SHORTEST} to {_LONGEST} bytes")
    return key


def sign(keys: Sequence[SigningKey], message_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """Return the headers of Standard Webhooks, with a signature of each key; none without keys."""
    if not keys:
        return {}
    timestamp = str(int(at.timestamp()))
    signed = b"%s.%s.%s" % (message_id.encode(), timestamp.encode(), body)
    signatures = (b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
