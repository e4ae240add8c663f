"""The page's languages: which one is wanted, and the catalog that speaks it."""

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
    "COOKIE",
    "DOMAINS",
    "LANGUAGES",
    "N_",
    "OUTCOMES",
    "RESULTS",
    "ROLES",
    "STATES",
    "Language",
    "catalog_path",
    "language_by_tag",
    "wanted_language",
]
COOKIE = "comporta_language"
_FOLDER = Path(__file__).parent / "locale"


class Language(NamedTuple):
    """One language: its tag in HTML, its own name, and its locale."""

    tag: str
    name: str
    locale: Locale

    @property
    def translations(self) -> NullTranslations:
        """What turns the source's English into this language."""
        return _catalog(str(self.locale))


LANGUAGES = (
    Language("pt-BR", "Português (Brasil)", Locale("pt", "BR")),
    Language("en", "English", Locale("en")),
)
_ENGLISH = LANGUAGES[1]


def language_by_tag(tag: str | None) -> Language | None:
    """The language of a tag; None if it is none of ours."""
    return next((language for language in LANGUAGES if language.tag == tag), None)


def wanted_language(request: HTTPConnection) -> Language:
    """What the cookie says, else what the browser prefers, else English."""
    chosen = language_by_tag(request.cookies.get(COOKIE))
    return chosen or _negotiated(request.headers.get("accept-language", ""))


def catalog_path(locale: str) -> Path:
    """Where a locale's texts stand, as translators edit them."""
    return _FOLDER / locale / "LC_MESSAGES" / "page.po"


@cache
def _negotiated(accepted: str) -> Language:
    # A browser that asks for pt or pt-PT is better served with Brazil's Portuguese than with English.
    wanted = ["pt-BR" if tag.lower().startswith("pt") else tag for tag in _by_preference(accepted)]
    found = negotiate_locale(wanted, [language.tag for language in LANGUAGES], sep="-")
    return next((each for each in LANGUAGES if found and each.tag.lower() == found.lower()), _ENGLISH)


def _by_preference(accepted: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in accepted[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        if tag and weight > 0:
            weighed.append((-weight, tag))
    return [tag for _, tag in sorted(weighed, key=lambda each: each[0])]


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
    "versions-forget": N_("Versions forgotten"),
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
