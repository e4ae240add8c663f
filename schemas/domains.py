"""Change domains: a line in this list gives a domain its queue, its parser and its table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from schemas.customers import Customer, CustomerKey
from schemas.fields import Column, Message
from schemas.prices import Price, PriceKey, PriceTable, PriceTableKey
from schemas.products import Image, ImageKey, Packaging, PackagingKey, Product, ProductKey
from schemas.stock import Stock, StockKey

__all__ = ["DOMAINS", "DOMAIN_NAMES", "LISTED_DOMAINS", "NO_DOMAIN", "NO_SHOP", "ORDERS", "RECEIPTS", "Domain"]

ORDERS = "orders"
RECEIPTS = "receipts"
# Placeholder for the shop or the domain of a message that names none.
NO_SHOP = NO_DOMAIN = "?"


@dataclass(frozen=True)
class Domain:
    """One kind of change event: its name (also its table), its entity, and the models of its key and its state."""

    name: str
    entity: str
    key: type[Message]
    state: type[Message]

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """Return the key fields in the order of the primary key, where the shop precedes them."""
        return tuple(self.key.model_fields)

    @cached_property
    def key_times(self) -> tuple[str, ...]:
        """Return the key fields that are times."""
        return tuple(name for name in self.key_fields if self.columns[name] is Column.TIME)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Return the column type of every field of the data, keys first."""
        return {name: _column(_annotated(self.state, name)) for name in self.state.model_fields}


DOMAINS: dict[str, Domain] = {
    domain.name: domain
    for domain in (
        Domain("products", "product", ProductKey, Product),
        Domain("images", "image", ImageKey, Image),
        Domain("packagings", "packaging", PackagingKey, Packaging),
        Domain("price_tables", "price_table", PriceTableKey, PriceTable),
        Domain("prices", "price", PriceKey, Price),
        Domain("stock", "stock", StockKey, Stock),
        Domain("customers", "customer", CustomerKey, Customer),
    )
}
DOMAIN_NAMES: tuple[str, ...] = (*DOMAINS, ORDERS)
# Values of a list's domain filter: the domains, the receipts of orders, and messages that name no domain.
LISTED_DOMAINS: tuple[str, ...] = (*DOMAIN_NAMES, RECEIPTS, NO_DOMAIN)


def _annotated(model: type[Message], name: str) -> Any:
    field = model.model_fields[name]
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _column(annotation: Any) -> Column:
    for part in getattr(annotation, "__metadata__", ()):
        if isinstance(part, Column):
            return part
    origin = get_origin(annotation)
    if origin in (list, dict):
        return Column.JSON
    if origin is Literal:
        return Column.TEXT
    if annotation is bool:
        return Column.BOOLEAN
    inner = [part for part in get_args(annotation) if part is not NoneType]
    if not inner:
        raise TypeError(f"no column is known for {annotation!r}")
    return _column(inner[0])
