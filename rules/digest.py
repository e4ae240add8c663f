"""Digest of many entities: sums by bucket that don't depend on the order (docs/digest.md)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

__all__ = ["MOST_BUCKETS", "Bucket", "Buckets", "bucket_of", "is_bucket_count"]

MOST_BUCKETS = 65_536
_MODULUS = 2**256
_BITS = 32


def is_bucket_count(number: int) -> bool:
    """Return whether this many buckets can be made: a power of two, at most 65,536."""
    return 1 <= number <= MOST_BUCKETS and number & (number - 1) == 0


def bucket_of(key: bytes, buckets: int) -> int:
    """Return the bucket of a key's canonical JSON: the first bits of its SHA-256, as a number."""
    first = int.from_bytes(hashlib.sha256(key).digest()[: _BITS // 8], "big")
    return first >> (_BITS - buckets.bit_length() + 1)


@dataclass
class Bucket:
    """The number of entities of a bucket, and the sum of their digests modulo 2^256."""

    count: int = 0
    total: int = 0

    @property
    def digest(self) -> str:
        """Return the sum as 64 hexadecimal digits."""
        return f"{self.total:064x}"


@dataclass
class Buckets:
    """The buckets of a digest; entities may be added in any order."""

    number: int
    _filled: dict[int, Bucket] = field(default_factory=dict)

    def add(self, key: bytes, digest: bytes) -> None:
        """Add an entity by its key's canonical JSON and its digest."""
        bucket = self._filled.setdefault(bucket_of(key, self.number), Bucket())
        bucket.count += 1
        bucket.total = (bucket.total + int.from_bytes(digest, "big")) % _MODULUS

    def __getitem__(self, index: int) -> Bucket:
        return self._filled.get(index, Bucket())

    @property
    def whole(self) -> Bucket:
        """Return the sum of all buckets."""
        buckets = self._filled.values()
        return Bucket(sum(bucket.count for bucket in buckets), sum(bucket.total for bucket in buckets) % _MODULUS)
