"""Warnings about messages that are taken: pure, by the message, the time and the version of its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from schemas.events import ChangeEvent
from schemas.prices import Price, PriceTable
from schemas.products import Product
from schemas.unknown_fields import UnknownField
from schemas.warnings import EventWarning, WarningCode

__all__ = ["event_warnings", "field_warnings", "superseded_warnings"]

_BEHIND = timedelta(days=30)
_AHEAD = timedelta(minutes=5)
_CENT = Decimal("0.01")
_LOST = "\ufffd"
# From here on a version is taken for a time in microseconds: as one, it lies in 1973.
_FIRST_TIME = 10**14
_FAR_COUNT = 1_000
_FAR_TIME = int(_BEHIND.total_seconds()) * 1_000_000


def event_warnings(event: ChangeEvent, now: datetime) -> list[EventWarning]:
    """Return the warnings about a change event at a moment, without a look at its row."""
    warnings = [*field_warnings(event.unknown), *_time(event.occurred_at, now)]
    match event.data:
        case Price() as price:
            warnings += [*_price(price), *_window(price.valid_to, now)]
        case PriceTable() as table:
            warnings += _window(table.valid_to, now)
        case Product() as product:
            warnings += _weights(product)
    return [*warnings, *_texts(event)]


def field_warnings(unknown: Iterable[UnknownField]) -> Iterator[EventWarning]:
    """Yield the warnings about fields that are ignored."""
    for field in unknown:
        if field.misspells is not None:
            sentence = f"is misspelt and ignored: the field is {field.misspells}"
            yield EventWarning(WarningCode.MISSPELT_FIELD, field.pointer, sentence)
        elif field.suggestion is not None:
            sentence = f"is unknown and ignored: did you mean {field.suggestion}?"
            yield EventWarning(WarningCode.UNKNOWN_FIELD, field.pointer, sentence)
        else:
            yield EventWarning(WarningCode.UNKNOWN_FIELD, field.pointer, "is unknown and ignored")


def superseded_warnings(version: int, stored: int) -> list[EventWarning]:
    """Return the warning about an event whose row has a far higher version."""
    by_time = min(version, stored) >= _FIRST_TIME
    if stored - version < (_FAR_TIME if by_time else _FAR_COUNT):
        return []
    distance = f"{timedelta(microseconds=stored - version).days} days" if by_time else f"{stored - version:,}"
    sentence = f"the version of its row is higher by {distance}: has the counter or the clock gone back?"
    return [EventWarning(WarningCode.FAR_SUPERSEDED, "", sentence)]


def _time(time: datetime | None, now: datetime) -> Iterator[EventWarning]:
    if time is None:
        return
    if now - time > _BEHIND:
        yield EventWarning(WarningCode.TIME_BEHIND, "/time", f"lies {(now - time).days} days back")
    elif time - now > _AHEAD:
        sentence = "lies in the future: by its version, the event wins over all changes until then"
        yield EventWarning(WarningCode.TIME_IN_FUTURE, "/time", sentence)


def _price(price: Price) -> Iterator[EventWarning]:
    if Decimal(price.price) <= _CENT:
        yield EventWarning(WarningCode.PRICE_TINY, "/data/price", "is a cent or less: is it a placeholder?")
    if price.list_price is not None and Decimal(price.list_price) < Decimal(price.price):
        yield EventWarning(WarningCode.LIST_PRICE_LOW, "/data/list_price", "is below the price")


def _window(valid_to: datetime | None, now: datetime) -> Iterator[EventWarning]:
    if valid_to is not None and valid_to <= now:
        yield EventWarning(WarningCode.WINDOW_OVER, "/data/valid_to", "lies in the past: it no longer holds")


def _weights(product: Product) -> Iterator[EventWarning]:
    net, gross = product.net_weight_kg, product.gross_weight_kg
    if net is not None and gross is not None and Decimal(gross) < Decimal(net):
        yield EventWarning(WarningCode.GROSS_BELOW_NET, "/data/gross_weight_kg", "is below the net weight")


def _texts(event: ChangeEvent) -> Iterator[EventWarning]:
    for name, value in event.data.__dict__.items():
        if isinstance(value, str) and _LOST in value:
            yield EventWarning(WarningCode.TEXT_DAMAGED, f"/data/{name}", "holds U+FFFD: a character was lost before")
