"""What the contract's words are called on the page; the translation happens where they are shown."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ACTIONS", "DOMAINS", "N_", "OUTCOMES", "RESULTS", "ROLES", "STATES"]


def N_(text: str) -> str:  # noqa: N802, RUF100 - the name by which texts to translate are found.
    """Marks a text that is translated later."""
    return text


DOMAINS: Mapping[str, str] = {
    "products": N_("Products"),
    "images": N_("Images"),
    "packagings": N_("Packagings"),
    "price_tables": N_("Price tables"),
    "prices": N_("Prices"),
    "stock": N_("Stock"),
    "customers": N_("Customers"),
    "orders": N_("Orders"),
    "receipts": N_("Receipts"),
    "*": N_("Everything"),
}
OUTCOMES: Mapping[str, str] = {
    "applied": N_("Applied"),
    "superseded": N_("Superseded"),
    "discarded": N_("Discarded"),
    "quarantined": N_("Quarantined"),
}
STATES: Mapping[str, str] = {
    "waiting": N_("Waiting"),
    "sending": N_("Sending"),
    "sent": N_("Sent"),
    "internalized": N_("Internalized"),
    "rejected": N_("Rejected"),
}
ACTIONS: Mapping[str, str] = {
    "pause": N_("Switched off"),
    "resume": N_("Switched on"),
    "expire": N_("Ended by itself"),
    "replay": N_("Replayed"),
    "drop": N_("Dropped"),
    "resync": N_("Requested again"),
    "retry": N_("Sent again"),
}
RESULTS: Mapping[str, str] = {
    "off": N_("off"),
    "on": N_("on"),
    "unchanged": N_("unchanged"),
    "refused": N_("refused"),
    "done": N_("done"),
    "begun": N_("begun"),
    "failed": N_("failed"),
}
ROLES: Mapping[str, str] = {
    "order": N_("the order itself"),
    "product": N_("product in it"),
    "customer": N_("customer"),
    "price_table": N_("price table"),
}
