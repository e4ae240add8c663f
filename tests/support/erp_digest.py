"""An ERP's own computation of the digest, written from docs/digest.md alone: it imports nothing of Comporta."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

__all__ = ["canonical", "erp_digest", "key_of"]

_DECIMALS = {
    *("net_weight_kg", "gross_weight_kg", "height_cm", "width_cm", "length_cm", "factor", "min_multiple"),
    *("min_qty", "price", "list_price", "on_hand", "reserved", "available", "credit_limit"),
}
_TIMES = {"valid_from", "valid_to", "as_of"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "products": {"fractional": False},
    "prices": {"packaging_code": "", "min_qty": "1", "valid_from": "1970-01-01T00:00:00Z", "active": True},
    "stock": {"lot": ""},
}
_KEYS = {
    "products": ["code"],
    "images": ["product_code", "image_id"],
    "packagings": ["product_code", "packaging_code"],
    "price_tables": ["table_code"],
    "prices": ["table_code", "product_code", "packaging_code", "min_qty", "valid_from"],
    "stock": ["product_code", "branch", "warehouse", "lot"],
    "customers": ["code"],
}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def canonical(domain: str, data: dict[str, Any]) -> bytes:
    """Return the canonical JSON of an entity, from the data of its event."""
    fields = {**_DEFAULTS.get(domain, {}), **data}
    return _text({name: _field(name, value) for name, value in fields.items() if value is not None}).encode()


def key_of(domain: str, data: dict[str, Any]) -> bytes:
    """Return the canonical JSON of an entity's key."""
    fields = {**_DEFAULTS.get(domain, {}), **data}
    return _text({name: _field(name, fields[name]) for name in _KEYS[domain]}).encode()


def erp_digest(domain: str, entities: Iterable[dict[str, Any]], bits: int) -> list[tuple[int, str]]:
    """Return the number of entities and the digest of each of 2^bits buckets."""
    counts, sums = [0] * 2**bits, [0] * 2**bits
    for data in entities:
        bucket = int(hashlib.sha256(key_of(domain, data)).hexdigest(), 16) >> (256 - bits)
        counts[bucket] += 1
        sums[bucket] = (sums[bucket] + int(hashlib.sha256(canonical(domain, data)).hexdigest(), 16)) % 2**256
    return [(count, format(total, "064x")) for count, total in zip(counts, sums, strict=True)]


def _field(name: str, value: Any) -> Any:
    if name in _DECIMALS:
        return _decimal(value)
    if name in _TIMES:
        return _time(value)
    if name in {"barcodes", "addresses"}:
        return [{key: inner for key, inner in item.items() if inner is not None} for item in value]
    return value


def _decimal(text: str) -> str:
    number = Decimal(text)
    whole, _, places = f"{abs(number):f}".partition(".")
    whole, places = whole.lstrip("0") or "0", places.rstrip("0")
    plain = f"{whole}.{places}" if places else whole
    return f"-{plain}" if number < 0 else plain


def _time(text: str) -> str:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00")).astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z".rjust(27, "0")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_text(name)}:{_text(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(_ESCAPES.get(char) or (f"\\u{ord(char):04x}" if char < " " else char) for char in value) + '"'
