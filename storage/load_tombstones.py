"""Tombstones of full loads: deleted events that a load stands for, written by the statement that writes every event."""

from __future__ import annotations

from collections.abc import Iterable

from rules.full_load import Load, tombstone_id
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.key_ranges import Bound

__all__ = ["tombstones"]


def tombstones(load: Load, version: int, keys: Iterable[Bound]) -> list[ChangeEvent]:
    """Return a deleted event of each key, in key order, as batches write them: so no two writers deadlock."""
    kind = DOMAINS[load.domain]
    identity = tombstone_id(load.load_id)
    return [
        ChangeEvent(
            domain=load.domain,
            shop=load.shop,
            key=key,
            version=version,
            event_id=identity,
            occurred_at=None,
            deleted=True,
            data=kind.key.model_construct(**dict(zip(kind.key_fields, key, strict=True))),
            unknown=(),
        )
        for key in sorted(keys)
    ]
