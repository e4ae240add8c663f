"""The page speaks Portuguese and English: every text, every placeholder, by cookie or by what the browser asks for."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from starlette.requests import HTTPConnection

from comporta.web.pages import i18n
from comporta.web.pages.i18n import LANGUAGES, catalog_path, wanted_language
from rules.orders import OrderState
from rules.outcomes import Outcome
from schemas.domains import DOMAIN_NAMES
from tests.support.page_client import PageClient
from tests.support.web_harness import WebHarness

PAGE = Path(i18n.__file__).parent
WHERE = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
NAMES = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "translate_plural": (2, 3)}
PLACEHOLDER = re.compile(r"%\((\w+)\)s|\{\}")


def said() -> set[tuple[str, ...]]:
    """Every text of the source: one, or one and its plural."""
    found = extract_from_dir(str(PAGE), WHERE, OPTIONS, NAMES)
    return {(message,) if isinstance(message, str) else tuple(message) for _, _, message, _, _ in found}


def translated() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Every text of the catalog with its translations."""
    with catalog_path("pt_BR").open("rb") as source:
        catalog = read_po(source, locale="pt_BR")
    return {
        (message.id,) if isinstance(message.id, str) else tuple(message.id): (message.string,)
        if isinstance(message.string, str)
        else tuple(message.string)
        for message in catalog
        if message.id
    }


def test_every_text_of_the_page_has_a_translation_and_none_is_left_over() -> None:
    assert said() == set(translated())
    assert all(chain.from_iterable(translated().values()))


def test_a_translation_has_exactly_the_placeholders_of_its_text() -> None:
    for text, translations in translated().items():
        for translation in translations:
            assert sorted(PLACEHOLDER.findall(translation)) == sorted(PLACEHOLDER.findall(text[-1])), text


def test_everything_that_the_contract_names_has_a_word() -> None:
    assert set(DOMAIN_NAMES) <= set(i18n.DOMAINS)
    assert set(i18n.OUTCOMES) == {str(outcome) for outcome in Outcome}
    assert set(i18n.STATES) == {str(state) for state in OrderState}


@pytest.mark.parametrize(
    ("accepted", "cookie", "tag"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", None, "pt-BR"),
        ("pt-PT", None, "pt-BR"),
        ("pt", None, "pt-BR"),
        ("de;q=0.9,en;q=0.1,pt;q=0.5", None, "pt-BR"),
        ("en-US,en;q=0.9,pt;q=0.8", None, "en"),
        ("de", None, "en"),
        ("", None, "en"),
        ("*;q=x,,;;", None, "en"),
        ("en", "pt-BR", "pt-BR"),
        ("pt", "en", "en"),
        ("pt", "xx", "pt-BR"),
    ],
)
def test_the_cookie_counts_and_without_one_the_browser(accepted: str, cookie: str | None, tag: str) -> None:
    headers = [(b"accept-language", accepted.encode())]
    if cookie is not None:
        headers.append((b"cookie", f"{i18n.COOKIE}={cookie}".encode()))
    assert wanted_language(HTTPConnection({"type": "http", "headers": headers})).tag == tag


def test_the_integration_is_ligada_or_desligada_in_portuguese(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web, language="pt-BR")
    sqlite_web.storage.consume()
    assert client.get_page("/").one("div", id="integration").text.split() == ["Integração", "Ligada"]
    sqlite_web.storage.change("pause", domains=["*"])
    assert client.get_page("/").one("div", id="integration").text.split()[:2] == ["Integração", "Desligada"]


def test_a_choice_is_kept_in_a_cookie_and_leads_back(sqlite_web: WebHarness) -> None:
    client = PageClient(sqlite_web)
    answer = client.request("GET", "/preferences", params={"language": "pt-BR", "next": "/orders?state=sent"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/orders?state=sent")
    assert f"{i18n.COOKIE}=pt-BR" in answer.headers["set-cookie"]
    dark = client.request("GET", "/preferences", params={"theme": "dark"})
    assert (
        client.get_page("/", headers={"cookie": dark.headers["set-cookie"].partition(";")[0]}).one("html")["data-theme"]
        == "dark"
    )


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/a\nb"]
)
def test_a_choice_never_leads_elsewhere(sqlite_web: WebHarness, elsewhere: str) -> None:
    answer = PageClient(sqlite_web).request("GET", "/preferences", params={"next": elsewhere})
    assert answer.headers["location"] == "/"


def test_an_unknown_choice_sets_nothing(sqlite_web: WebHarness) -> None:
    answer = PageClient(sqlite_web).request("GET", "/preferences", params={"language": "xx", "theme": "xx"})
    assert "set-cookie" not in answer.headers


def test_every_language_is_offered_by_its_own_name(sqlite_web: WebHarness) -> None:
    page = PageClient(sqlite_web).get_page("/")
    assert {link.text for link in page.all("a") if "hreflang" in link.attributes} == {each.name for each in LANGUAGES}
