"""Person by document: text that names the person, the orders that must stay, and the rest of an order without them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from rules.orders import CANCELLING, CancelState, OrderState
from schemas.order_data import MASK_CHARACTERS

__all__ = [
    "ERASED",
    "ERASED_ID",
    "Person",
    "Stay",
    "impersonal_order",
    "is_person_document",
    "order_stays",
]

ERASED = "(erased)"
# The highest character, as for a load's tombstones: it beats every event of its own version, whatever its id.
ERASED_ID = "\U0010ffff" + ERASED
_MASK = re.compile(f"[{MASK_CHARACTERS}]+")
_SEPARATORS = rf"[{MASK_CHARACTERS}\\]*"
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_FIELD = re.compile(r"(?:.*document|cpf|cnpj)", re.IGNORECASE)
_LONGEST = 255
_CPF, _CNPJ = 11, 14
# Everything of an order that says nothing of its buyer.
_ORDER = (
    *("order_id", "display_number", "placed_at", "branch", "currency", "price_table", "taxes", "insurance"),
    *("other_charges", "discount", "total"),
)
_ITEM = (*("line", "product_code", "packaging_code", "quantity", "factor", "unit_price", "discount", "taxes", "total"),)


class Stay(StrEnum):
    """Reason why rows of a person stay."""

    TAX_LAW = "tax_law"
    OPEN_ORDER = "open_order"
    KEY = "key"


def is_person_document(text: str) -> bool:
    """Return whether a text can name a person: a letter or digit, at most 255 characters."""
    return len(text) <= _LONGEST and any(map(str.isalnum, text))


class Person:
    """A person by a CPF, a CNPJ or a foreign id; masks and letter case don't count.

    What has the shape of a CPF or a CNPJ is found in any text. A foreign id could be any other number, so that it is
    found in fields of documents only.
    """

    def __init__(self, document: str) -> None:
        self.plain = _plain(document)
        tax_id = self.plain.isascii() and (
            (len(self.plain) == _CPF and self.plain.isdecimal())
            or (len(self.plain) == _CNPJ and self.plain[-2:].isdecimal())
        )
        self.everywhere = tax_id
        # A CPF that was sent as a number has lost its zeros.
        self.needle = self.plain.lstrip("0") or self.plain
        zeros = len(self.plain) - len(self.needle) if tax_id else 0
        characters = [f"(?:0{_SEPARATORS})?"] * zeros + [re.escape(each) for each in self.plain[zeros:]]
        joined = _SEPARATORS.join(characters[zeros:])
        self._pattern = re.compile(rf"(?<![^\W_]){''.join(characters[:zeros])}{joined}(?![^\W_])", re.IGNORECASE)

    def is_named(self, value: object) -> bool:
        """Return whether a value is the person's document."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            return False
        plain = _plain(str(value))
        return plain == self.plain or (self.everywhere and plain == self.needle)

    def is_mentioned(self, text: str) -> bool:
        """Return whether a text mentions the document, in any form of JSON's escapes."""
        return self.everywhere and bool(self._pattern.search(text) or self._pattern.search(_unescaped(text)))

    def is_in(self, value: object) -> bool:
        """Return whether a field of a document in a JSON value is the person's."""
        return any(self.is_named(found) for found in _documents(value))

    def erased(self, value: Any) -> Any:
        """Return a text or a JSON value without the document."""
        if isinstance(value, str):
            return self._pattern.sub(ERASED, value)
        if isinstance(value, list | tuple):
            return [self.erased(each) for each in value]
        if isinstance(value, Mapping):
            return {name: self.erased(each) for name, each in value.items()}
        return ERASED if self.everywhere and self.is_named(value) else value


def order_stays(
    state: OrderState, cancellation: CancelState | None, *, erp_number: str | None, has_news: bool
) -> Stay | None:
    """Return why an order must keep its buyer, or None.

    One that the ERP has taken over is, or becomes, an invoice. One that may still leave is a purchase to be fulfilled.
    """
    if state is OrderState.INTERNALIZED or erp_number is not None or has_news:
        return Stay.TAX_LAW
    if state is not OrderState.CANCELLED or cancellation in CANCELLING:
        return Stay.OPEN_ORDER
    return None


def impersonal_order(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order's payload without its buyer: numbers, products and sums, and of payment and freight the terms."""
    kept = {name: payload[name] for name in _ORDER if name in payload}
    kept["customer"] = {"document": ERASED, "name": ERASED}
    items = payload.get("items")
    if isinstance(items, list):
        kept["items"] = [_only(item, _ITEM) for item in items]
    for name, fields in (("payment", ("method", "term", "installments")), ("freight", ("type", "value"))):
        if name in payload:
            kept[name] = _only(payload[name], fields)
    return kept


def _only(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value} if isinstance(value, Mapping) else {}


def _plain(text: str) -> str:
    return _MASK.sub("", unicodedata.normalize("NFKC", text)).upper()


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _CHARACTERS.get(match[2], " "), text)


_CHARACTERS = {'"': '"', "\\": "\\", "/": "/"}


def _documents(value: object, named: bool = False) -> Iterator[object]:
    """Yield the values of all fields that are named as documents, at any depth."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _documents(each, _FIELD.fullmatch(str(name)) is not None)
    elif isinstance(value, list):
        for each in value:
            yield from _documents(each, named)
    elif named:
        yield value
