"""State of a simulated ERP: every entity with its last data, deleted ones included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from random import Random
from typing import Any

from comporta.simulator.messages import Data
from schemas.domains import DOMAINS

__all__ = ["CHANGES", "SHARES", "ErpState", "Key", "key_of"]
Key = tuple[Any, ...]
Change = Callable[[Random, Data, str], Data]
_MIN_PRICE = Decimal("0.01")
_PLACES = Decimal("0.0001")
_LOW_STOCK = 10
_STATUSES = ("active", "active", "active", "inactive", "blocked")

SHARES: dict[str, int] = {
    "stock": 600,
    "prices": 300,
    "products": 40,
    "customers": 40,
    "images": 10,
    "packagings": 10,
}


def key_of(domain: str, data: Mapping[str, Any]) -> Key:
    """Return the key as `parse_event` reads it, with defaults; raises pydantic's `ValidationError` if it is invalid."""
    registered = DOMAINS[domain]
    fields = registered.key.model_validate(data).__dict__
    return tuple([fields[name] for name in registered.key_fields])


class ErpState:
    """Entities by domain and key; a deleted one keeps its last data, so that a later change can restore it."""

    def __init__(self, entities: Iterable[tuple[str, Data]]) -> None:
        self._held: dict[str, dict[Key, Data]] = {}
        self._gone: set[tuple[str, Key]] = set()
        for domain, data in entities:
            self._held.setdefault(domain, {})[key_of(domain, data)] = data
        self._keys = {domain: list(held) for domain, held in self._held.items()}

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the domains that hold any entity."""
        return tuple(self._held)

    def pick(self, domain: str, random: Random) -> Key:
        """Return the key of a random entity, deleted ones included."""
        return random.choice(self._keys[domain])

    def is_deleted(self, domain: str, key: Key) -> bool:
        """Return whether the entity is deleted."""
        return (domain, key) in self._gone

    def data(self, domain: str, key: Key) -> Data:
        """Return the entity's last data."""
        return self._held[domain][key]

    def key_data(self, domain: str, key: Key) -> Data:
        """Return the key fields only, as an event of type `deleted` has them."""
        data = self._held[domain][key]
        return {name: data[name] for name in DOMAINS[domain].key_fields if name in data}

    def put(self, domain: str, key: Key, data: Data) -> None:
        """Store the entity's data; restore it if it is deleted."""
        self._held[domain][key] = data
        self._gone.discard((domain, key))

    def remove(self, domain: str, key: Key) -> None:
        """Mark the entity as deleted."""
        self._gone.add((domain, key))

    def state(self) -> Iterator[tuple[str, Key, Data | None]]:
        """Yield domain, key and data of every entity; the data of a deleted one is None."""
        for domain, held in self._held.items():
            for key, data in held.items():
                yield domain, key, None if (domain, key) in self._gone else data


def _stock(random: Random, data: Data, at: str) -> Data:
    before = Decimal(data["on_hand"])
    on_hand = before + (random.randrange(20, 200) if before < _LOW_STOCK else -random.randrange(1, 7))
    reserved = random.randrange(4)
    return data | {
        "on_hand": f"{on_hand:f}",
        "reserved": str(reserved),
        "available": f"{on_hand - reserved:f}",
        "as_of": at,
    }


def _price(random: Random, data: Data, _at: str) -> Data:
    listed = data.get("list_price") or data["price"]
    price = Decimal(listed) * random.randrange(800, 1201) / 1000
    return data | {"price": f"{max(price.quantize(_PLACES), _MIN_PRICE):f}", "list_price": listed}


def _product(random: Random, data: Data, _at: str) -> Data:
    return data | {"active": random.random() < 0.9, "attributes": {"revision": str(random.randrange(1000))}}


def _customer(random: Random, data: Data, _at: str) -> Data:
    return data | {"status": random.choice(_STATUSES), "credit_limit": f"{random.randrange(500) * 100}.00"}


def _image(random: Random, data: Data, _at: str) -> Data:
    return data | {"position": random.randrange(5), "content_hash": f"{random.getrandbits(64):016x}"}


def _packaging(random: Random, data: Data, _at: str) -> Data:
    return data | {"sellable": random.random() < 0.9, "min_multiple": str(random.choice((1, 2, 5)))}


CHANGES: dict[str, Change] = {
    "stock": _stock,
    "prices": _price,
    "products": _product,
    "customers": _customer,
    "images": _image,
    "packagings": _packaging,
}
