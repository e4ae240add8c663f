"""Batches of refused messages whose bodies fit into memory together."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["fitting"]

_BYTES_AT_ONCE = 8 * 1024 * 1024


def fitting(sizes: Iterable[tuple[str, int]]) -> list[str]:
    """Return the first ids whose bodies have eight megabytes together; a larger one stands alone."""
    ids: list[str] = []
    size = 0
    for identity, length in sizes:
        size += length
        if ids and size > _BYTES_AT_ONCE:
            break
        ids.append(identity)
    return ids
