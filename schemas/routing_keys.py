"""Routing keys of the contract: the shop that a key names."""

from __future__ import annotations

from functools import lru_cache

from schemas.domains import DOMAINS, ORDERS
from schemas.events import SHOP
from schemas.topology import BULK

__all__ = ["routing_key_form", "shop_in"]


@lru_cache(maxsize=8192)
def shop_in(routing_key: str, domain: str) -> str | None:
    """Return the shop that the routing key of a domain's message names, or None if it names none."""
    shop, dot, rest = (routing_key, ".", ORDERS) if domain == ORDERS else routing_key.partition(".")
    if domain in DOMAINS:
        rest = rest.removesuffix(f".{BULK}")
    return shop if dot and rest == domain and SHOP.fullmatch(shop) else None


def routing_key_form(domain: str) -> str:
    """Return the form of a domain's routing keys, for a sentence."""
    return "<shop>" if domain == ORDERS else f"<shop>.{domain}"
