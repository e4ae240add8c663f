"""Reasons on the page: sentence and explanation of a refusal in the language of the page."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape

from comporta.web.pages import formats
from comporta.web.pages.action_sentences import portuguese_action_sentence
from comporta.web.pages.i18n import Language
from schemas.reason_docs import DocLanguage, ReasonDoc, reason_docs
from schemas.sentences_pt import portuguese_sentence
from storage.views.biography import DECIMAL_FIELDS

__all__ = [
    "Sentence",
    "action_refusal",
    "action_sentence",
    "doc_language",
    "field_value",
    "pointer_parts",
    "reason_doc",
    "refusal_sentence",
]


_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})")


class Sentence(NamedTuple):
    """A sentence, and the HTML tag of its language."""

    text: str
    lang: str


def doc_language(tag: str) -> DocLanguage:
    """Return the language in which reasons are explained on a page in the language of a tag."""
    return "pt-BR" if tag == "pt-BR" else "en"


@cache
def _docs(language: DocLanguage) -> dict[str, ReasonDoc]:
    return {doc.reason.value: doc for doc in reason_docs(language)}


def reason_doc(reason: str, tag: str) -> ReasonDoc | None:
    """Return the explanation of a code; None if a newer worker wrote one that this page does not know yet."""
    return _docs(doc_language(tag)).get(reason)


def refusal_sentence(reason: str, sentence: str, tag: str, *, replaced: bool = True) -> Sentence:
    """Return the stored sentence of a refusal in the language of a tag.

    A sentence without a translation, such as one of the database, is replaced by the description of its reason; with
    `replaced` false it stays, in English.
    """
    if doc_language(tag) == "en":
        return Sentence(sentence, "en")
    translated = portuguese_sentence(sentence)
    if translated is not None:
        return Sentence(translated, tag)
    doc = reason_doc(reason, tag) if replaced else None
    return Sentence(sentence, "en") if doc is None else Sentence(doc.description, tag)


def action_sentence(text: str, tag: str) -> str:
    """Return the sentence of a refused action in the language of a tag, as it is if no list has it."""
    return (portuguese_action_sentence(text) if doc_language(tag) == "pt-BR" else None) or text


def action_refusal(text: str, language: Language) -> Markup:
    """Return the sentence of a refused action in a language, with its moments as the page's script localizes them."""
    said = str(escape(action_sentence(text, language.tag)))
    return Markup(_MOMENT.sub(lambda found: _moment(found[0], language), said))


def field_value(value: object, name: str, language: Language) -> object:
    """Return the value of a contract's field as a reader writes it: decimals and moments; others as they are."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return Markup(_moment(value, language))
    return formats.amount(value, language.locale) if name in DECIMAL_FIELDS else value


def pointer_parts(pointer: str) -> list[str]:
    """Return the parts of a JSON pointer below `data`; items are counted from 1."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return [str(int(part) + 1) if part.isdecimal() else part for part in parts if part != "data"]


def _moment(text: str, language: Language) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f'<time datetime="{escape(text)}" data-local>{escape(formats.stamp(at, language.locale))}</time>'
