"""How entities change: from one absolute state to the next, by chance alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random

from comporta.simulator.messages import Data

__all__ = ["CHANGES", "SHARES"]

Change = Callable[[Random, Data, str], Data]

_LEAST_PRICE = Decimal("0.01")
_PLACES = Decimal("0.0001")
_LOW_STOCK = 10
_STATUSES = ("active", "active", "active", "inactive", "blocked")


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
    return data | {"price": f"{max(price.quantize(_PLACES), _LEAST_PRICE):f}", "list_price": listed}


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
SHARES: dict[str, int] = {
    "stock": 600,
    "prices": 300,
    "products": 40,
    "customers": 40,
    "images": 10,
    "packagings": 10,
}
