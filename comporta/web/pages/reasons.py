"""Reasons on the page: sentence and explanation of a refusal in the language of the page."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from schemas.reason_docs import DocLanguage, ReasonDoc, reason_docs
from schemas.sentences_pt import portuguese_sentence

__all__ = ["Sentence", "doc_language", "reason_doc", "refusal_sentence"]


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
