"""Queues left over: former partitions, which are consumed and watched as long as they exist."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from schemas.domains import DOMAINS
from schemas.partitions import Partitions, change_domain
from storage.errors import StorageError

__all__ = ["KnownQueues", "LeftOver"]


class KnownQueues(Protocol):
    """Names of the queues that any process has read."""

    def names(self) -> list[str]:
        """Return the names; raises `StorageError`."""


class LeftOver:
    """Former partitions of some domains, by the readings of all processes; while the database is away, the last known.

    Where the number of partitions was lowered, or the setting removed, messages may still wait in them.
    """

    def __init__(self, known: KnownQueues, partitions: Partitions, domains: Collection[str] = tuple(DOMAINS)) -> None:
        self._known = known
        self._partitions = partitions
        self._domains = frozenset(domains)
        self._last: tuple[str, ...] = ()

    def __call__(self) -> tuple[str, ...]:
        """Return their names."""
        try:
            left = self._partitions.left_over(self._known.names())
        except StorageError:
            return self._last
        self._last = tuple(name for name in left if change_domain(name) in self._domains)
        return self._last
