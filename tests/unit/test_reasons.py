"""Reasons in Portuguese: every code is explained, and every sentence of a refusal is translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from comporta.web.pages.reasons import reason_doc, refusal_sentence
from schemas import validation_errors
from schemas.reason_docs import GROUPS, reason_docs
from schemas.reason_docs_pt import GROUP_TITLES, PORTUGUESE
from schemas.reasons import Reason, Refused
from schemas.sentences_pt import SENTENCES, portuguese_sentence
from tests.support.contract_samples import INVALID, Sample, each_sample

ROOT = Path(__file__).resolve().parents[2]
# Rooms whose refusals lie in the quarantine.
ROOMS = ("schemas", "rules", "storage", "consumers")
# The place of the sentence among a call's arguments.
CALLS = {"Refused": 2, "Refusal": 2, "fault": 1, "_check": 1}


def sentences() -> Iterator[str]:
    """Every sentence of a refusal that is written in the source, with `7` for what is filled in."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if path.name == "control.py":  # Its refusals are answered, and lie nowhere.
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                    place = CALLS[node.func.id]
                    text = literal(node.args[place]) if len(node.args) > place else None
                    if text:
                        yield text
    for _, sentence in (*validation_errors._BY_TYPE.values(), *validation_errors._BY_PATTERN.values()):
        yield re.sub(r"\{\w+\}", "7", sentence)


def literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.Constant) for part in node.values):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return None


@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_every_sentence_of_the_source_has_a_translation(sentence: str) -> None:
    assert portuguese_sentence(sentence), "add it to schemas/sentences_pt.py"


def test_the_source_is_searched_where_its_refusals_are() -> None:
    assert {"must lie after valid_from", "must have at most 7 integer digits"} <= set(sentences())
    assert len(set(sentences())) > 50


@each_sample(INVALID)
def test_the_sentence_of_every_sample_is_translated(sample: Sample) -> None:
    with pytest.raises(Refused) as refused:
        sample.parse()
    sentence = refused.value.refusal.sentence
    translated = portuguese_sentence(sentence)
    if sample.domain != "control":
        assert translated not in (None, sentence)


def test_a_translation_has_as_many_places_as_its_sentence() -> None:
    assert [text for text, translation in SENTENCES.items() if text.count("{}") != translation.count("{}")] == []


@pytest.mark.parametrize(
    ("sentence", "translated"),
    [
        ("is misspelt: the field is min_qty", "está escrito errado: o campo é min_qty"),
        ("is required (and 2 more faults)", "é obrigatório (e mais 2 falhas)"),
        ("is required (and 1 more fault)", "é obrigatório (e mais 1 falha)"),
        ("must be 'PF', 'PJ' or 'foreign'", "deve ser 'PF', 'PJ' ou 'foreign'"),
        ("must be an http or https address", "deve ser um endereço http ou https"),
        ("an event of stock came with a routing key of x", "um evento de stock veio com uma chave de roteamento de x"),
        ("value too long for type character varying", None),
    ],
)
def test_numbers_and_names_stay_in_a_translation(sentence: str, translated: str | None) -> None:
    assert portuguese_sentence(sentence) == translated


def test_every_reason_is_explained_in_both_languages_and_differently() -> None:
    assert set(PORTUGUESE) == set(Reason)
    assert GROUP_TITLES.keys() == GROUPS.keys()
    for english, portuguese in zip(reason_docs("en"), reason_docs("pt-BR"), strict=True):
        assert english.reason is portuguese.reason
        assert english.description != portuguese.description
        assert english.remedy != portuguese.remedy


def test_both_languages_name_the_same_things() -> None:
    """Names between backticks are of the contract: none is lost, and none is translated."""
    for english, portuguese in zip(reason_docs("en"), reason_docs("pt-BR"), strict=True):
        names = [set(re.findall(r"`([^`]+)`", f"{doc.description} {doc.remedy}")) for doc in (english, portuguese)]
        assert names[0] >= names[1], english.reason


def test_a_sentence_without_a_translation_gives_way_to_the_description_of_its_reason() -> None:
    shown = refusal_sentence("refused_by_database", "value too long", "pt-BR")
    assert (shown.lang, shown.text) == ("pt-BR", PORTUGUESE[Reason.REFUSED_BY_DATABASE][0])
    assert refusal_sentence("refused_by_database", "value too long", "pt-BR", replaced=False).text == "value too long"
    assert refusal_sentence("refused_by_database", "value too long", "en") == ("value too long", "en")
    assert refusal_sentence("of_a_newer_worker", "so", "pt-BR") == ("so", "en")
    assert reason_doc("of_a_newer_worker", "pt-BR") is None
