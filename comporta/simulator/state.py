"""What the simulated ERP holds at a moment: every entity, and which of them are deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any

from comporta.simulator.messages import Data
from schemas.domains import DOMAINS

__all__ = ["Book", "Key", "key_of"]

Key = tuple[Any, ...]


def key_of(domain: str, data: Mapping[str, Any]) -> Key:
    """The key as `parse_event` reads it, defaults filled in; pydantic's `ValidationError` if it is none."""
    known = DOMAINS[domain]
    fields = known.key.model_validate(data).__dict__
    return tuple([fields[name] for name in known.key_fields])


class Book:
    """Entities by domain and key; a deleted one keeps its last data, so that it can come back."""

    def __init__(self, entities: Iterable[tuple[str, Data]]) -> None:
        self._held: dict[str, dict[Key, Data]] = {}
        self._gone: set[tuple[str, Key]] = set()
        for domain, data in entities:
            self._held.setdefault(domain, {})[key_of(domain, data)] = data
        self._keys = {domain: list(held) for domain, held in self._held.items()}

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that hold anything."""
        return tuple(self._held)

    def pick(self, domain: str, random: Random) -> Key:
        """The key of any entity, deleted ones too."""
        return random.choice(self._keys[domain])

    def knows(self, domain: str, key: Key) -> bool:
        """Whether this ERP ever held the entity."""
        return key in self._held.get(domain, ())

    def is_deleted(self, domain: str, key: Key) -> bool:
        """Whether the entity is deleted now."""
        return (domain, key) in self._gone

    def data(self, domain: str, key: Key) -> Data:
        """The entity's data, as last known."""
        return self._held[domain][key]

    def key_data(self, domain: str, key: Key) -> Data:
        """The key fields only, as a deleted event has them."""
        data = self._held[domain][key]
        return {name: data[name] for name in DOMAINS[domain].key_fields if name in data}

    def put(self, domain: str, key: Key, data: Data) -> None:
        """The entity is now so; a deleted one is back."""
        self._held[domain][key] = data
        self._gone.discard((domain, key))

    def remove(self, domain: str, key: Key) -> None:
        """The entity is deleted."""
        self._gone.add((domain, key))

    def state(self) -> Iterator[tuple[str, Key, Data | None]]:
        """Every entity with its data, or None for a deleted one."""
        for domain, held in self._held.items():
            for key, data in held.items():
                yield domain, key, None if (domain, key) in self._gone else data
