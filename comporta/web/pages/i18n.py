"""Languages of the page: negotiation, message catalogs, and the words for the contract's names."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import NamedTuple

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import HTTPConnection

__all__ = [
    "ACTIONS",
    "CANCELLATIONS",
    "CHUNK_REASONS",
    "CHUNK_STATES",
    "COOKIE",
    "DOMAINS",
    "LANGUAGES",
    "LOAD_STATES",
    "N_",
    "ORDER_EVENTS",
    "OUTCOMES",
    "RESULTS",
    "ROLES",
    "SOURCES",
    "STATES",
    "Language",
    "catalog_path",
    "language_by_tag",
    "wanted_language",
]
COOKIE = "comporta_language"
_FOLDER = Path(__file__).parent / "locale"


class Language(NamedTuple):
    """Language of the page: its HTML tag, its own name and its locale."""

    tag: str
    name: str
    locale: Locale

    @property
    def translations(self) -> NullTranslations:
        """Return the translations of the source's English texts."""
        return _catalog(str(self.locale))


LANGUAGES = (
    Language("pt-BR", "Português (Brasil)", Locale("pt", "BR")),
    Language("en", "English", Locale("en")),
)
_ENGLISH = LANGUAGES[1]


def language_by_tag(tag: str | None) -> Language | None:
    """Return the language of a tag; None if the page is not translated into it."""
    return next((language for language in LANGUAGES if language.tag == tag), None)


def wanted_language(request: HTTPConnection) -> Language:
    """Return the language of the cookie, else the browser's preference, else English."""
    selected = language_by_tag(request.cookies.get(COOKIE))
    return selected or _negotiated(request.headers.get("accept-language", ""))


def catalog_path(locale: str) -> Path:
    """Return the path of a locale's .po file."""
    return _FOLDER / locale / "LC_MESSAGES" / "page.po"


@cache
def _negotiated(accepted: str) -> Language:
    # For pt and pt-PT, Brazilian Portuguese is better than English.
    preferred = ["pt-BR" if tag.lower().startswith("pt") else tag for tag in _by_preference(accepted)]
    match = negotiate_locale(preferred, [language.tag for language in LANGUAGES], sep="-")
    return next((language for language in LANGUAGES if match and language.tag.lower() == match.lower()), _ENGLISH)


def _by_preference(accepted: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in accepted[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighted.append((-weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda item: item[0])]


@cache
def _catalog(locale: str) -> NullTranslations:
    path = catalog_path(locale)
    if not path.exists():
        return NullTranslations()  # The source is English.
    with path.open("rb") as source:
        catalog = read_po(source, locale=locale)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return GNUTranslations(compiled)


def N_(text: str) -> str:  # noqa: N802, RUF100 - gettext's conventional name, which the extraction looks for.
    """Mark a text for extraction; it is translated later."""
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
    "stuck": N_("Stuck"),
    "held": N_("Held"),
    "cancelled": N_("Cancelled"),
}


CANCELLATIONS: Mapping[str, str] = {
    "telling": N_("The ERP is about to be told"),
    "told": N_("The ERP was told and has not answered"),
    "cancel_requested": N_("The ERP takes no cancellations: tell it by hand (cancel_requested)"),
    "refused": N_("Refused by the ERP"),
    "confirmed": N_("Confirmed by the ERP"),
}


ORDER_EVENTS: Mapping[str, str] = {
    "invoiced": N_("Invoiced"),
    "shipped": N_("Shipped"),
}


ACTIONS: Mapping[str, str] = {
    "pause": N_("Switched off"),
    "resume": N_("Switched on"),
    "expire": N_("Expired"),
    "begin": N_("Begun as planned"),
    "replay": N_("Replayed"),
    "drop": N_("Dropped"),
    "resync": N_("Requested again"),
    "retry": N_("Sent again"),
    "versions-forget": N_("Versions forgotten"),
    "hold": N_("Held"),
    "release": N_("Released"),
    "cancel": N_("Cancelled"),
    "accept": N_("Accepted"),
    "edit": N_("Edited and sent"),
    "note": N_("Note written"),
    "compare": N_("Filed as missed"),
    "shop-add": N_("Shop added"),
    "shop-remove": N_("Shop removed"),
    "person-erase": N_("Person erased"),
    "prune": N_("Pruned"),
    "load-confirm": N_("Load confirmed"),
    "load-cancel": N_("Load cancelled"),
}


LOAD_STATES: Mapping[str, str] = {
    "running": N_("Running"),
    "held": N_("Held back"),
    "completed": N_("Completed"),
    "superseded": N_("Replaced by a newer load"),
    "expired": N_("Timed out"),
    "cancelled": N_("Cancelled"),
}


CHUNK_STATES: Mapping[str, str] = {
    "open": N_("Waiting for its messages"),
    "incomplete": N_("Incomplete"),
    "complete": N_("Being counted"),
    "counted": N_("Waiting for deletion"),
    "settled": N_("Done"),
}


CHUNK_REASONS: Mapping[str, str] = {
    "discarded": N_("events were discarded: send the chunk again"),
    "quarantined": N_("events were refused: correct them and send the chunk again"),
    "missing": N_("events never came"),
    "too_many_keys": N_("more keys came than were announced"),
    "no_rows": N_("the load has no rows, so nothing was deleted"),
}


RESULTS: Mapping[str, str] = {
    "off": N_("off"),
    "on": N_("on"),
    "unchanged": N_("unchanged"),
    "planned": N_("planned"),
    "refused": N_("refused"),
    "done": N_("done"),
    "in progress": N_("in progress"),
    "failed": N_("failed"),
}


SOURCES: Mapping[str, str] = {
    "http": N_("page or API"),
    "amqp": N_("control message"),
    "clock": N_("by itself"),
}


ROLES: Mapping[str, str] = {
    "order": N_("the order itself"),
    "product": N_("product in the order"),
    "customer": N_("customer"),
    "price_table": N_("price table"),
}
